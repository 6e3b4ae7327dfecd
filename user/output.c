/* SPDX-License-Identifier: MIT */
/*
 * output.c - the table of outputs. Model: a NULL-ended array built from OUTPUTS, and
 * three calls that flush, so that who reads a pipe sees each window when it is
 * complete and a full disk is noticed at once.
 */
#include "output.h"

#include <string.h>

const struct output *const outputs[] = {
#define OUTPUT_ENTRY(name) &output_##name,
	OUTPUTS(OUTPUT_ENTRY)
#undef OUTPUT_ENTRY
		NULL,
};

const struct output *output_find(const char *name)
{
	for (size_t i = 0; outputs[i]; i++)
		if (strcmp(outputs[i]->name, name) == 0)
			return outputs[i];
	return NULL;
}

/* What the output returned comes second: a write error explains it. */
static int finish(struct sink *sink, int err)
{
	int write_err = sink_flush(sink);

	return write_err ? write_err : err;
}

int output_begin(const struct output *output, struct sink *sink, const struct report_meta *meta)
{
	return finish(sink, output->begin ? output->begin(sink, meta) : 0);
}

int output_report(const struct output *output, struct sink *sink, const struct report *report)
{
	return finish(sink, output->report(sink, report));
}

int output_end(const struct output *output, struct sink *sink)
{
	return finish(sink, output->end ? output->end(sink) : 0);
}
