/* SPDX-License-Identifier: MIT */
/*
 * usdt_price.c - what a probe hit costs here, measured with the programs and links of the trace.
 *
 * Model: smaptrace has three probes of its own, on each of which one of its programs hangs:
 * the lightest, one that writes an event, and the one for batches. They are hit with the state
 * page of a map that looks like one in use, in short rounds; a price is the median of the
 * rounds, less what the same calls cost before. What libsmap does at a miss because somebody
 * listens, two readings of the clock and some sums, is done here likewise. The links stay
 * until the end, for removing one takes long and nobody comes by any more.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "log.h"
#include "usdt.h"
#include "usdt.skel.h"

#define ROUNDS 15
#define HITS 50 /* per round */
#define SITES 3
#define FALLBACK_NS 1000 /* of a hit, where it cannot be measured */

/*
 * Probe sites as libsmap has them: functions of a nop, whose arguments stay where the
 * calling convention puts them.
 */
#if defined(__x86_64__)
#define SITE_NOP ".byte 0x0f, 0x1f, 0x44, 0x00, 0x00\n\tret"
#else
#define SITE_NOP "nop\n\tret"
#endif
#define SITE(name)                                                                                 \
	void name(uint64_t map, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e);       \
	__asm__(".pushsection .text\n\t.balign 16\n\t.globl " #name "\n\t.hidden " #name           \
		"\n\t.type " #name ", %function\n" #name ":\n\t" SITE_NOP "\n\t.size " #name       \
		", .-" #name "\n\t.popsection")
SITE(price_site_light);
SITE(price_site_event);
SITE(price_site_batch);

typedef void (*site_fn)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);

static const site_fn sites[SITES] = {price_site_light, price_site_event, price_site_batch};
enum { LIGHT, EVENT, BATCH };

/* Like which one each probe is. */
static const unsigned char like[SMAP_PROBE_COUNT] = {
	[SMAP_PROBE_map_create] = EVENT, [SMAP_PROBE_map_destroy] = EVENT,
	[SMAP_PROBE_miss] = LIGHT,	 [SMAP_PROBE_miss_batch] = BATCH,
	[SMAP_PROBE_promote] = EVENT,	 [SMAP_PROBE_rebuild] = EVENT,
	[SMAP_PROBE_expunge] = LIGHT,	 [SMAP_PROBE_overflow] = EVENT,
	[SMAP_PROBE_lock_wait] = LIGHT,	 [SMAP_PROBE_retire] = LIGHT,
	[SMAP_PROBE_reclaim] = LIGHT,	 [SMAP_PROBE_stall] = EVENT,
};

struct smap_state usdt_price_map = {
	.magic = SMAP_STATE_MAGIC,
	.abi = SMAP_ABI_VERSION,
	.self = (uintptr_t)&usdt_price_map,
	.size = sizeof(usdt_price_map),
	.id = 1,
	.name = "price",
};
static struct smap_batch batch = {.wait_hist = {64}, .hold_hist = {[6] = 40, [7] = 20, [9] = 4}};

/* As many of them as the map would count: a program that finds nothing new is faster. */
static void hit(unsigned site)
{
	usdt_price_map.counters.misses += SMAP_BATCH_MISSES;
	usdt_price_map.counters.promotions++;
	batch.misses_total = usdt_price_map.counters.misses;
	batch.count = SMAP_BATCH_MISSES;
	sites[site](usdt_price_map.self, site == BATCH ? (uintptr_t)&batch : 0, 1000, 1000, 0, 0);
}

static int compare(const void *left, const void *right)
{
	const double *a = left, *b = right;

	return *a < *b ? -1 : *a > *b;
}

static double median_of(double values[ROUNDS])
{
	qsort(values, ROUNDS, sizeof(*values), compare);
	return values[ROUNDS / 2];
}

static double time_hits(struct usdt *usdt, unsigned site)
{
	double rounds[ROUNDS];

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t start = usdt_now_ns();

		for (unsigned n = 0; n < HITS; n++)
			hit(site);
		rounds[i] = (double)(usdt_now_ns() - start) / HITS;
		(void)ring_buffer__consume(usdt->ring); /* events of nobody */
	}
	return median_of(rounds);
}

/* --- what a miss costs when somebody listens ------------------------------------ */

static inline uint64_t ticks(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#else
	return usdt_now_ns();
#endif
}

static unsigned slot_of(uint64_t value)
{
	return value ? 63 - (unsigned)__builtin_clzll(value) : 0;
}

static void gather(volatile struct smap_batch *to)
{
	uint64_t start = ticks(), held = ticks() - start;

	held = (uint64_t)(((unsigned __int128)held * 0x66666666) >> 32);
	to->misses_total++;
	to->wait_sum_ns += 0;
	to->hold_sum_ns += held;
	to->wait_hist[0]++;
	to->hold_hist[slot_of(held) % SMAP_HIST_SLOTS]++;
	to->count++;
}

static double time_misses(void)
{
	static volatile struct smap_batch scratch;
	double rounds[ROUNDS];

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t start = usdt_now_ns();

		for (unsigned n = 0; n < HITS; n++)
			gather(&scratch);
		rounds[i] = (double)(usdt_now_ns() - start) / HITS;
	}
	return median_of(rounds);
}

/* --- attaching to ourselves ------------------------------------------------------ */

struct place {
	uint64_t addr, offset;
};

static int find_offset(struct dl_phdr_info *info, size_t size, void *ctx)
{
	struct place *place = ctx;

	(void)size;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *phdr = &info->dlpi_phdr[i];
		uint64_t start = info->dlpi_addr + phdr->p_vaddr;

		if (phdr->p_type == PT_LOAD && place->addr >= start &&
		    place->addr - start < phdr->p_filesz) {
			place->offset = place->addr - start + phdr->p_offset;
			return 1;
		}
	}
	return 0;
}

static int attach_site(struct usdt *usdt, int fd, unsigned site, const struct bpf_program *prog)
{
	struct place place = {.addr = (uintptr_t)sites[site]};
	const struct attach_point point = {
		.path = "/proc/self/exe",
		.pid = getpid(),
		.cookie = ST_COOKIE_COST,
		.offset = &place.offset,
		.offset_cnt = 1,
	};

	if (!dl_iterate_phdr(find_offset, &place))
		return -ENOENT;
	if (usdt->plain)
		usdt_keep_plain(usdt, fd, prog, &point);
	return attach_add(&usdt->attached, prog, usdt->way, &point);
}

static int attach_sites(struct usdt *usdt)
{
	const struct bpf_program *const progs[SITES] = {
		[LIGHT] = usdt->skel->progs.on_retire,
		[EVENT] = usdt->skel->progs.on_promote,
		[BATCH] = usdt->skel->progs.on_miss_batch,
	};
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	for (unsigned i = 0; i < SITES && !err; i++)
		err = attach_site(usdt, fd, i, progs[i]);
	close(fd);
	return err;
}

void usdt_price_forget(const struct usdt *usdt)
{
	const struct st_key key = {
		.target = ST_COOKIE_COST, .addr = usdt_price_map.self, .id = usdt_price_map.id};
	int stacks = bpf_map__fd(usdt->skel->maps.stack_counts);
	struct st_stack_key stack;

	usdt_forget_key(usdt, &key);
	/* There are no others yet. */
	while (bpf_map_get_next_key(stacks, NULL, &stack) == 0 &&
	       bpf_map_delete_elem(stacks, &stack) == 0)
		;
	memset(usdt->skel->bss->load, 0, sizeof(usdt->skel->bss->load));
}

void usdt_measure_price(struct usdt *usdt)
{
	double before[SITES], price[SITES], stack;
	int err;

	usdt->skel->bss->stacks_paused = 1;
	for (unsigned i = 0; i < SITES; i++)
		before[i] = time_hits(usdt, i);
	err = attach_sites(usdt);
	if (err)
		log_debug("cannot measure what a probe hit costs, taking %d ns: %s", FALLBACK_NS,
			  strerror(-err));
	for (unsigned i = 0; i < SITES; i++) {
		price[i] = err ? FALLBACK_NS : time_hits(usdt, i) - before[i];
		if (price[i] < 1)
			price[i] = 1;
	}
	usdt->skel->bss->stacks_paused = 0;
	if (usdt->probe_stacks) {
		stack = err ? FALLBACK_NS : time_hits(usdt, EVENT) - before[EVENT] - price[EVENT];
		usdt->price.stack = stack > 1 ? stack : 1;
	}
	usdt_price_forget(usdt);
	for (unsigned i = 0; i < SMAP_PROBE_COUNT; i++)
		usdt->price.hit[i] = price[like[i]];
	usdt->price.miss = time_misses();
	log_debug("a probe hit costs %.0f ns, with an event %.0f, a batch %.0f; a miss %.0f more",
		  price[LIGHT], price[EVENT], price[BATCH], usdt->price.miss);
	if (usdt->probe_stacks)
		log_debug("a call stack costs %.0f ns more", usdt->price.stack);
}
