/* SPDX-License-Identifier: MIT */
/*
 * otlp.c - see otlp.h. Model: all windows are added to metrics of our own; when a request is
 * due the present figures are written down and given away. They are cumulative: one that
 * is lost costs a point in a chart, not a count.
 */
#include "otlp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include "log.h"
#include "metrics_otlp.h"
#include "otlp_post.h"

#define EVERY_MS 10000
#define GZIP_WINDOW (15 + 16) /* of zlib: with a gzip header */

struct otlp {
	struct metrics *metrics;
	struct otlp_post *post;
	const struct report_meta *meta;
	uint64_t every_ns, due_ns;
};

/* What is no number, or none that makes sense, is as if it were not set. */
static unsigned milliseconds(const char *name, unsigned otherwise)
{
	const char *text = getenv(name);
	char *end;
	unsigned long value = text ? strtoul(text, &end, 10) : 0;

	if (!text || !*text || *end || value < 1 || value > 86400000) {
		if (text && *text)
			log_warn("%s is no number of milliseconds: %u is used", name, otherwise);
		return otherwise;
	}
	return (unsigned)value;
}

int otlp_create(struct otlp **ret_otlp, const char *url, const struct report_meta *meta)
{
	const struct otlp_post_options opts = {
		.url = url,
		.headers = getenv("OTEL_EXPORTER_OTLP_HEADERS"),
		.timeout_ms = milliseconds("OTEL_EXPORTER_OTLP_TIMEOUT", 10000),
	};
	struct otlp *otlp = calloc(1, sizeof(*otlp));
	int err = otlp ? metrics_create(&otlp->metrics, METRICS_LIMIT_DEFAULT) : -ENOMEM;

	if (err) {
		free(otlp);
		return log_err(err, "cannot send metrics");
	}
	err = otlp_post_create(&otlp->post, &opts);
	if (err) {
		otlp_close(otlp);
		return err;
	}
	otlp->meta = meta;
	otlp->every_ns = milliseconds("OTEL_METRIC_EXPORT_INTERVAL", EVERY_MS) * 1000000ULL;
	otlp->due_ns = meta->start_ns + otlp->every_ns;
	*ret_otlp = otlp;
	return 0;
}

static int compress_text(const char *text, void **ret_body, size_t *ret_size)
{
	z_stream stream = {0};
	size_t len = strlen(text), room;
	unsigned char *body;
	int done;

	if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, 8,
			 Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	room = deflateBound(&stream, len);
	body = malloc(room);
	stream.next_in = (unsigned char *)text;
	stream.avail_in = (unsigned)len;
	stream.next_out = body;
	stream.avail_out = (unsigned)room;
	done = body ? deflate(&stream, Z_FINISH) : Z_MEM_ERROR;
	deflateEnd(&stream);
	if (done != Z_STREAM_END) {
		free(body);
		return -ENOMEM;
	}
	*ret_body = body;
	*ret_size = stream.total_out;
	return 0;
}

int otlp_request(const struct metrics *metrics, const struct report_meta *meta, uint64_t unix_ns,
		 void **ret_body, size_t *ret_size)
{
	json_t *value = metrics_otlp(metrics, meta, unix_ns);
	char *text = value ? json_dumps(value, JSON_COMPACT) : NULL;
	int err = text ? compress_text(text, ret_body, ret_size) : -ENOMEM;

	json_decref(value);
	free(text);
	return err;
}

static int push(struct otlp *otlp, const struct report *report)
{
	struct otlp_post_stats stats = otlp_post_stats(otlp->post);
	void *body;
	size_t size;
	int err;

	metrics_set_exports(otlp->metrics, &(struct metrics_exports){.sent = stats.sent,
								     .lost = stats.lost,
								     .rejected = stats.rejected});
	err = otlp_request(otlp->metrics, otlp->meta, report_unix_ns(otlp->meta, report->end_ns),
			   &body, &size);
	return err ? err : otlp_post_push(otlp->post, body, size);
}

int otlp_add(struct otlp *otlp, const struct report *report)
{
	int err = metrics_add(otlp->metrics, report, report->known, report->known_count);

	if (err || (report->end_ns < otlp->due_ns && !report->last))
		return err;
	while (otlp->due_ns <= report->end_ns)
		otlp->due_ns += otlp->every_ns;
	err = push(otlp, report);
	/* After it: the last figures of what has ended are to be seen once. */
	metrics_drop_ended(otlp->metrics, report);
	return err;
}

void otlp_close(struct otlp *otlp)
{
	struct otlp_post_stats stats = {0};

	if (!otlp)
		return;
	otlp_post_close(otlp->post, &stats);
	if (stats.lost > 0)
		log_warn("the collector got %llu requests, %llu were lost: their moments are "
			 "missing there, no count is",
			 (unsigned long long)stats.sent, (unsigned long long)stats.lost);
	if (stats.rejected > 0)
		log_warn("the collector left out %llu data points of them",
			 (unsigned long long)stats.rejected);
	if (otlp->post && stats.lost == 0)
		log_debug("the collector got %llu requests", (unsigned long long)stats.sent);
	metrics_free(otlp->metrics);
	free(otlp);
}
