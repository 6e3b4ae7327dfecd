/* SPDX-License-Identifier: MIT */
/*
 * replay.h - recordings for commands: recording_read() that says on stderr what is
 * wrong with a file, and what to do.
 */
#ifndef REPLAY_H
#define REPLAY_H

#include "recording.h"

/* A file may claim any number of maps; so many may live at a time (0: not asked for). */
static inline size_t replay_max_maps(unsigned asked)
{
	return asked ? asked : 65536;
}

/* What the file says about itself; 0 or -errno, logged. */
int replay_meta(const char *path, struct recording_meta *ret_meta);

/*
 * Emits the records. 0 or -errno, logged; what was emitted before an error is good.
 * -ECANCELED of the sink ends the replay without being an error.
 */
int replay_run(const char *path, const struct record_sink *sink);
/*
 * Would writing to path (NULL, "-": stdout) destroy the recording? 0, or -EEXIST after saying so.
 */
int replay_spare(const char *recording, const char *path);

#endif
