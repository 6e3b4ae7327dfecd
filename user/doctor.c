/* SPDX-License-Identifier: MIT */
/*
 * doctor.c - `smaptrace doctor`: each requirement, what was found, what to do.
 *
 * A table of requirements, each with a function that tries the thing itself where it
 * can be tried: a kernel's configuration file says what was built, not what is
 * permitted. Exit status 0 if tracing can work here and now.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include "attach.h"
#include "offcpu.h"
#include "options.h"
#include "target.h"

#define KERNEL_MAJOR 6 /* the oldest kernel that the BPF programs are tested on */
#define KERNEL_MINOR 1
#define COLUMNS 80
#define INDENT 32 /* of what was found */

enum verdict {
	OK,
	MISSING,  /* tracing cannot work */
	OPTIONAL, /* it works, but less well */
};

struct finding {
	char found[96];
	const char *remedy; /* NULL: nothing to do */
};

struct requirement {
	const char *name;
	enum verdict (*check)(struct finding *finding);
};

static enum verdict report(struct finding *finding, enum verdict verdict, const char *remedy,
			   const char *fmt, ...) __attribute__((format(printf, 4, 5)));

static enum verdict report(struct finding *finding, enum verdict verdict, const char *remedy,
			   const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(finding->found, sizeof(finding->found), fmt, args);
	va_end(args);
	finding->remedy = remedy;
	return verdict;
}

/* --- kernel ----------------------------------------------------------------- */

static enum verdict check_kernel(struct finding *finding)
{
	struct utsname name;
	int major = 0, minor = 0;

	uname(&name);
	sscanf(name.release, "%d.%d", &major, &minor);
	if (major > KERNEL_MAJOR || (major == KERNEL_MAJOR && minor >= KERNEL_MINOR))
		return report(finding, OK, NULL, "Linux %s", name.release);
	return report(finding, OPTIONAL, "Linux 6.1 is the oldest that smaptrace is made for",
		      "Linux %s", name.release);
}

static int load_trial(enum bpf_prog_type type, const struct bpf_insn *insns, size_t cnt)
{
	return bpf_prog_load(type, "doctor", "GPL", insns, cnt, NULL);
}

static enum verdict report_bpf_error(struct finding *finding, int err)
{
	switch (err) {
	case -ENOSYS:
		return report(finding, MISSING, "use a kernel with CONFIG_BPF_SYSCALL=y",
			      "the kernel has no bpf()");
	case -EPERM:
	case -EACCES:
		return report(finding, MISSING,
			      "run as root, or with CAP_BPF and CAP_PERFMON; in a container allow "
			      "bpf() in its seccomp profile",
			      "not permitted");
	default:
		return report(finding, MISSING, "use a kernel with CONFIG_BPF_EVENTS=y", "%s",
			      strerror(-err));
	}
}

static enum verdict check_bpf(struct finding *finding)
{
	const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd = load_trial(BPF_PROG_TYPE_KPROBE, insns, 2);

	if (fd < 0)
		return report_bpf_error(finding, fd);
	close(fd);
	return report(finding, OK, NULL, "a tracing program loads");
}

static enum verdict check_cookie(struct finding *finding)
{
	const struct bpf_insn insns[] = {
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_get_attach_cookie},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd = load_trial(BPF_PROG_TYPE_KPROBE, insns, 2);

	if (fd < 0)
		return report(finding, MISSING, "Linux 5.15 and later have it", "%s",
			      strerror(-fd));
	close(fd);
	return report(finding, OK, NULL, "bpf_get_attach_cookie() is there");
}

static enum verdict check_map(struct finding *finding, enum bpf_map_type type, const char *what,
			      unsigned key, unsigned value, unsigned entries)
{
	int fd = bpf_map_create(type, "doctor", key, value, entries, NULL);

	if (fd < 0)
		return report(finding, MISSING, "Linux 5.8 and later have it", "%s: %s", what,
			      strerror(-fd));
	close(fd);
	return report(finding, OK, NULL, "%s can be created", what);
}

static enum verdict check_ring(struct finding *finding)
{
	return check_map(finding, BPF_MAP_TYPE_RINGBUF, "a ring buffer", 0, 0,
			 (unsigned)sysconf(_SC_PAGESIZE));
}

static enum verdict check_hash(struct finding *finding)
{
	return check_map(finding, BPF_MAP_TYPE_HASH, "a hash", 8, 8, 16);
}

/* --- uprobes ---------------------------------------------------------------- */

/* What the trial attaches to: in this very program, never called. */
__attribute__((noinline, used)) static void doctor_site(void)
{
	__asm__ volatile("nop");
}

/* Its offset in the file, from the mapping that holds it. */
static int find_site(struct dl_phdr_info *info, size_t size, void *ctx)
{
	uint64_t addr = (uintptr_t)doctor_site, *ret_offset = ctx;

	(void)size;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *phdr = &info->dlpi_phdr[i];
		uint64_t start = info->dlpi_addr + phdr->p_vaddr;

		if (phdr->p_type == PT_LOAD && addr >= start && addr - start < phdr->p_filesz) {
			*ret_offset = addr - start + phdr->p_offset;
			return 1;
		}
	}
	return 0;
}

static int try_attach(enum attach_way way)
{
	const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	uint64_t offset = 0;

	dl_iterate_phdr(find_site, &offset);
	return attach_trial(insns, 2, way, offset);
}

static enum verdict check_multi(struct finding *finding)
{
	int err;

	if (attach_best_way() != ATTACH_MULTI)
		return report(
			finding, OPTIONAL,
			"Linux 6.10 and later attach and detach faster, without CAP_SYS_ADMIN",
			"no uprobe_multi that filters by process");
	err = try_attach(ATTACH_MULTI);
	if (err)
		return report(finding, OPTIONAL, "perf events are used instead", "%s",
			      strerror(-err));
	return report(finding, OK, NULL, "a trial attach works");
}

static enum verdict check_uprobe(struct finding *finding)
{
	int err = try_attach(attach_best_way());

	switch (err) {
	case 0:
		return report(finding, OK, NULL, "a trial attach works");
	case -EPERM:
	case -EACCES:
		return report(finding, MISSING,
			      "run as root, or with CAP_BPF and CAP_PERFMON; without uprobe_multi "
			      "also CAP_SYS_ADMIN",
			      "not permitted");
	default:
		return report(finding, MISSING,
			      "use a kernel with CONFIG_UPROBE_EVENTS=y and mount /proc", "%s",
			      strerror(-err));
	}
}

static enum verdict check_perf_uprobe(struct finding *finding)
{
	int err = try_attach(ATTACH_PERF);

	if (!err)
		return report(finding, OK, NULL, "a trial attach works");
	return report(finding, attach_best_way() == ATTACH_MULTI ? OPTIONAL : MISSING,
		      "needed only where uprobe_multi is missing: CAP_SYS_ADMIN, or a kernel with "
		      "CONFIG_UPROBE_EVENTS=y",
		      "%s", strerror(-err));
}

/* For --offcpu. */
static enum verdict check_offcpu(struct finding *finding)
{
	const char *why, *remedy;

	if (offcpu_check(&why, &remedy))
		return report(finding, OPTIONAL, remedy, "%s", why);
	return report(finding, OK, NULL, "sched_switch can be traced");
}

/* --- permissions ------------------------------------------------------------ */

static bool has(unsigned cap)
{
	return capng_have_capability(CAPNG_EFFECTIVE, cap);
}

static enum verdict check_caps(struct finding *finding)
{
	static const struct {
		const char *name;
		unsigned cap;
	} caps[] = {
		{"bpf", CAP_BPF},
		{"perfmon", CAP_PERFMON},
		{"sys_admin", CAP_SYS_ADMIN},
		{"sys_ptrace", CAP_SYS_PTRACE},
		{"dac_read_search", CAP_DAC_READ_SEARCH},
		{"checkpoint_restore", CAP_CHECKPOINT_RESTORE},
	};
	char text[96] = "";
	size_t used = 0;

	for (size_t i = 0; i < sizeof(caps) / sizeof(caps[0]); i++)
		if (has(caps[i].cap))
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s",
						 used ? " " : "", caps[i].name);
	if (has(CAP_SYS_ADMIN) || (has(CAP_BPF) && has(CAP_PERFMON)))
		return report(finding, OK, NULL, "%s", text);
	return report(finding, MISSING, "run as root, or grant CAP_BPF and CAP_PERFMON", "%s",
		      used ? text : "none of those that tracing takes");
}

static enum verdict check_others(struct finding *finding)
{
	/* Of root, /proc/PID/mem of its own is open without the second. */
	if (has(CAP_SYS_PTRACE) && (has(CAP_DAC_READ_SEARCH) || has(CAP_DAC_OVERRIDE)))
		return report(finding, OK, NULL, "processes of all users");
	return report(finding, OPTIONAL,
		      "CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH are needed for those of other users",
		      "own processes only");
}

static int read_line(const char *path, char *ret_line, size_t size)
{
	FILE *file = fopen(path, "re");

	if (!file)
		return -errno;
	if (!fgets(ret_line, (int)size, file))
		ret_line[0] = '\0';
	fclose(file);
	ret_line[strcspn(ret_line, "\n")] = '\0';
	return 0;
}

static enum verdict check_paranoid(struct finding *finding)
{
	char line[64];
	int err = read_line("/proc/sys/kernel/perf_event_paranoid", line, sizeof(line));

	if (err)
		return report(finding, OPTIONAL, "use a kernel with CONFIG_PERF_EVENTS=y", "%s",
			      strerror(-err));
	if (atoi(line) <= 2 || has(CAP_PERFMON) || has(CAP_SYS_ADMIN))
		return report(finding, OK, NULL, "%s", line);
	return report(finding, OPTIONAL, "sysctl kernel.perf_event_paranoid=2, or CAP_PERFMON",
		      "%s", line);
}

static enum verdict check_lockdown(struct finding *finding)
{
	char line[96];
	const char *at;

	if (read_line("/sys/kernel/security/lockdown", line, sizeof(line)))
		return report(finding, OK, NULL, "not in use");
	at = strstr(line, "[confidentiality]");
	if (!at)
		return report(finding, OK, NULL, "%s", line);
	return report(
		finding, MISSING,
		"in this mode BPF cannot read memory: boot with lockdown=integrity or without",
		"%s", line);
}

static enum verdict check_proc(struct finding *finding)
{
	struct target *target;
	int err = target_open(&target, getpid());

	if (!err) {
		err = target_scan(target);
		target_free(target);
	}
	if (!err)
		return report(finding, OK, NULL, "maps and memory can be read");
	return report(finding, MISSING, "mount procfs on /proc; in a container without hidepid",
		      "%s", strerror(-err));
}

/* --- the table -------------------------------------------------------------- */

static bool in_path(const char *program)
{
	const char *path = getenv("PATH");
	char file[4096];

	for (size_t len; path && *path; path += len + (path[len] == ':')) {
		len = strcspn(path, ":");
		if ((size_t)snprintf(file, sizeof(file), "%.*s/%s", (int)len, path, program) <
			    sizeof(file) &&
		    access(file, X_OK) == 0)
			return true;
	}
	return false;
}

/* smaptrace needs none itself; these help to look further. */
static enum verdict check_tools(struct finding *finding)
{
	const bool bpftrace = in_path("bpftrace"), gdb = in_path("gdb");

	return report(finding, OK, NULL, "none is needed; bpftrace %s, gdb %s",
		      bpftrace ? "found" : "not found", gdb ? "found" : "not found");
}

static const struct requirement requirements[] = {
	{"kernel version", check_kernel},
	{"capabilities", check_caps},
	{"BPF programs", check_bpf},
	{"BPF attach cookie", check_cookie},
	{"BPF ring buffer", check_ring},
	{"BPF hash", check_hash},
	{"uprobes", check_uprobe},
	{"uprobe_multi links", check_multi},
	{"perf-event uprobes", check_perf_uprobe},
	{"threads off the CPU", check_offcpu},
	{"perf_event_paranoid", check_paranoid},
	{"kernel lockdown", check_lockdown},
	{"/proc", check_proc},
	{"other users", check_others},
	{"tools", check_tools},
};

static int libbpf_quiet(enum libbpf_print_level level, const char *fmt, va_list args)
{
	(void)level;
	(void)fmt;
	(void)args;
	return 0;
}

/* Print words from `column` on, broken at the right margin, later lines indented. */
static void put_words(const char *text, int column, int indent)
{
	while (*text) {
		int len = (int)strcspn(text, " ");

		if (column + 1 + len > COLUMNS && column > indent) {
			printf("\n%*s", indent, "");
			column = indent;
		}
		if (column != indent)
			column += printf(" ");
		column += printf("%.*s", len, text);
		text += len;
		text += strspn(text, " ");
	}
	printf("\n");
}

int command_doctor(const struct options *opts)
{
	static const char *const words[] = {
		[OK] = "ok", [MISSING] = "MISSING", [OPTIONAL] = "optional"};
	unsigned missing = 0;

	(void)opts;
	libbpf_set_print(libbpf_quiet);
	for (size_t i = 0; i < sizeof(requirements) / sizeof(requirements[0]); i++) {
		struct finding finding = {0};
		enum verdict verdict = requirements[i].check(&finding);

		missing += verdict == MISSING;
		printf("%-8s  %-20s  ", words[verdict], requirements[i].name);
		put_words(finding.found, INDENT, INDENT);
		if (finding.remedy) {
			printf("%*s", INDENT - 1, "->");
			put_words(finding.remedy, INDENT - 1, INDENT);
		}
	}
	printf(missing ? "\nsmaptrace cannot trace here: %u of the requirements are missing.\n"
		       : "\nsmaptrace can trace here.\n",
	       missing);
	if (fflush(stdout) || ferror(stdout))
		return EXIT_CANNOT_TRACE;
	return missing ? EXIT_CANNOT_TRACE : EXIT_CLEAN;
}
