/* SPDX-License-Identifier: MIT */
/*
 * procfs.c - reading /proc/PID.
 *
 * A file is opened through map_files, whose entries are the mapped files
 * themselves; where that is not permitted, by its path below /proc/PID/root,
 * and then only the right inode number is accepted.
 */
#include "procfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define DELETED " (deleted)"

static FILE *open_stream(pid_t pid, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return fopen(path, "re");
}

static bool parse_mapping(const char *line, struct procfs_mapping *ret_mapping)
{
	struct procfs_mapping m = {0};
	unsigned dev_major, dev_minor;
	char perms[5];
	int at = 0;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64 " %n", &m.start,
		   &m.end, perms, &m.offset, &dev_major, &dev_minor, &m.ino, &at) < 7 ||
	    !at || m.end <= m.start)
		return false;
	m.dev = makedev(dev_major, dev_minor);
	m.exec = strchr(perms, 'x');
	m.path = line + at;
	*ret_mapping = m;
	return true;
}

int procfs_each_mapping(pid_t pid, int (*fn)(const struct procfs_mapping *mapping, void *ctx),
			void *ctx)
{
	FILE *file = open_stream(pid, "maps");
	struct procfs_mapping mapping;
	char *line = NULL;
	size_t size = 0;
	ssize_t len;
	int err = 0;

	if (!file)
		return errno == ENOENT ? -ESRCH : -errno;
	while (!err && (len = getline(&line, &size, file)) > 0) {
		if (line[len - 1] == '\n')
			line[len - 1] = '\0';
		if (parse_mapping(line, &mapping))
			err = fn(&mapping, ctx);
	}
	free(line);
	fclose(file);
	return err;
}

static int open_by_path(pid_t pid, const struct procfs_mapping *mapping)
{
	size_t len = strlen(mapping->path);
	char path[4096];
	struct stat st;
	int fd;

	if (len > strlen(DELETED) && strcmp(mapping->path + len - strlen(DELETED), DELETED) == 0)
		return -ENOENT;
	if (snprintf(path, sizeof(path), "/proc/%d/root%s", (int)pid, mapping->path) >=
	    (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_ino != mapping->ino) {
		close(fd);
		return -ESTALE;
	}
	return fd;
}

int procfs_open_mapping(pid_t pid, const struct procfs_mapping *mapping)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, (int)pid,
		 mapping->start, mapping->end);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	return fd >= 0 ? fd : open_by_path(pid, mapping);
}

int procfs_stat(pid_t pid, char *ret_comm, uint64_t *ret_start_ticks)
{
	FILE *file = open_stream(pid, "stat");
	char buf[1024], *open_paren, *close_paren;
	size_t len, comm_len;
	uint64_t start;

	if (!file)
		return errno == ENOENT ? -ESRCH : -errno;
	len = fread(buf, 1, sizeof(buf) - 1, file);
	fclose(file);
	buf[len] = '\0';
	/* The name may itself contain parentheses and spaces. */
	open_paren = strchr(buf, '(');
	close_paren = strrchr(buf, ')');
	if (!open_paren || !close_paren || close_paren < open_paren)
		return -ESRCH;
	if (sscanf(close_paren + 1,
		   " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
		   "%" SCNu64,
		   &start) != 1)
		return -ESRCH;
	comm_len = (size_t)(close_paren - open_paren - 1);
	if (comm_len > 15)
		comm_len = 15;
	memcpy(ret_comm, open_paren + 1, comm_len);
	memset(ret_comm + comm_len, 0, 16 - comm_len);
	*ret_start_ticks = start;
	return 0;
}

/* Both kinds: of its own will, and because another one was to run. */
static uint64_t switches_of(const char *path)
{
	FILE *file = fopen(path, "re");
	char line[256];
	uint64_t sum = 0, count;

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "voluntary_ctxt_switches: %" SCNu64, &count) == 1 ||
		    sscanf(line, "nonvoluntary_ctxt_switches: %" SCNu64, &count) == 1)
			sum += count;
	if (file)
		fclose(file);
	return sum;
}

int procfs_switches(pid_t pid, uint64_t *ret_count)
{
	char path[320];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? -ESRCH : -errno;
	*ret_count = 0;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%s/status", (int)pid, entry->d_name);
		*ret_count += switches_of(path);
	}
	closedir(dir);
	return 0;
}

int procfs_auxv(pid_t pid, uint64_t type, uint64_t *ret_value)
{
	FILE *file = open_stream(pid, "auxv");
	uint64_t pair[2];
	int err = -ENOENT;

	if (!file)
		return errno == ENOENT ? -ESRCH : -errno;
	while (fread(pair, sizeof(pair), 1, file) == 1) {
		if (pair[0] == type) {
			*ret_value = pair[1];
			err = 0;
			break;
		}
	}
	fclose(file);
	return err;
}
