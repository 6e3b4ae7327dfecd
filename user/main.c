/* SPDX-License-Identifier: MIT */
/*
 * main.c - what the process does: read the command line, run the command, exit with
 * its status. Everything else has a file of its own: see COMMANDS in options.h.
 */
#include <fcntl.h>
#include <unistd.h>
#include "log.h"
#include "options.h"

/* A file that we open must never become stdout or stderr by being the first free one. */
static void keep_standard_fds(void)
{
	int fd = open("/dev/null", O_RDWR);

	while (fd >= 0 && fd <= STDERR_FILENO)
		fd = dup(fd);
	if (fd > STDERR_FILENO)
		close(fd);
}

int main(int argc, char **argv)
{
	struct options opts;
	int status;

	keep_standard_fds();
	if (options_parse(&opts, argc, argv, &status))
		return status;
	log_verbose = opts.verbose;
	status = opts.command->run(&opts);
	options_free(&opts);
	return status;
}
