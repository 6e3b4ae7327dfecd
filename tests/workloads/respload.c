/* SPDX-License-Identifier: MIT */
/*
 * respload - clients of respd (or of Redis): sessions that expire, and page loads that read them.
 *
 * One thread stores session keys, each new, at a rate, with a time to live. Others are clients
 * that read a page each time: MGET of some sessions among the newest; how many of them have
 * expired follows from --window, --rate and --ttl. With --peek a page first asks who of others
 * is there at all (CACHED, which respd answers from memory). At the end a line of JSON says how many
 * pages a second were read and how long one took, so that what a remedy gains can be seen.
 * With --purge the writer deletes the sessions again instead, the oldest first.
 *
 *	writer	 SET session:N ... PX ttl	reader	CACHED session:N-a ...
 *						MGET session:N-b session:N-c ...
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "cli.h"

#define SEC_NS 1000000000ULL
#define REPLY_MAX (1 << 20)
#define REQUEST_MAX (1 << 16)
#define BATCH_MAX 512
#define CLIENTS_MAX 256
#define TIME_SLOTS 1024 /* 16 to each power of two: at most 6 % off */

static struct {
	uint64_t port, clients, batch, peek, window, first, rate, ttl_ms, seconds;
	bool purge;
} opt = {.port = 6379, .batch = 1, .window = 1000, .rate = 100, .seconds = 5};

struct client {
	pthread_t thread;
	int fd;
	uint64_t rng, pages, nils, keys;
	uint32_t times[TIME_SLOTS];
	char request[REQUEST_MAX], reply[REPLY_MAX];
};

static _Atomic uint64_t serial; /* the next session */
static _Atomic bool stop;

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * SEC_NS + (uint64_t)ts.tv_nsec;
}

static void sleep_until(uint64_t when_ns)
{
	struct timespec ts = {.tv_sec = (time_t)(when_ns / SEC_NS),
			      .tv_nsec = (long)(when_ns % SEC_NS)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

static void die(const char *what)
{
	fprintf(stderr, "respload: error: %s: %s\n", what, strerror(errno));
	exit(CLI_FAILED);
}

static bool stopped(void)
{
	/* Relaxed: a flag alone; what the clients counted is read after the join. */
	return atomic_load_explicit(&stop, memory_order_relaxed);
}

/* --- the protocol ------------------------------------------------------------- */

static int dial(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)opt.port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)))
		die("cannot connect to 127.0.0.1");
	return fd;
}

static void send_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n <= 0)
			die("cannot send");
		data += n;
		len -= (size_t)n;
	}
}

/* One reply of at most REPLY_MAX bytes that ends after `lines` lines; its length. */
static size_t receive(struct client *c, size_t lines)
{
	size_t len = 0, seen = 0;

	while (seen < lines) {
		ssize_t n = recv(c->fd, c->reply + len, REPLY_MAX - len, 0);

		if (n <= 0)
			die("the server closed the connection, or sent too much");
		for (size_t end = len + (size_t)n; len < end; len++) {
			if (c->reply[len] != '\n')
				continue;
			/* An error ends a reply, and a nil of a bulk has no second line. */
			seen += len >= 2 && c->reply[len - 2] == '1' && c->reply[len - 3] == '-'
					? 2
					: 1;
			if (c->reply[0] == '-')
				die("the server refused a command");
		}
	}
	return len;
}

static size_t add_bulk(char *to, const char *text)
{
	return (size_t)sprintf(to, "$%zu\r\n%s\r\n", strlen(text), text);
}

static const char *session(uint64_t number)
{
	static _Thread_local char text[40];

	snprintf(text, sizeof(text), "session:%012" PRIu64, number);
	return text;
}

/* --- writer and readers ------------------------------------------------------- */

static void write_one(struct client *c)
{
	/* Relaxed: a number, nothing hangs on it. */
	uint64_t number = atomic_fetch_add_explicit(&serial, 1, memory_order_relaxed);
	char ttl[24], *to = c->request;

	snprintf(ttl, sizeof(ttl), "%" PRIu64, opt.ttl_ms);
	if (opt.purge) {
		to += sprintf(to, "*2\r\n");
		to += add_bulk(to, "DEL");
		to += add_bulk(to, session(number));
	} else {
		to += sprintf(to, "*%d\r\n", opt.ttl_ms ? 5 : 3);
		to += add_bulk(to, "SET");
		to += add_bulk(to, session(number));
		to += add_bulk(to, "somebody who is logged in");
		if (opt.ttl_ms) {
			to += add_bulk(to, "PX");
			to += add_bulk(to, ttl);
		}
	}
	send_all(c->fd, c->request, (size_t)(to - c->request));
	receive(c, 1);
}

static void *writer_main(void *arg)
{
	struct client *c = arg;
	uint64_t start = now_ns();

	for (uint64_t n = 1; !stopped(); n++) {
		write_one(c);
		sleep_until(start + n * SEC_NS / opt.rate);
	}
	return NULL;
}

/* xorshift64* */
static uint64_t draw(struct client *c)
{
	c->rng ^= c->rng >> 12;
	c->rng ^= c->rng << 25;
	c->rng ^= c->rng >> 27;
	return c->rng * 0x2545f4914f6cdd1dULL >> 16;
}

static unsigned slot_of(uint64_t ns)
{
	unsigned power = ns < 16 ? 4 : 63 - (unsigned)__builtin_clzll(ns);

	return ns < 16 ? (unsigned)ns : power * 16 + (unsigned)(ns >> (power - 4) & 15) - 48;
}

static uint64_t time_of(unsigned slot)
{
	unsigned power = (slot + 48) / 16;

	return slot < 16 ? slot : (16ULL + (slot + 48) % 16) << (power - 4);
}

/* A command on `count` sessions drawn among the newest, as a request; its length. */
static size_t ask(struct client *c, const char *command, uint64_t count)
{
	/* Relaxed: as above. */
	uint64_t newest = atomic_load_explicit(&serial, memory_order_relaxed);
	char *to = c->request + sprintf(c->request, "*%" PRIu64 "\r\n", count + 1);

	to += add_bulk(to, command);
	for (uint64_t i = 0; i < count; i++) {
		uint64_t back = draw(c) % opt.window + 1;

		to += add_bulk(to, session(newest > back ? newest - back : 0));
	}
	return (size_t)(to - c->request);
}

static void read_page(struct client *c)
{
	uint64_t start = now_ns();
	size_t len;

	if (opt.peek) {
		send_all(c->fd, c->request, ask(c, "CACHED", opt.peek));
		receive(c, 1);
	}
	send_all(c->fd, c->request, ask(c, "MGET", opt.batch));
	len = receive(c, 2 * opt.batch + 1);
	c->times[slot_of(now_ns() - start)]++;
	for (size_t i = 0; i + 2 < len; i++)
		c->nils += c->reply[i] == '$' && c->reply[i + 1] == '-' && c->reply[i + 2] == '1';
	c->pages++;
	c->keys += opt.batch;
}

static void *reader_main(void *arg)
{
	while (!stopped())
		read_page(arg);
	return NULL;
}

/* --- results ------------------------------------------------------------------- */

static double percentile_us(const uint64_t *times, uint64_t total, double percent)
{
	uint64_t rank = (uint64_t)((double)total * percent / 100), seen = 0;

	for (unsigned i = 0; i < TIME_SLOTS; i++) {
		seen += times[i];
		if (seen > rank)
			return (double)time_of(i) / 1e3;
	}
	return 0;
}

static void print_results(const struct client *clients, double seconds)
{
	uint64_t times[TIME_SLOTS] = {0}, pages = 0, keys = 0, nils = 0;

	for (uint64_t i = 0; i < opt.clients; i++) {
		pages += clients[i].pages;
		keys += clients[i].keys;
		nils += clients[i].nils;
		for (unsigned k = 0; k < TIME_SLOTS; k++)
			times[k] += clients[i].times[k];
	}
	printf("{\"type\":\"load\",\"seconds\":%.3f,\"written\":%" PRIu64 ",\"pages\":%" PRIu64
	       ",\"pages_per_second\":%.0f,\"absent_share\":%.3f,\"p50_us\":%.1f,\"p99_us\":%.1f"
	       ",\"p999_us\":%.1f}\n",
	       seconds, atomic_load(&serial) - opt.first, pages, (double)pages / seconds,
	       keys ? (double)nils / (double)keys : 0, percentile_us(times, pages, 50),
	       percentile_us(times, pages, 99), percentile_us(times, pages, 99.9));
}

/* clang-format off */
static const struct cli_option options[] = {
	{ "port", "N", "of the server on 127.0.0.1 (6379)", CLI_U64, &opt.port, 1, 65535, NULL },
	{ "clients", "N", "connections that read pages (0)", CLI_U64, &opt.clients, 0, CLIENTS_MAX, NULL },
	{ "batch", "N", "sessions on a page (1)", CLI_U64, &opt.batch, 1, BATCH_MAX, NULL },
	{ "peek", "N", "sessions that a page first looks for in memory (0)", CLI_U64, &opt.peek, 0, BATCH_MAX, NULL },
	{ "window", "N", "pages read among the newest N sessions (1000)", CLI_U64, &opt.window, 1, 1u << 30, NULL },
	{ "first", "N", "number of the first session to write (0)", CLI_U64, &opt.first, 0, 1ULL << 39, NULL },
	{ "rate", "N", "sessions written per second (100)", CLI_U64, &opt.rate, 1, 1000000, NULL },
	{ "ttl", "MS", "time to live of a session; 0 = for ever (0)", CLI_U64, &opt.ttl_ms, 0, 1u << 30, NULL },
	{ "purge", NULL, "delete sessions at that rate instead of writing them", CLI_FLAG, &opt.purge, 0, 0, NULL },
	{ "seconds", "N", "how long (5)", CLI_U64, &opt.seconds, 1, 86400, NULL },
};
/* clang-format on */

static const struct cli cli = {
	.program = "respload",
	.summary = "Clients of respd: sessions that expire, and page loads that read them.",
	.options = options,
	.option_count = sizeof(options) / sizeof(options[0]),
};

int main(int argc, char **argv)
{
	struct client *clients;
	uint64_t start;
	int status;

	if (!cli_parse(&cli, argc, argv, &status))
		return status;
	atomic_init(&serial, opt.first);
	clients = calloc(opt.clients + 1, sizeof(*clients));
	if (!clients)
		die("clients");
	start = now_ns();
	for (uint64_t i = 0; i <= opt.clients; i++) {
		struct client *c = &clients[i];

		c->fd = dial();
		c->rng = 0x9e3779b97f4a7c15ULL * (i + 1);
		errno = pthread_create(&c->thread, NULL,
				       i < opt.clients ? reader_main : writer_main, c);
		if (errno)
			die("cannot start a thread");
	}
	sleep_until(start + opt.seconds * SEC_NS);
	/* Relaxed: see stopped(). */
	atomic_store_explicit(&stop, true, memory_order_relaxed);
	for (uint64_t i = 0; i <= opt.clients; i++) {
		pthread_join(clients[i].thread, NULL);
		close(clients[i].fd);
	}
	print_results(clients, (double)(now_ns() - start) / SEC_NS);
	free(clients);
	return CLI_OK;
}
