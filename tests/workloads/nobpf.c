/* SPDX-License-Identifier: MIT */
/*
 * nobpf.c - run a command as on a kernel without BPF: bpf(2) answers ENOSYS.
 *
 * A seccomp filter stands in for a kernel that was built without CONFIG_BPF_SYSCALL, which no
 * machine of ours has.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_bpf, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog prog = {.len = sizeof(filter) / sizeof(filter[0]),
					.filter = filter};

	if (argc < 2) {
		fprintf(stderr, "usage: nobpf COMMAND [ARG...]: run it without bpf(2)\n");
		return 2;
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog)) {
		fprintf(stderr, "nobpf: cannot filter bpf(2): %s\n", strerror(errno));
		return 125;
	}
	execvp(argv[1], argv + 1);
	fprintf(stderr, "nobpf: cannot run %s: %s\n", argv[1], strerror(errno));
	return 127;
}
