/* SPDX-License-Identifier: MIT */
/*
 * replay.c - see replay.h. Model: the records of a file go where those of a session go.
 * Whoever takes them judges their order; what is refused makes the file a corrupt one.
 */
#include "replay.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include "log.h"

struct run {
	const struct record_sink *sink;
	unsigned long long windows;
};

static int on_record(void *ctx, const struct record *record)
{
	struct run *run = ctx;

	run->windows += record->kind == RECORD_WINDOW;
	return run->sink->emit(run->sink->ctx, record);
}

static int explain(const char *path, int err, unsigned long long windows)
{
	switch (err) {
	case -ENODATA:
		log_err(0, "%s is cut short after %llu windows", path, windows);
		log_hint("the recording was interrupted, or the copy is incomplete");
		break;
	case -EBADMSG:
		log_err(0, "%s is damaged after %llu windows", path, windows);
		log_hint("copy the file again, as binary, or record again");
		break;
	case -EPROTONOSUPPORT:
		log_err(0,
			"%s has another format version, or was written on another kind of "
			"machine",
			path);
		log_hint("read it with the smaptrace that wrote it; this one reads format %d",
			 RECORDING_VERSION);
		break;
	case -E2BIG:
		log_err(0, "%s has more maps alive than --max-maps allows, after %llu windows",
			path, windows);
		log_hint("raise --max-maps if you trust the file");
		break;
	case -ENOEXEC:
		log_err(0, "%s is no recording", path);
		log_hint("'smaptrace record -o FILE' writes one");
		break;
	default:
		log_err(err, "cannot read %s", path);
	}
	return err;
}

int replay_meta(const char *path, struct recording_meta *ret_meta)
{
	int err = recording_read(path, ret_meta, NULL);

	return err ? explain(path, err, 0) : 0;
}

int replay_run(const char *path, const struct record_sink *sink)
{
	struct run run = {.sink = sink};
	const struct record_sink counting = {.emit = on_record, .ctx = &run};
	struct recording_meta meta;
	int err = recording_read(path, &meta, &counting);

	if (err == 0 || err == -ECANCELED)
		return 0;
	return explain(path, err, run.windows);
}

int replay_spare(const char *recording, const char *path)
{
	struct stat from, to;

	if (!path || strcmp(path, "-") == 0 || stat(recording, &from) || stat(path, &to) ||
	    !S_ISREG(to.st_mode) || from.st_dev != to.st_dev || from.st_ino != to.st_ino)
		return 0;
	log_err(0, "%s is the recording that is to be read: writing there would destroy it", path);
	log_hint("name another file to write");
	return -EEXIST;
}
