/* SPDX-License-Identifier: MIT */
/*
 * options_value.c - one parser per type of argument, which checks its bounds: see
 * options_table.h.
 */
#include "options_table.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "log.h"
#include "output.h"
#include "trap.h"

int option_usage_error(const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	log_err(0, "%s", text);
	log_hint("'smaptrace --help' shows all options, with examples");
	return -1;
}

static int add_pid(struct options *opts, pid_t pid)
{
	pid_t *pids;

	for (size_t i = 0; i < opts->pid_count; i++)
		if (opts->pids[i] == pid)
			return 0;
	pids = realloc(opts->pids, (opts->pid_count + 1) * sizeof(*pids));
	if (!pids)
		return log_err(-ENOMEM, "cannot read the list of processes");
	opts->pids = pids;
	opts->pids[opts->pid_count++] = pid;
	return 0;
}

static int parse_pids(struct options *opts, const char *text)
{
	const char *rest = text;

	do {
		char *end;
		long pid;

		errno = 0;
		pid = strtol(rest, &end, 10);
		if (*rest < '0' || *rest > '9' || errno || pid < 1 || pid > INT_MAX ||
		    (*end && *end != ','))
			return option_usage_error(
				"'%s' is not a list of process ids like 4242,4243", text);
		if (add_pid(opts, (pid_t)pid))
			return -1;
		rest = *end ? end + 1 : NULL;
	} while (rest);
	return 0;
}

/* Plain decimals only: no exponents, no hexadecimal, no "inf". */
static int parse_number(const struct option_def *def, const char *text, double *ret_value)
{
	bool fraction = def->type == TYPE_SECONDS || def->type == TYPE_PERCENT;
	bool plain = *text && strspn(text, fraction ? "0123456789." : "0123456789") == strlen(text);
	char *end;
	double value = strtod(text, &end);

	if (!plain || *end || value < def->min || value > def->max)
		return option_usage_error("--%s wants %s from %g to %.0f, not '%s'", def->name,
					  def->type == TYPE_SECONDS   ? "seconds"
					  : def->type == TYPE_PERCENT ? "a percentage"
								      : "a whole number",
					  def->min, def->max, text);
	*ret_value = value;
	return 0;
}

static int parse_format(char **ret_format, char *text)
{
	char known[256] = "";

	if (output_find(text)) {
		*ret_format = text;
		return 0;
	}
	for (size_t i = 0; outputs[i]; i++)
		snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s%s",
			 i > 0 ? ", " : "", outputs[i]->name);
	return option_usage_error("'%s' is not an output format; the formats are: %s", text, known);
}

/* Append to a NULL-ended list. */
static int add_text(char ***list, char *text)
{
	size_t count = 0;
	char **grown;

	while (*list && (*list)[count])
		count++;
	grown = realloc(*list, (count + 2) * sizeof(*grown));
	if (!grown)
		return log_err(-ENOMEM, "cannot read the command line");
	grown[count] = text;
	grown[count + 1] = NULL;
	*list = grown;
	return 0;
}

static int add_trap(struct options *opts, char *name)
{
	char known[256] = "";

	if (trap_find(name))
		return add_text(&opts->traps, name);
	for (size_t i = 0; trap_table[i]; i++)
		snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s%s",
			 i > 0 ? ", " : "", trap_table[i]->name);
	return option_usage_error("'%s' is not a trap; the traps are: %s", name, known);
}

static int parse_severity(char **ret_severity, char *text)
{
	for (int i = FINDING_NOTICE; i <= FINDING_ERROR; i++) {
		if (strcmp(report_severity((enum finding_severity)i), text) == 0) {
			*ret_severity = text;
			return 0;
		}
	}
	return option_usage_error("'%s' is not a severity; they are: notice, warning, error", text);
}

int option_set(struct options *opts, const struct option_def *def, char *text)
{
	void *member = (char *)opts + def->offset;
	double value = 0;

	/* Otherwise "-o -- CMD" would write to a file named "--". */
	if (def->arg && (strcmp(text, "--") == 0 || *text == '\0'))
		return option_usage_error("--%s needs an argument: %s", def->name, def->arg);
	switch (def->type) {
	case TYPE_PIDS:
		return parse_pids(opts, text);
	case TYPE_SECONDS:
	case TYPE_PERCENT:
		return parse_number(def, text, member);
	case TYPE_COUNT:
		if (parse_number(def, text, &value))
			return -1;
		*(unsigned *)member = (unsigned)value;
		return 0;
	case TYPE_FORMAT:
		return parse_format(member, text);
	case TYPE_TEXT:
		*(char **)member = text;
		return 0;
	case TYPE_TRAP:
		return add_trap(opts, text);
	case TYPE_HOST:
		return add_text(&opts->hosts, text);
	case TYPE_SEVERITY:
		return parse_severity(member, text);
	case TYPE_FLAG:
		*(bool *)member = true;
		return 0;
	case TYPE_HELP:
	case TYPE_VERSION:
		break; /* the caller's */
	}
	return 0;
}
