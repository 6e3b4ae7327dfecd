/* SPDX-License-Identifier: MIT */
/*
 * process.h - the processes of a session: they come, become another program, and end.
 *
 * An entry is one address space. A process that execs ends here and begins anew, with
 * the same pid; what is known of an ended one stays for the reports, as long as they want it.
 */
#ifndef PROCESS_H
#define PROCESS_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "target.h"

struct process {
	struct target *target;
	size_t announced; /* images of it that have a TARGET record */
	bool ended;
	bool replaced;	/* by another program: its end is not that of the pid */
	bool reported;	/* its TARGET_ENDs are out */
	unsigned since; /* so many windows ago */
};

struct processes {
	struct process *list; /* moves when one is added */
	size_t cnt;
};

/*
 * Open and scan. Another entry of that pid with another number has been replaced. 0 also
 * when it is there already; *ret_process only on success. -errno of target_open().
 */
int processes_add(struct processes *processes, pid_t pid, uint32_t number,
		  struct process **ret_process);
/* Not ended; NULL = none. */
struct process *processes_find(struct processes *processes, pid_t pid);
/* One that has been opened and scanned; its number is set. 0, or -ENOMEM and it is yours. */
int processes_take(struct processes *processes, struct target *target,
		   struct process **ret_process);
/* It is another program now. */
void processes_replace(struct process *process);
/* Those for which fn says true go. */
void processes_remove(struct processes *processes, bool (*fn)(struct process *process, void *ctx),
		      void *ctx);
bool processes_all_ended(const struct processes *processes);
/* Mark those that have ended. */
void processes_look(struct processes *processes);
/* One entry of fds for each process; then mark who has ended by what poll() said. */
void processes_fill(const struct processes *processes, struct pollfd *fds);
void processes_polled(struct processes *processes, const struct pollfd *fds);
void processes_free(struct processes *processes);

#endif
