/* SPDX-License-Identifier: MIT */
/*
 * usdt.h - private to the usdt backend, whose parts are backend_usdt.c (load, the table),
 * usdt_attach.c (links), usdt_maps.c (maps and events), usdt_sample.c (samples) and
 * usdt_follow.c (the processes of a command).
 */
#ifndef USDT_H
#define USDT_H

#include <stdbool.h>
#include <stdint.h>
#include "attach.h"
#include "backend.h"
#include "guard.h"
#include "livemap.h"
#include "overhead.h"
#include "record.h"
#include "target.h"

struct ring_buffer;
struct usdt_bpf;

/* What was attached to once for all processes; the index is the attach cookie. */
struct usdt_files {
	struct usdt_file {
		dev_t dev;
		uint64_t ino;
		bool bad; /* of all processes: it cannot be attached to */
	} * file;
	size_t cnt;
};

struct usdt_image {
	const struct target *target;
	const struct target_image *image;
	uint32_t key; /* st_key.target; for the user it is image->number */
	/* As of this round. */
	bool alive;
	bool walked; /* all its registries could be read */
	uint64_t cpu_ns;
	uint64_t sections, reclaimer_runs;
	uint64_t tick_cpu_ns; /* as of the last look of usdt_shed.c; 0 = none */
	uint64_t attached_ns;
	uint64_t stall_thread, stall_age; /* of the last stall whose stack was taken */
};

/* A file that was attached to. */
struct usdt_place {
	int fd;
	pid_t pid; /* or ATTACH_ALL */
	uint32_t cookie;
	const struct target *target; /* of the first process; the only one unless ATTACH_ALL */
	struct elfnote note;
};

struct usdt_prog {
	unsigned probe;
	bool wanted; /* by the options */
	struct bpf_program *prog;
};

/* What the programs do per second, for the budget: usdt_shed.c. */
struct usdt_load {
	uint64_t tick_ns, next_ns; /* of the last look, and of the next */
	uint64_t look_ns;	   /* how long the last look took */
	uint64_t plan_ns;	   /* when probes were taken off or put back last */
	uint64_t round_ns;	   /* of the last round of samples */
	struct st_load seen, round;
	/* Of all maps, ended ones included: what drives each probe. */
	uint64_t units[SMAP_PROBE_COUNT], units_round[SMAP_PROBE_COUNT];
	double hits_per_unit[SMAP_PROBE_COUNT]; /* 0 = not known yet */
	double stacks_seen;			/* a second, as long as they were taken */
	double intervals_per_look;		/* likewise, of --offcpu */
	/* While that is off: usdt_offcpu_missed() as of the last look at it, and the next one. */
	uint64_t missed, missed_ns, missed_next_ns;
	struct overhead_rates demand; /* as if nothing were shed */
	double cpu, present;
	double smooth; /* weight of the next tick in these */
};

/* A thread that is off the CPU at a mutex. */
struct usdt_open {
	__u32 tid;
	struct st_offcpu start;
	bool closed; /* not any more */
};

struct usdt {
	struct usdt_bpf *skel;
	struct record_sink sink;
	struct ring_buffer *ring;
	enum attach_way way;
	struct attach_set attached; /* what is no probe of libsmap */
	struct attach_set switches; /* of --offcpu; empty = shed */
	struct attach_set probe[SMAP_PROBE_COUNT];
	struct usdt_place *place;
	size_t place_cnt;
	uint32_t off;		 /* probes that were taken off, a bit each */
	struct attach_set trial; /* to processes of our own, while attaching */
	unsigned probe_cnt;
	bool exact, lock_waits, want_stacks, probe_stacks, offcpu, changed, last;
	bool plain; /* probes have to be kept plain (plain.h) */
	bool plain_failed;
	bool following; /* a command: targets are process number and file */
	bool all;	/* ... or every process: nobody is stopped, nobody to be answered */
	bool tree;	/* ... with its children */
	bool done;	/* probes removed: nobody is looked at any more */
	struct overhead_price price;
	struct overhead_control control;
	struct usdt_load load;
	struct livemap_shed shed;
	bool audits; /* once a second */
	uint64_t audit_next_ns;
	struct backend_watcher watcher;
	struct guard guard;
	struct usdt_files files, linkers;
	unsigned max_maps;
	int cpus;
	uint64_t *per_cpu;	  /* cpus of them: one lookup */
	struct usdt_batch *batch; /* of usdt_sample.c */
	struct usdt_image *image;
	size_t image_cnt;
	struct livemaps maps;
	struct usdt_stacks *stacks; /* NULL without want_stacks */
	struct usdt_open *open;
	size_t open_cnt;
	uint64_t now;
	uint64_t audit, state_unread; /* our own losses */
	uint64_t audit_round;	      /* missing in this round of maps that live ... */
	uint64_t audit_ended;	      /* ... and of all that have ended */
	uint64_t audit_rounds, audit_compared;
	unsigned audit_told; /* messages */
	uint64_t strangers;  /* maps of processes that nobody has looked at */
};

/* All programs; skel must be open. */
void usdt_list_progs(const struct usdt *usdt, struct usdt_prog list[SMAP_PROBE_COUNT]);
/* A forked child of the target would die at a probe of fd without it (plain.c). Best effort. */
void usdt_keep_plain(struct usdt *usdt, int fd, const struct bpf_program *prog,
		     const struct attach_point *point);
/* Attach to a file that was not attached to yet. 0 or -errno, after logging; then to nothing. */
int usdt_attach_probes(struct usdt *usdt, const struct target *target,
		       const struct target_image *image, uint32_t cookie);
/* Take probes off everywhere, and put them back: 0, or -errno and they stay off. */
void usdt_probes_off(struct usdt *usdt, uint32_t probes);
int usdt_probes_on(struct usdt *usdt, uint32_t probes);
/* What a hit costs: after the load, before anything else is attached. */
void usdt_measure_price(struct usdt *usdt);
int usdt_tell_price(const struct usdt *usdt);
/* Looks like a map in use; what was measured with it is nobody's, and has to be forgotten. */
extern struct smap_state usdt_price_map;
void usdt_price_forget(const struct usdt *usdt);
/*
 * --offcpu: attach, and measure what that costs. After usdt_measure_price(). 0, or -errno of
 * the attach.
 */
int usdt_measure_switches(struct usdt *usdt);
/* What a map has done since its last sample, and the end of a round of samples. */
void usdt_count_units(struct usdt *usdt, struct livemap *map, const struct record_sample *sample);
void usdt_end_round(struct usdt *usdt);
/* Room for rounds of samples, once the number of CPUs is known. 0 or -ENOMEM. */
int usdt_sample_create(struct usdt *usdt);
void usdt_sample_free(struct usdt *usdt);
/* What was counted of a map, all zero if nothing was; what the kernel knows of it. */
void usdt_read_stats(const struct usdt *usdt, const struct st_key *key, struct st_stats *ret_stats);
void usdt_read_info(const struct usdt *usdt, struct livemap *map);
/* What the kernel counted of a map is not asked for any more. */
void usdt_forget_key(const struct usdt *usdt, const struct st_key *key);
/* Compare all maps with the kernel's figures; `last`: at rest, after the detach. */
int usdt_audit(struct usdt *usdt, bool last);
int usdt_audit_map(struct usdt *usdt, struct livemap *map, bool at_rest);
/* Everything, for good. Returns when no program runs any more. */
void usdt_detach(struct usdt *usdt);
void usdt_places_free(struct usdt *usdt);
/* CLOCK_MONOTONIC */
uint64_t usdt_now_ns(void);
/* The image with this key of ours; NULL = no such. */
struct usdt_image *usdt_image_of(const struct usdt *usdt, uint32_t key);
/* Emit a record of ours; its target gets the number that the user knows. */
int usdt_emit(const struct usdt *usdt, struct record *record, unsigned kind, size_t size);
/* A key of the kernel's table: the map, made known if it is new; NULL and maybe *ret_err. */
struct livemap *usdt_found_key(struct usdt *usdt, const struct st_key *key,
			       const struct st_info *info, int *ret_err);
/* Emit a MAP for each map of an image; `attaching`: what waits in batches is not ours. */
int usdt_walk_registries(struct usdt *usdt, struct usdt_image *in, bool attaching);
/* Callback of the ring buffer; ctx is the struct usdt. */
int usdt_event(void *ctx, void *data, size_t size);
/* Before the load. */
void usdt_follow_configure(struct usdt *usdt, bool command, bool all);
/* A record of kind ST_EVENT_PROCESS. */
int usdt_process_event(struct usdt *usdt, const struct st_event *event);
/* Likewise ST_EVENT_LOOK. */
int usdt_look_event(struct usdt *usdt, const struct st_event *event);
/* After the probes were removed: nothing stays stopped. */
void usdt_follow_end(struct usdt *usdt);
/* Index or -errno; *ret_new: it was not there yet. */
int usdt_file_index(struct usdt_files *files, dev_t dev, uint64_t ino, bool *ret_new);
/* Threads off the CPU. Before the load. */
int usdt_offcpu_configure(const struct usdt *usdt);
int usdt_offcpu_attach(struct usdt *usdt);
/* Stop looking, and look again, while the trace goes on: 0 or -errno. */
int usdt_offcpu_switch(struct usdt *usdt, bool on);
/* While it is off: how often threads of the targets have left a CPU so far. */
uint64_t usdt_offcpu_missed(const struct usdt *usdt);
/* Emit how often a process was looked at: with each round, and before it is removed. */
int usdt_offcpu_tell(const struct usdt *usdt, const struct usdt_image *in);
/* An image of a process was added; a process has ended. */
void usdt_offcpu_add(struct usdt *usdt, const struct usdt_image *added);
void usdt_offcpu_remove(struct usdt *usdt, const struct usdt_image *in);
/* Before a round of samples; of each map: add what has not ended to what was counted. */
int usdt_offcpu_begin(struct usdt *usdt);
void usdt_offcpu_sample(struct usdt *usdt, const struct livemap *map, struct st_stats *counted);
/* After the detach: the stacks of what has not ended. */
void usdt_offcpu_end(struct usdt *usdt);
/* Operations of the backend (backend.h). */
int usdt_drain(void *ctx);
int usdt_sample(void *ctx, bool last);
int usdt_follow(void *ctx, pid_t command, const struct backend_watcher *watcher);
int usdt_tick(void *ctx, int *ret_wait_ms);
int usdt_number(void *ctx, uint32_t key, pid_t pid, uint32_t *ret_number);
bool usdt_tree_lives(const void *ctx);

#endif
