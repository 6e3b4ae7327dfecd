/* SPDX-License-Identifier: MIT */
/*
 * process.c - a growing list. An ended process has no descriptors any more, but others point
 * to its target: who removes it has asked them all (session_forget()).
 */
#include "process.h"

#include <errno.h>
#include <stdlib.h>

void processes_replace(struct process *process)
{
	process->ended = process->replaced = true;
	target_release(process->target);
}

static struct process *find(struct processes *processes, pid_t pid, uint32_t number)
{
	for (size_t i = 0; i < processes->cnt; i++) {
		struct process *process = &processes->list[i];

		if (process->ended || process->target->pid != pid)
			continue;
		if (process->target->number == number)
			return process;
		processes_replace(process);
	}
	return NULL;
}

int processes_add(struct processes *processes, pid_t pid, uint32_t number,
		  struct process **ret_process)
{
	struct process *grown, *process = find(processes, pid, number);
	struct target *target;
	int err;

	if (process) {
		*ret_process = process;
		return 0;
	}
	grown = realloc(processes->list, (processes->cnt + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	processes->list = grown;
	err = target_open(&target, pid);
	if (err)
		return err;
	target->number = number;
	process = &grown[processes->cnt++];
	*process = (struct process){.target = target};
	err = target_scan(target);
	if (!err)
		*ret_process = process;
	return err;
}

struct process *processes_find(struct processes *processes, pid_t pid)
{
	for (size_t i = processes->cnt; i-- > 0;)
		if (!processes->list[i].ended && processes->list[i].target->pid == pid)
			return &processes->list[i];
	return NULL;
}

int processes_take(struct processes *processes, struct target *target, struct process **ret_process)
{
	struct process *grown =
		realloc(processes->list, (processes->cnt + 1) * sizeof(struct process));

	if (!grown)
		return -ENOMEM;
	processes->list = grown;
	grown[processes->cnt] = (struct process){.target = target};
	*ret_process = &grown[processes->cnt++];
	return 0;
}

void processes_remove(struct processes *processes, bool (*fn)(struct process *process, void *ctx),
		      void *ctx)
{
	size_t kept = 0;

	for (size_t i = 0; i < processes->cnt; i++) {
		struct process *process = &processes->list[i];

		if (fn(process, ctx))
			target_free(process->target);
		else
			processes->list[kept++] = *process;
	}
	processes->cnt = kept;
}

bool processes_all_ended(const struct processes *processes)
{
	for (size_t i = 0; i < processes->cnt; i++)
		if (!processes->list[i].ended)
			return false;
	return true;
}

void processes_look(struct processes *processes)
{
	for (size_t i = 0; i < processes->cnt; i++)
		if (!target_alive(processes->list[i].target))
			processes->list[i].ended = true;
}

void processes_fill(const struct processes *processes, struct pollfd *fds)
{
	for (size_t i = 0; i < processes->cnt; i++) {
		const struct process *process = &processes->list[i];

		fds[i].fd = process->ended ? -1 : process->target->pidfd;
		fds[i].events = POLLIN;
	}
}

void processes_polled(struct processes *processes, const struct pollfd *fds)
{
	for (size_t i = 0; i < processes->cnt; i++)
		if (fds[i].revents)
			processes->list[i].ended = true;
}

void processes_free(struct processes *processes)
{
	for (size_t i = 0; i < processes->cnt; i++)
		target_free(processes->list[i].target);
	free(processes->list);
	*processes = (struct processes){0};
}
