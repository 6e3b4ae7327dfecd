/* SPDX-License-Identifier: MIT */
/* recorder.c - see recorder.h. Model: a path and the recording that is being written there. */
#include "recorder.h"

#include "log.h"

int recorder_begin(struct recorder *recorder, const struct report_meta *meta)
{
	int err;

	if (!recorder->path)
		return 0;
	err = recording_create(&recorder->recording, recorder->path, meta);
	if (err && !recorder->recording) {
		log_err(err, "cannot write %s", recorder->path);
		log_hint("name a file that you may write; nothing has been attached");
	}
	return err;
}

int recorder_add(struct recorder *recorder, const struct record *record)
{
	return recorder->recording ? recording_add(recorder->recording, record) : 0;
}

int recorder_close(struct recorder *recorder)
{
	int err = recording_close(recorder->recording);

	recorder->recording = NULL;
	if (err) {
		log_err(err, "cannot write %s", recorder->path);
		log_hint("what was written so far is incomplete; nothing else was harmed");
	}
	return err;
}
