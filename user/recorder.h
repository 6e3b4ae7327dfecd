/* SPDX-License-Identifier: MIT */
/*
 * recorder.h - a recording as the tap of a trace: for `record`, which has nothing else, and for
 * `check --record`. Says on stderr what went wrong with the file.
 */
#ifndef RECORDER_H
#define RECORDER_H

#include "recording.h"

struct recorder {
	const char *path; /* NULL: nothing is recorded, and all of this does nothing */
	struct recording *recording;
};

/* For trace_plan.on_begin and on_record: 0 or -errno, logged. */
int recorder_begin(struct recorder *recorder, const struct report_meta *meta);
int recorder_add(struct recorder *recorder, const struct record *record);
/* Ends the file; 0 or the first error of its life, logged. */
int recorder_close(struct recorder *recorder);

#endif
