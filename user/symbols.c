/* SPDX-License-Identifier: MIT */
/*
 * symbols.c - see symbols.h. Model: modules are files, known by device and inode, which
 * cannot be reused while we hold them open; spaces are sorted ranges that point to modules.
 * The first question about a module opens it in the worker and looks for its debug file;
 * a module that the worker died of is bad for good.
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
	unsigned known_by; /* number of the worker that has it open; 0 = none */
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

/* True: no need to look further. */
static bool try_debug(struct symbols *symbols, uint32_t index, const char *path)
{
	const struct module *module = symbols->module[index];
	int own_root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	const int roots[] = {module->root_fd, own_root};
	int err = -ENOENT;

	for (size_t i = 0; i < 2 && err && err != -EPIPE; i++) {
		int fd = roots[i] >= 0 ? open_below(roots[i], path) : -ENOENT;

		if (fd < 0)
			continue;
		err = symbol_worker_debug(&symbols->worker, index, fd);
		close(fd);
	}
	if (own_root >= 0)
		close(own_root);
	return err == 0 || err == -EPIPE;
}

static void find_debug(struct symbols *symbols, uint32_t index)
{
	const struct module *module = symbols->module[index];
	const char *id = module->info.build_id, *link = module->info.link;
	const char *slash = strrchr(module->path, '/');
	char path[3 * RECORD_PATH_LEN];
	int dir = slash ? (int)(slash - module->path) : 0;

	if (strlen(id) > 2) {
		snprintf(path, sizeof(path), DEBUG_ROOT "/.build-id/%.2s/%s.debug", id, id + 2);
		if (try_debug(symbols, index, path))
			return;
	}
	if (!link[0] || strchr(link, '/') || !slash)
		return;
	snprintf(path, sizeof(path), "%.*s/%s", dir, module->path, link);
	if (try_debug(symbols, index, path))
		return;
	snprintf(path, sizeof(path), "%.*s/.debug/%s", dir, module->path, link);
	if (try_debug(symbols, index, path))
		return;
	snprintf(path, sizeof(path), DEBUG_ROOT "%.*s/%s", dir, module->path, link);
	(void)try_debug(symbols, index, path);
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

/* Known to the worker that runs, with its debug file. */
static bool module_ready(struct symbols *symbols, uint32_t index)
{
	struct module *module = symbols->module[index];
	int err;

	if (module->bad || module->fd < 0)
		return false;
	if (symbols->worker.pid && module->known_by == symbols->worker.started)
		return true;
	err = symbol_worker_open(&symbols->worker, index, module->fd, &module->info);
	if (err) {
		say_bad(symbols, module);
		return false;
	}
	module->known_by = symbols->worker.started;
	if (!module->info.has_debug)
		find_debug(symbols, index);
	return symbols->worker.pid && module->known_by == symbols->worker.started;
}

void symbols_name(struct symbols *symbols, const struct space_place *place,
		  struct symbol_place *ret_names, const char **ret_build_id)
{
	struct module *module = symbols->module[place->module];
	int err = -ENOENT;

	*ret_build_id = module->info.build_id;
	if (place->file && module_ready(symbols, place->module))
		err = symbol_worker_find(&symbols->worker, place->module, place->offset, ret_names);
	if (err == -EPIPE)
		say_bad(symbols, module);
	if (!err)
		return;
	/* Offset in the file, or in the memory: better than nothing, and no guess. */
	memset(ret_names, 0, offsetof(struct symbol_place, symbol[1]));
	ret_names->vaddr = place->offset;
	ret_names->count = 1;
}

bool symbols_cfi(struct symbols *symbols, const struct space_place *place,
		 struct symbol_cfi *ret_cfi)
{
	int err = -ENOENT;

	if (place->file && module_ready(symbols, place->module))
		err = symbol_worker_cfi(&symbols->worker, place->module, place->offset, ret_cfi);
	if (err == -EPIPE)
		say_bad(symbols, symbols->module[place->module]);
	return !err;
}
