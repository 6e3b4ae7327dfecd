/* SPDX-License-Identifier: MIT */
/*
 * test_smap_refused.c - kernels that refuse what the library asks for, processors that lack it,
 * and processes that end at a bad moment.
 *
 * Each scene is a process of its own: the program starts itself with the name of the scene as
 * its argument, where needed under a seccomp filter, and the scene checks what must hold there.
 * And what the library refuses: options that it does not know.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "cover.h"
#include "smap_clock.h"

#define REFUSE(nr)                                                                                 \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),                                             \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)

/* For all threads of the process, and what it executes. */
static void refuse_calls(unsigned a, unsigned b)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		REFUSE(a),
		REFUSE(b),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {.len = sizeof(code) / sizeof(*code), .filter = code};

	CHECK(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	CHECK(!syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &prog));
}

static atomic_uint scene_freed;

/* Values are freed, but not inside a section. */
static void scene_use_map(void)
{
	struct smap *map =
		create((struct smap_options){.value_free = count_freed, .ctx = &scene_freed});
	unsigned before = scene_freed;
	struct smap_state st;

	fill(map, 0, 100);
	smap_read_lock();
	CHECK(smap_delete_u64(map, 1));
	for (uint64_t end = rounds() + 4; rounds() < end;)
		smap_inspect(map, &st); /* so that there is something to do */
	CHECK(scene_freed == before);
	smap_read_unlock();
	until_freed(&scene_freed, before + 1);
	smap_destroy(map);
	CHECK(scene_freed == before + 100);
}

/* membarrier and getrandom refused from the start: readers fence. */
static void scene_refused(void)
{
	CHECK(smap_fenced_readers);
	scene_use_map();
}

/* Refused after the library was loaded: barriers by interrupt. */
__attribute__((unused)) static void scene_refused_later(void)
{
	CHECK(!smap_fenced_readers);
	scene_use_map();
	refuse_calls(SYS_membarrier, SYS_getrandom);
	scene_use_map();
	scene_use_map();
}

/* No barrier to be had at all: memory is lost, and one can see how much; no reader is. */
static void without_barrier(unsigned call)
{
	struct smap *map =
		create((struct smap_options){.value_free = count_freed, .ctx = &scene_freed});
	struct smap_state st;

	fill(map, 0, 100);
	refuse_calls(SYS_membarrier, call);
	for (uint64_t k = 0; k < 100; k++)
		CHECK(smap_delete_u64(map, k));
	for (uint64_t end = rounds() + 4; rounds() < end;)
		smap_inspect(map, &st);
	CHECK(!scene_freed);
	CHECK(st.counters.retired - st.counters.reclaimed >= 100);
}

static void scene_no_barrier(void)
{
	without_barrier(SYS_mprotect);
}

static void scene_no_page(void)
{
	without_barrier(SYS_mmap);
}

static void scene_exit_while_asleep(void)
{
	create((struct smap_options){0});
	until_asleep();
}

/*
 * The mutex, while a batch waits: the first miss in a while is fired at once, and the
 * reclaimer fires what is old.
 */
static void hold_with_a_batch(struct smap *map)
{
	for (;;) {
		miss(map, 1);
		pthread_mutex_lock(&map->mu);
		if (map->state.pending.count)
			return;
		pthread_mutex_unlock(&map->mu);
	}
}

/* exit() with a batch of misses that nobody has heard yet; with the mutex held as well. */
static void scene_exit_with_misses(void)
{
	struct smap *map =
		create((struct smap_options){.policy = SMAP_POLICY_FIXED, .policy_arg = 1000000});

	fill(map, 0, 10);
	listen_to_all(1);
	hold_with_a_batch(map);
	pthread_mutex_unlock(&map->mu);
}

static void scene_exit_with_the_mutex(void)
{
	struct smap *map =
		create((struct smap_options){.policy = SMAP_POLICY_FIXED, .policy_arg = 1000000});

	fill(map, 0, 10);
	listen_to_all(1);
	hold_with_a_batch(map);
}

/* A processor without an invariant time stamp counter: the clock stands in. */
static void scene_no_tsc(void)
{
	smap_has_tsc = false;
	scene_exit_with_misses();
	CHECK(smap_ticks_between_ns(5, 3) == 0);
	CHECK(smap_ticks_between_ns(3, 5) == 2);
}

static const struct scene {
	const char *name;
	void (*play)(void);
	bool refused; /* from the start */
} scenes[] = {
	{"refused", scene_refused, true},
#if defined(__x86_64__) /* elsewhere there is no other barrier */
	{"refused-later", scene_refused_later, false},
#endif
	{"no-barrier", scene_no_barrier, false},
	{"no-page", scene_no_page, false},
	{"exit-while-asleep", scene_exit_while_asleep, false},
	{"exit-with-misses", scene_exit_with_misses, false},
	{"exit-with-the-mutex", scene_exit_with_the_mutex, false},
	{"no-tsc", scene_no_tsc, false},
};

#define SCENES (sizeof(scenes) / sizeof(*scenes))

static int play(const char *name)
{
	alarm(60);
	for (size_t i = 0; i < SCENES; i++)
		if (!strcmp(scenes[i].name, name)) {
			scenes[i].play();
			return 0;
		}
	return 2;
}

static void test_scenes(void **state)
{
	(void)state;
	for (size_t i = 0; i < SCENES; i++) {
		pid_t pid = fork();
		int status;

		assert_true(pid >= 0);
		if (!pid) {
			if (scenes[i].refused)
				refuse_calls(SYS_membarrier, SYS_getrandom);
			execl("/proc/self/exe", "test_smap_refused", scenes[i].name, (char *)NULL);
			_exit(127);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (status)
			fail_msg("scene %s ended with status %#x", scenes[i].name, status);
	}
}

/* Options of a later version: fields that we do not know must be zero. */
static void test_options_from_the_future(void **state)
{
	struct {
		struct smap_options known;
		uint64_t unknown;
	} opts = {.known.size = sizeof(opts)};
	struct smap *map = NULL;

	(void)state;
	assert_int_equal(smap_create(&map, &opts.known), 0);
	smap_destroy(map);
	map = NULL;
	opts.unknown = 1;
	assert_int_equal(smap_create(&map, &opts.known), -EINVAL);
	assert_null(map);
	assert_ptr_equal(smap_registry_get(), &smap_registry);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_options_from_the_future),
					   cmocka_unit_test(test_scenes)};

	if (argc > 1)
		return play(argv[1]);
	alarm(300); /* a deadlock must not hang the suite */
	return cmocka_run_group_tests_name("smap_refused", tests, NULL, NULL);
}
