/* SPDX-License-Identifier: MIT */
/*
 * symbols.c - see symbols.h. Model: modules are files, known by device and inode, which
 * cannot be reused while we hold them open; spaces are sorted ranges that point to modules.
 * The first question about a module opens it in the worker and looks for its debug file;
 * a module that the worker died of is bad for good, and so is a debug file.
 *
 * Debug files are looked for as gdb does: by build-id, then by .gnu_debuglink beside the
 * file; first in the target's file system, then in ours. The worker compares build-id or
 * checksum, so that one of another build is not used. Nothing is fetched from a network.
 */
#include "symbols.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "log.h"
#include "procfs.h"
#include "symbol_worker.h"

#define MODULES_MAX WORKER_FILES_MAX
#define RANGES_MAX 65536
#define DEBUG_ROOT "/usr/lib/debug"

struct module {
	dev_t dev;
	uint64_t ino; /* 0 = no file: a name for memory */
	int fd;	      /* -1 = not to be had */
	int root_fd;  /* of the process it was met in; -1 = ours only */
	char path[RECORD_PATH_LEN];
	bool bad;
	unsigned opened_by, known_by; /* numbers of the workers that have it, and its debug file */
	unsigned debug_step;	      /* of the places to look for that: those before have none */
	struct symbol_info info;
};

struct range {
	uint64_t start, end, offset;
	uint32_t module;
};

struct space {
	struct space *next;
	struct symbols *symbols;
	pid_t pid;
	struct range *range; /* by address, none overlaps another */
	size_t range_cnt;
};

struct symbols {
	struct symbol_worker worker;
	struct module *module[MODULES_MAX];
	uint32_t module_cnt;
	struct space *spaces;
	bool warned;
};

/* --- modules ---------------------------------------------------------------- */

static struct module *module_new(struct symbols *symbols, const char *path)
{
	struct module *module;

	if (symbols->module_cnt == MODULES_MAX)
		return NULL;
	module = calloc(1, sizeof(*module));
	if (!module)
		return NULL;
	module->fd = module->root_fd = -1;
	snprintf(module->path, sizeof(module->path), "%s", path);
	symbols->module[symbols->module_cnt++] = module;
	return module;
}

static bool is_module(const struct module *module, const struct procfs_mapping *mapping,
		      const char *path)
{
	if (module->ino != mapping->ino)
		return false;
	return mapping->ino ? module->dev == mapping->dev : strcmp(module->path, path) == 0;
}

static int open_root(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/root", (int)pid);
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* The module of a mapping; index 0, "[unmapped]", when there is no room for more. */
static uint32_t module_of(struct symbols *symbols, pid_t pid, const struct procfs_mapping *mapping)
{
	const char *path = mapping->path[0] ? mapping->path : "[anonymous]";
	struct module *module;

	for (uint32_t i = 0; i < symbols->module_cnt; i++)
		if (is_module(symbols->module[i], mapping, path))
			return i;
	module = module_new(symbols, path);
	if (!module)
		return 0;
	module->dev = mapping->dev;
	module->ino = mapping->ino;
	if (module->ino) {
		module->fd = procfs_open_mapping(pid, mapping);
		module->root_fd = open_root(pid);
	}
	return symbols->module_cnt - 1;
}

int symbols_create(struct symbols **ret_symbols)
{
	struct symbols *symbols = calloc(1, sizeof(*symbols));

	if (!symbols || !module_new(symbols, "[unmapped]")) {
		symbols_free(symbols);
		return -ENOMEM;
	}
	(void)symbol_worker_start(&symbols->worker); /* else with the first question */
	*ret_symbols = symbols;
	return 0;
}

static void module_free(struct module *module)
{
	if (module->fd >= 0)
		close(module->fd);
	if (module->root_fd >= 0)
		close(module->root_fd);
	free(module);
}

void space_free(struct space *space)
{
	struct space **link = &space->symbols->spaces;

	while (*link != space)
		link = &(*link)->next;
	*link = space->next;
	free(space->range);
	free(space);
}

void symbols_free(struct symbols *symbols)
{
	if (!symbols)
		return;
	symbol_worker_stop(&symbols->worker);
	while (symbols->spaces)
		space_free(symbols->spaces);
	for (uint32_t i = 0; i < symbols->module_cnt; i++)
		module_free(symbols->module[i]);
	free(symbols);
}

/* --- spaces ----------------------------------------------------------------- */

int space_create(struct space **ret_space, struct symbols *symbols, pid_t pid)
{
	struct space *space = calloc(1, sizeof(*space));

	if (!space)
		return -ENOMEM;
	space->symbols = symbols;
	space->pid = pid;
	space->next = symbols->spaces;
	symbols->spaces = space;
	*ret_space = space;
	return 0;
}

struct scan {
	struct space *space;
	struct range *range;
	size_t cnt, room;
};

static int scan_add(struct scan *scan, const struct range *range)
{
	struct range *grown;

	if (scan->cnt == RANGES_MAX)
		return 0;
	if (scan->cnt == scan->room) {
		scan->room = scan->room ? 2 * scan->room : 64;
		grown = realloc(scan->range, scan->room * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		scan->range = grown;
	}
	scan->range[scan->cnt++] = *range;
	return 0;
}

static int scan_mapping(const struct procfs_mapping *mapping, void *ctx)
{
	struct scan *scan = ctx;
	struct range range = {mapping->start, mapping->end, mapping->offset, 0};

	if (!mapping->exec)
		return 0;
	if (!mapping->ino)
		range.offset = 0;
	range.module = module_of(scan->space->symbols, scan->space->pid, mapping);
	return scan_add(scan, &range);
}

static int compare_ranges(const void *left, const void *right)
{
	const struct range *a = left, *b = right;

	return a->start < b->start ? -1 : a->start > b->start;
}

/* The last range that begins at or before the address. */
static const struct range *range_at(const struct range *range, size_t cnt, uint64_t addr)
{
	size_t low = 0, high = cnt;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (range[middle].start <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? &range[low - 1] : NULL;
}

static bool overlaps(const struct range *range, size_t cnt, const struct range *old)
{
	const struct range *last = range_at(range, cnt, old->end - 1);

	return last && last->end > old->start;
}

int space_update(struct space *space)
{
	struct scan scan = {.space = space};
	int err = procfs_each_mapping(space->pid, scan_mapping, &scan);
	size_t fresh = scan.cnt;

	if (!err && !fresh)
		err = -ESRCH; /* an exiting process has no mappings any more */
	for (size_t i = 0; i < space->range_cnt && !err; i++)
		if (!overlaps(scan.range, fresh, &space->range[i]))
			err = scan_add(&scan, &space->range[i]);
	if (err) {
		free(scan.range);
		return err;
	}
	qsort(scan.range, scan.cnt, sizeof(*scan.range), compare_ranges);
	free(space->range);
	space->range = scan.range;
	space->range_cnt = scan.cnt;
	return 0;
}

bool space_find(const struct space *space, uint64_t addr, struct space_place *ret_place)
{
	const struct range *range = range_at(space->range, space->range_cnt, addr);
	bool found = range && addr < range->end;
	const struct module *module;

	ret_place->module = found ? range->module : 0;
	ret_place->offset = found ? addr - range->start + range->offset : addr;
	module = space->symbols->module[ret_place->module];
	ret_place->name = module->path;
	ret_place->file = module->ino != 0;
	return found;
}

/* --- debug files ------------------------------------------------------------ */

/* Symbolic links stay below the root. */
static int open_below(int root_fd, const char *path)
{
	const struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
				     .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
	int fd = (int)syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return -ENOENT;
	}
	return fd;
}

/* Where a debug file may be: build-id, then link beside the file, in .debug, and below the root. */
enum { BY_ID, BESIDE, IN_DOT_DEBUG, BELOW_ROOT, PATH_COUNT };
#define STEPS (2 * PATH_COUNT) /* each in the target's file system, then in ours */

/* False: there is no such place for this module. */
static bool debug_path(const struct module *module, unsigned which, char *path, size_t size)
{
	const char *id = module->info.build_id, *link = module->info.link;
	const char *slash = strrchr(module->path, '/');
	int dir = slash ? (int)(slash - module->path) : 0;

	if (which == BY_ID) {
		snprintf(path, size, DEBUG_ROOT "/.build-id/%.2s/%s.debug", id,
			 id + strnlen(id, 2));
		return strlen(id) > 2;
	}
	if (!link[0] || strchr(link, '/') || !slash)
		return false;
	if (which == BESIDE)
		snprintf(path, size, "%.*s/%s", dir, module->path, link);
	else if (which == IN_DOT_DEBUG)
		snprintf(path, size, "%.*s/.debug/%s", dir, module->path, link);
	else
		snprintf(path, size, DEBUG_ROOT "%.*s/%s", dir, module->path, link);
	return true;
}

/* A descriptor, or negative: nothing is there. */
static int open_debug(const struct module *module, unsigned step)
{
	char path[3 * RECORD_PATH_LEN];
	int own_root, fd;

	if (!debug_path(module, step / 2, path, sizeof(path)))
		return -ENOENT;
	if (step % 2 == 0)
		return module->root_fd >= 0 ? open_below(module->root_fd, path) : -ENOENT;
	own_root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (own_root < 0)
		return -errno;
	fd = open_below(own_root, path);
	close(own_root);
	return fd;
}

/* 0: the worker has it, or there is none. -EAGAIN; -EPIPE: it died of one, which is passed over. */
static int find_debug(struct symbols *symbols, uint32_t index)
{
	struct module *module = symbols->module[index];

	for (; module->debug_step < STEPS; module->debug_step++) {
		int fd = open_debug(module, module->debug_step), err;

		if (fd < 0)
			continue;
		err = symbol_worker_debug(&symbols->worker, index, fd, module->debug_step);
		close(fd);
		if (err == -EPIPE)
			module->debug_step++;
		if (!err || err == -EAGAIN || err == -EPIPE)
			return err;
	}
	return 0;
}

/* --- names ------------------------------------------------------------------ */

static void say_bad(struct symbols *symbols, struct module *module)
{
	module->bad = true;
	log_debug("no symbols of %s: its file cannot be parsed", module->path);
	if (symbols->worker.pid || symbols->worker.started < WORKER_LIVES || symbols->warned)
		return;
	symbols->warned = true;
	log_warn("files of the traced processes have crashed the parser too often: no more "
		 "symbols");
}

static bool is_known(const struct symbols *symbols, const struct module *module)
{
	return symbols->worker.pid && module->known_by == symbols->worker.started;
}

static int module_open(struct symbols *symbols, uint32_t index)
{
	struct module *module = symbols->module[index];
	int err;

	if (symbols->worker.pid && module->opened_by == symbols->worker.started)
		return 0;
	err = symbol_worker_open(&symbols->worker, index, module->fd, &module->info);
	if (err == -EAGAIN)
		return err;
	if (err) {
		say_bad(symbols, module);
		return -ENOENT;
	}
	module->opened_by = symbols->worker.started;
	return 0;
}

/* 0: the worker that runs knows it, with its debug file. -EAGAIN, -ENOENT. */
static int module_ready(struct symbols *symbols, uint32_t index)
{
	struct module *module = symbols->module[index];

	if (module->fd < 0)
		return -ENOENT;
	while (!module->bad && !is_known(symbols, module)) {
		int err = module_open(symbols, index);

		if (!err && !module->info.has_debug)
			err = find_debug(symbols, index);
		if (!err)
			module->known_by = symbols->worker.started;
		else if (err != -EPIPE) /* that was of a debug file: once more, without it */
			return err;
	}
	return module->bad ? -ENOENT : 0;
}

void symbols_hurry(struct symbols *symbols, int ms)
{
	symbols->worker.hurried = ms >= 0;
	symbols->worker.left_ms = ms >= 0 ? (unsigned)ms : 0;
}

int symbols_name(struct symbols *symbols, const struct space_place *place,
		 struct symbol_place *ret_names, const char **ret_build_id)
{
	struct module *module = symbols->module[place->module];
	int err = place->file ? module_ready(symbols, place->module) : -ENOENT;

	*ret_build_id = module->info.build_id;
	if (!err)
		err = symbol_worker_find(&symbols->worker, place->module, place->offset, ret_names);
	if (!err || err == -EAGAIN)
		return err;
	if (err == -EPIPE)
		say_bad(symbols, module);
	/* Offset in the file, or in the memory: better than nothing, and no guess. */
	memset(ret_names, 0, offsetof(struct symbol_place, symbol[1]));
	ret_names->vaddr = place->offset;
	ret_names->count = 1;
	return 0;
}

/*
 * Not hurried: nobody would ask again. Nor is a debug file looked for, which may take long: what
 * unwinding takes is in the file itself but for rare ones, and those get it with their names.
 */
int symbols_cfi(struct symbols *symbols, const struct space_place *place,
		struct symbol_cfi *ret_cfi)
{
	struct module *module = symbols->module[place->module];
	struct symbol_worker *worker = &symbols->worker;
	bool hurried = worker->hurried;
	int err;

	if (!place->file || module->bad || module->fd < 0)
		return -ENOENT;
	if (worker->waiting)
		return -EAGAIN;
	worker->hurried = false;
	err = module_open(symbols, place->module);
	if (!err)
		err = symbol_worker_cfi(worker, place->module, place->offset, ret_cfi);
	if (err == -EPIPE)
		say_bad(symbols, module);
	worker->hurried = hurried;
	return err;
}
