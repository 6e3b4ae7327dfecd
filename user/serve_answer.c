/* SPDX-License-Identifier: MIT */
/*
 * serve_answer.c - see serve_answer.h. Model: an answer is a status and a response of
 * libmicrohttpd, which owns the bytes. Nothing is cached anywhere: what is shown is of now.
 *
 * The policy for browsers: scripts, styles and connections from here only, nothing inline,
 * no frame around it, no guessing of types.
 */
#include "serve_answer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "assets.h"

#define HEALTHY_WINDOWS 3 /* a window may be late by so many */
#define HEALTHY_MIN_NS 5000000000ULL

static const char policy[] =
	"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
	"img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

void answer_header(struct answer *answer, const char *name, const char *value)
{
	if (answer->response)
		(void)MHD_add_response_header(answer->response, name, value);
}

static void answer_bytes(struct answer *answer, unsigned status, const char *type,
			 const void *bytes, size_t len, enum MHD_ResponseMemoryMode mode)
{
	answer->status = status;
	answer->response = MHD_create_response_from_buffer(len, (void *)(uintptr_t)bytes, mode);
	if (!answer->response && mode == MHD_RESPMEM_MUST_FREE)
		free((void *)(uintptr_t)bytes);
	answer_header(answer, "Content-Type", type);
}

void answer_static(struct answer *answer, unsigned status, const char *type, const char *text)
{
	answer_bytes(answer, status, type, text, strlen(text), MHD_RESPMEM_PERSISTENT);
}

void answer_file(struct answer *answer, const char *path)
{
	const struct asset *asset = *path == '/' ? asset_find(path) : NULL;

	if (asset)
		answer_bytes(answer, MHD_HTTP_OK, asset->type, asset->bytes, asset->len,
			     MHD_RESPMEM_PERSISTENT);
	else
		answer_static(answer, MHD_HTTP_NOT_FOUND, "text/plain", "no such page\n");
}

/* --- metrics ---------------------------------------------------------------------- */

static void put_own(struct sink *sink, const char *name, const char *type, const char *help,
		    uint64_t value)
{
	sink_printf(sink,
		    "# HELP smap_serve_%s %s\n# TYPE smap_serve_%s %s\nsmap_serve_%s %" PRIu64 "\n",
		    name, help, name, type, name, value);
}

static void put_server(struct sink *sink, struct stream *stream, const struct http_counts *counts)
{
	struct stream_counts clients;

	stream_count(stream, &clients);
	put_own(sink, "listeners", "gauge", "Clients of /events.", clients.clients);
	put_own(sink, "listeners_dropped_total", "counter",
		"Clients of /events that were too slow.", clients.dropped);
	put_own(sink, "windows_skipped_total", "counter",
		"Windows that /events has not because there was no time.", clients.skipped);
	put_own(sink, "requests_refused_total", "counter",
		"Requests with a wrong method, Host or origin.", counts->refused);
	put_own(sink, "connections_late_total", "counter",
		"Connections closed because a request or its answer took too long.", counts->late);
}

void answer_metrics(struct answer *answer, struct stream *stream, const struct http_counts *counts)
{
	struct snapshot *latest = stream_latest(stream);
	struct sink_memory memory;
	char *text = NULL;
	size_t len;

	if (sink_memory_open(&memory) == 0) {
		if (latest)
			metrics_write(latest->metrics, &memory.sink);
		put_server(&memory.sink, stream, counts);
		text = sink_memory_close(&memory, &len);
	}
	snapshot_put(latest);
	if (text)
		answer_bytes(answer, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", text,
			     len, MHD_RESPMEM_MUST_FREE);
	else
		answer_static(answer, MHD_HTTP_SERVICE_UNAVAILABLE, "text/plain", "no memory\n");
}

/* --- health ----------------------------------------------------------------------- */

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void answer_health(struct answer *answer, struct stream *stream, unsigned interval_ms)
{
	uint64_t limit = HEALTHY_WINDOWS * (uint64_t)interval_ms * 1000000, age = 0;
	struct snapshot *latest = stream_latest(stream);

	if (limit < HEALTHY_MIN_NS)
		limit = HEALTHY_MIN_NS;
	if (latest)
		age = now_ns() - latest->report.end_ns;
	if (age > limit)
		answer_static(answer, MHD_HTTP_SERVICE_UNAVAILABLE, "text/plain",
			      "stale: no window for too long\n");
	else
		answer_static(answer, MHD_HTTP_OK, "text/plain",
			      latest ? "ok\n" : "ok: no window yet\n");
	snapshot_put(latest);
}

/* --- history ---------------------------------------------------------------------- */

/* A whole number, decimal or with 0x; false if there is none. */
static bool number(struct MHD_Connection *mhd, const char *key, uint64_t *ret_value)
{
	const char *text = MHD_lookup_connection_value(mhd, MHD_GET_ARGUMENT_KIND, key);
	char *end;

	if (!text || *text < '0' || *text > '9')
		return false;
	errno = 0;
	*ret_value = strtoull(text, &end, 0);
	return !errno && !*end;
}

void answer_history(struct answer *answer, struct stream *stream, struct MHD_Connection *mhd)
{
	uint64_t pid, addr, id;
	char *text;
	size_t len;

	if (!number(mhd, "pid", &pid) || pid > INT32_MAX || !number(mhd, "addr", &addr) ||
	    !number(mhd, "id", &id)) {
		answer_static(answer, MHD_HTTP_BAD_REQUEST, "text/plain",
			      "want pid, addr and id of a map\n");
		return;
	}
	text = stream_history(stream, (int)pid, addr, id, &len);
	if (text)
		answer_bytes(answer, MHD_HTTP_OK, "application/json", text, len,
			     MHD_RESPMEM_MUST_FREE);
	else
		answer_static(answer, MHD_HTTP_NOT_FOUND, "text/plain", "no such map\n");
}

/* --- sending ---------------------------------------------------------------------- */

enum MHD_Result answer_send(struct answer *answer, struct MHD_Connection *mhd)
{
	enum MHD_Result result;

	if (!answer->response)
		return MHD_NO;
	answer_header(answer, "Content-Security-Policy", policy);
	answer_header(answer, "X-Content-Type-Options", "nosniff");
	answer_header(answer, "X-Frame-Options", "DENY");
	answer_header(answer, "Referrer-Policy", "no-referrer");
	answer_header(answer, "Cross-Origin-Resource-Policy", "same-origin");
	answer_header(answer, "Cross-Origin-Opener-Policy", "same-origin");
	answer_header(answer, "Cache-Control", "no-store");
	result = MHD_queue_response(mhd, answer->status, answer->response);
	MHD_destroy_response(answer->response);
	return result;
}
