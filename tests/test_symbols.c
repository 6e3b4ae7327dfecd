/* SPDX-License-Identifier: MIT */
/*
 * Names of addresses: what a file says and no more; the parser has no privileges, and a file
 * that kills it costs its own names only.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "symbol_worker.h"
#include "stack.h"
#include "symbols.h"

static __attribute__((noinline, noclone)) int here(int x)
{
	__asm__ volatile("" : "+r"(x)); /* line of here() */
	return x + 1;
}

static const char *name_in(struct symbols *symbols, const struct space *space, uint64_t addr,
			   struct symbol_place *names)
{
	struct space_place where;
	const char *build_id;

	(void)space_find(space, addr, &where);
	assert_int_equal(symbols_name(symbols, &where, names, &build_id), 0);
	return names->symbol[names->count - 1].function;
}

static void test_own_addresses(void **state)
{
	static struct symbol_place names;
	struct space_place where;
	struct symbols *symbols;
	struct space *space;

	(void)state;
	assert_int_equal(here(1), 2);
	assert_int_equal(symbols_create(&symbols), 0);
	assert_int_equal(space_create(&space, symbols, getpid()), 0);
	assert_int_equal(space_update(space), 0);
	assert_string_equal(name_in(symbols, space, (uintptr_t)here, &names), "here");
	assert_string_equal(stack_base_name(names.symbol[0].file), "test_symbols.c");
	assert_in_range(names.symbol[0].line, 20, 40);
	/* Another module, without asking for its file by name. */
	assert_non_null(strstr(name_in(symbols, space, (uintptr_t)getpid, &names), "getpid"));
	/* Not code at all, and not mapped: no name, and no guess. */
	assert_string_equal(name_in(symbols, space, 0x10, &names), "");
	assert_false(space_find(space, 0x10, &where));
	assert_string_equal(where.name, "[unmapped]");
	assert_int_equal(where.offset, 0x10);
	symbols_free(symbols);
}

/* A line of /proc/PID/status. */
static void status_of(pid_t pid, const char *key, char *value, size_t size)
{
	char path[64], line[256];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "r");
	assert_non_null(file);
	value[0] = '\0';
	while (fgets(line, sizeof(line), file))
		if (strncmp(line, key, strlen(key)) == 0)
			snprintf(value, size, "%s", line + strlen(key));
	fclose(file);
}

static int open_self(void)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void test_worker_is_confined(void **state)
{
	struct symbol_worker worker = {0};
	struct symbol_info info;
	char value[128];
	int fd = open_self();

	(void)state;
	/* Once it answers, it is confined. */
	assert_int_equal(symbol_worker_open(&worker, 0, fd, &info), 0);
	assert_true(info.has_debug);
	status_of(worker.pid, "CapEff:", value, sizeof(value));
	assert_int_equal(strtoull(value, NULL, 16), 0);
	status_of(worker.pid, "CapBnd:", value, sizeof(value));
	assert_int_equal(strtoull(value, NULL, 16), 0);
	status_of(worker.pid, "NoNewPrivs:", value, sizeof(value));
	assert_int_equal(atoi(value), 1);
	status_of(worker.pid, "Seccomp:", value, sizeof(value));
	assert_int_equal(atoi(value), 2);
	if (geteuid() == 0) {
		status_of(worker.pid, "Uid:", value, sizeof(value));
		assert_int_equal(atoi(value), 65534);
	}
	close(fd);
	symbol_worker_stop(&worker);
	symbol_worker_stop(&worker);
}

/* Who is in a hurry comes back for the answer, and nobody else gets one meanwhile. */
static void test_worker_is_not_awaited(void **state)
{
	static struct symbol_place place;
	struct symbol_worker worker = {.hurried = true};
	struct symbol_info info = {0};
	int fd = open_self(), err = symbol_worker_open(&worker, 0, fd, &info);

	(void)state;
	while (err == -EAGAIN) {
		assert_true(worker.waiting);
		assert_int_equal(symbol_worker_open(&worker, 1, fd, &info), -EAGAIN);
		assert_int_equal(symbol_worker_find(&worker, 0, 0, &place), -EAGAIN);
		worker.left_ms = 1;
		err = symbol_worker_open(&worker, 0, fd, &info);
	}
	assert_int_equal(err, 0);
	assert_true(info.has_debug);
	assert_false(worker.waiting);
	assert_int_equal(worker.started, 1);
	do {
		worker.left_ms = 1;
		err = symbol_worker_find(&worker, 0, UINT64_MAX, &place);
	} while (err == -EAGAIN);
	assert_int_equal(err, -ENOENT);
	/* It dies while its answer is awaited. */
	worker.left_ms = 0;
	assert_int_equal(kill(worker.pid, SIGSTOP), 0);
	assert_int_equal(symbol_worker_find(&worker, 0, 0, &place), -EAGAIN);
	assert_int_equal(kill(worker.pid, SIGKILL), 0);
	worker.hurried = false;
	assert_int_equal(symbol_worker_find(&worker, 0, 0, &place), -EPIPE);
	assert_false(worker.waiting);
	close(fd);
	symbol_worker_stop(&worker);
}

static void test_worker_dies(void **state)
{
	static struct symbol_place place;
	struct symbol_worker worker = {0};
	struct symbol_info info;
	int fd = open_self();

	(void)state;
	for (unsigned i = 0; i < WORKER_LIVES; i++) {
		assert_int_equal(symbol_worker_open(&worker, 7, fd, &info), 0);
		assert_int_equal(worker.started, i + 1);
		assert_int_equal(kill(worker.pid, SIGKILL), 0);
		assert_int_equal(symbol_worker_find(&worker, 7, 0, &place), -EPIPE);
		assert_int_equal(worker.pid, 0);
	}
	/* Enough of it. */
	assert_int_equal(symbol_worker_open(&worker, 7, fd, &info), -EPIPE);
	close(fd);
}

/* A descriptor of a file with these bytes. */
static int file_of(const unsigned char *bytes, size_t size)
{
	char path[] = "/tmp/test_symbols.XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(write(fd, bytes, size), (ssize_t)size);
	return fd;
}

static void test_no_elf(void **state)
{
	static const unsigned char junk[] = "\177ELF but no more than that";
	struct symbol_worker worker = {0};
	static struct symbol_place place;
	struct symbol_info info;
	int fd = file_of(junk, sizeof(junk));

	(void)state;
	assert_int_equal(symbol_worker_open(&worker, 1, fd, &info), -ENOEXEC);
	assert_int_equal(symbol_worker_find(&worker, 1, 0, &place), -EINVAL);
	assert_int_equal(symbol_worker_find(&worker, WORKER_FILES_MAX, 0, &place), -EINVAL);
	assert_int_equal(symbol_worker_open(&worker, WORKER_FILES_MAX, fd, &info), -EINVAL);
	close(fd);
	/* It lives on, for the others. */
	fd = open_self();
	assert_int_equal(symbol_worker_open(&worker, 2, fd, &info), 0);
	assert_int_equal(symbol_worker_open(&worker, 2, fd, &info), -EINVAL);
	assert_int_equal(worker.started, 1);
	close(fd);
	symbol_worker_stop(&worker);
}

/* The one debug file that is taken is that of the same build. */
static void test_foreign_debug_file(void **state)
{
	struct symbol_worker worker = {0};
	struct symbol_info info;
	int fd = open_self(), other = open("/bin/sh", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_true(other >= 0);
	assert_int_equal(symbol_worker_open(&worker, 0, fd, &info), 0);
	assert_int_equal(symbol_worker_debug(&worker, 0, other, 0), -ENOEXEC);
	assert_int_equal(symbol_worker_debug(&worker, 0, fd, 1), 0);
	close(fd);
	close(other);
	symbol_worker_stop(&worker);
}

#define BROKEN 60
#define ASKED 12

/* Files with errors in them: whatever happens, we get an answer or -EPIPE, and text that ends. */
static void test_broken_files(void **state)
{
	static struct symbol_place place;
	static unsigned char bytes[8 << 20], copy[8 << 20];
	struct symbol_worker worker = {0};
	struct symbol_info info;
	struct symbol_cfi cfi;
	uint64_t random = 88172645463325252ULL;
	int fd = open(getenv("BROKEN_FILE") ? getenv("BROKEN_FILE") : "/proc/self/exe", O_RDONLY);
	ssize_t size = read(fd, bytes, sizeof(bytes));

	(void)state;
	assert_true(size > 4096);
	close(fd);
	for (uint32_t i = 0; i < BROKEN && worker.started < WORKER_LIVES; i++) {
		memcpy(copy, bytes, (size_t)size);
		for (unsigned j = 0; j < 1 + i * 8; j++) {
			random ^= random << 13, random ^= random >> 7, random ^= random << 17;
			/* Mostly in the headers and tables, which are at both ends. */
			copy[j % 4 == 0	  ? random % 4096
			     : j % 4 == 1 ? (size_t)size - 1 - random % 16384
					  : random % (size_t)size] = (unsigned char)(random >> 32);
		}
		fd = file_of(copy, (size_t)size);
		if (symbol_worker_open(&worker, i, fd, &info) == 0) {
			for (uint64_t at = 0; at < ASKED; at++) {
				uint64_t offset = at * (uint64_t)size / ASKED;
				int err = symbol_worker_find(&worker, i, offset, &place);

				if (!err)
					assert_in_range(place.count, 1, SYMBOLS_MAX);
				if (err == -EPIPE)
					break;
				(void)symbol_worker_cfi(&worker, i, offset, &cfi);
			}
		}
		close(fd);
	}
	symbol_worker_stop(&worker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own_addresses),
		cmocka_unit_test(test_worker_is_confined),
		cmocka_unit_test(test_worker_is_not_awaited),
		cmocka_unit_test(test_worker_dies),
		cmocka_unit_test(test_no_elf),
		cmocka_unit_test(test_foreign_debug_file),
		cmocka_unit_test(test_broken_files),
	};

	return cmocka_run_group_tests_name("symbols", tests, NULL, NULL);
}
