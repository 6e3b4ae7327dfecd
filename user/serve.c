/* SPDX-License-Identifier: MIT */
/*
 * serve.c - the command `serve`: a trace whose windows are there to be asked for.
 *
 *	trace --windows--> metrics, snapshot --> stream --> HTTP
 *
 * The port is taken before anything is attached, so that nothing is for one that cannot
 * be had. In the trace's own thread happens only what must not miss a window: the counters
 * of the metrics are brought up to date, and the window is copied.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>
#include "log.h"
#include "options.h"
#include "serve_http.h"
#include "serve_listen.h"
#include "trace.h"

struct serve {
	const struct options *opts;
	struct listen_addr addr;
	int fd;
	struct metrics *metrics;
	struct stream *stream;
	struct http *http;
};

static int on_begin(void *ctx, const struct report_meta *meta)
{
	struct serve *serve = ctx;
	const struct options *opts = serve->opts;
	int err;

	serve->fd = listen_open(&serve->addr);
	if (serve->fd < 0) {
		err = serve->fd;
		log_err(err, "cannot listen at %s", opts->listen);
		log_hint("another server may have the port: --listen ADDRESS:PORT, port 0 takes "
			 "any");
		return err;
	}
	err = metrics_create(&serve->metrics, opts->series);
	if (!err)
		err = stream_create(&serve->stream, meta);
	return err ? log_err(err, "cannot start") : 0;
}

static int on_attached(void *ctx, const struct report_meta *meta)
{
	struct serve *serve = ctx;
	const struct http_options http = {.fd = serve->fd,
					  .hosts = serve->opts->hosts,
					  .interval_ms = meta->interval_ms,
					  .stream = serve->stream};
	char text[LISTEN_TEXT_MAX];
	int err = http_start(&serve->http, &http);

	serve->fd = -1;
	if (err)
		return log_err(err, "cannot serve");
	listen_text(text, &serve->addr);
	printf("http://%s/\n", text);
	return fflush(stdout) ? log_err(-EIO, "cannot write to standard output") : 0;
}

static int on_report(void *ctx, const struct report *report)
{
	struct serve *serve = ctx;
	struct snapshot *snapshot;
	int err = 0;

	if (report->kind == REPORT_WINDOW) {
		err = metrics_add(serve->metrics, report, report->known, report->known_count);
		metrics_drop_ended(serve->metrics, report);
	}
	if (!err)
		err = snapshot_create(&snapshot, report, serve->metrics);
	if (err)
		return log_err(err, "cannot serve a window");
	stream_publish(serve->stream, snapshot);
	return 0;
}

/* While the model is still there, of which the snapshots have the stacks. */
static void stop(struct serve *serve)
{
	http_stop(serve->http);
	serve->http = NULL;
	stream_free(serve->stream);
	serve->stream = NULL;
}

static void on_end(void *ctx, const struct report *report)
{
	(void)report;
	stop(ctx);
}

static int parse_listen(struct serve *serve)
{
	const char *text = serve->opts->listen ? serve->opts->listen : LISTEN_DEFAULT;

	if (!listen_parse(&serve->addr, text))
		return 0;
	log_err(0, "'%s' is not an address to listen at", text);
	log_hint("an IP address and a port: --listen 127.0.0.1:9435, [::1]:9435 or 0.0.0.0:9435");
	return -EINVAL;
}

static int run(struct serve *serve)
{
	struct trace_plan plan = {
		.opts = serve->opts,
		.make_room = true,
		.no_summary = true,
		.interval_ms = (unsigned)(serve->opts->interval * 1000 + 0.5),
		.on_begin = on_begin,
		.on_attached = on_attached,
		.on_report = on_report,
		.on_end = on_end,
		.ctx = serve,
	};
	return trace_run(&plan);
}

int command_serve(const struct options *opts)
{
	struct serve serve = {.opts = opts, .fd = -1};
	int status;

	if (parse_listen(&serve))
		return EXIT_USAGE;
	if (!listen_is_loopback(&serve.addr))
		log_warn("everybody who reaches %s can see the maps of this machine: it has no "
			 "password and no encryption",
			 opts->listen);
	status = run(&serve);
	stop(&serve);
	metrics_free(serve.metrics);
	if (serve.fd >= 0)
		close(serve.fd);
	return status;
}
