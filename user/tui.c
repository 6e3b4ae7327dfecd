/* SPDX-License-Identifier: MIT */
/*
 * tui.c - see tui.h. Two threads share a model under one lock:
 *
 *	main		report -> lock, tui_model_add(), unlock, wake
 *	drawing		wait -> lock, keys, rows, canvas, unlock -> terminal
 *
 * A terminal that takes nothing (Ctrl-S, a slow line) stops the second only. The keyboard ends
 * a trace by the signal that Ctrl-C is; a recording has been read to its end by then, and the
 * main thread waits for the person.
 */
#include "tui.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "log.h"
#include "tui_draw.h"
#include "tui_term.h"

#define NO_MEMORY "smaptrace: warning: no memory for all of the view; what it shows is right"
#define FRAME_MS 50	   /* windows that come faster are drawn together */
#define OUTPUT_SHOWN 65536 /* bytes of the command's output, at the end */
#define CLOSE_SECONDS 2	   /* so long a terminal may take its last screen */

struct tui {
	bool replay;
	bool open; /* the terminal is ours, the thread runs */
	pthread_t main_thread, thread;
	pthread_mutex_t lock;
	pthread_cond_t quitted;
	struct tui_model *model;
	bool quit;     /* under the lock: the person wants to end */
	bool stop;     /* under the lock: the thread shall end */
	bool failed;   /* no memory, under the lock */
	int output_fd; /* of the command; 0 = there is none */
	bool lost;     /* the thread is stuck: what it uses stays */
	/* The drawing thread's. */
	struct tui_state state;
	struct tui_rows rows;
	struct canvas canvas;
};

const char *tui_unfit(void)
{
	return tui_term_unfit();
}

/* For what the command writes meanwhile; nobody else can reach it. 0 or -errno. */
static int open_output(struct tui *tui)
{
	const char *dir = getenv("TMPDIR");

	tui->output_fd =
		open(dir && *dir ? dir : "/tmp", O_TMPFILE | O_RDWR | O_APPEND | O_CLOEXEC, 0600);
	if (tui->output_fd < 0) /* a file system without such files */
		tui->output_fd = memfd_create("output", MFD_CLOEXEC);
	return tui->output_fd < 0 ? -errno : 0;
}

int tui_create(struct tui **ret_tui, bool replay, bool command)
{
	struct tui *tui = calloc(1, sizeof(*tui));
	int err;

	if (!tui)
		return -ENOMEM;
	err = command ? open_output(tui) : 0;
	if (err) {
		free(tui);
		return err;
	}
	tui->replay = replay;
	tui->main_thread = pthread_self();
	pthread_mutex_init(&tui->lock, NULL);
	pthread_cond_init(&tui->quitted, NULL);
	tui_state_init(&tui->state);
	*ret_tui = tui;
	return 0;
}

/* --- the drawing thread ------------------------------------------------------- */

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void make_rows(struct tui *tui)
{
	const struct tui_query query = tui_state_query(&tui->state, tui->model);

	if (tui_rows_make(&tui->rows, tui->model, &query))
		tui->failed = true;
	tui_state_settle(&tui->state, &tui->rows);
}

/* Locked. */
static void ask_for_end(struct tui *tui)
{
	if (tui->quit)
		return;
	tui->quit = true;
	pthread_cond_broadcast(&tui->quitted);
	if (!tui->replay)
		pthread_kill(tui->main_thread, SIGINT); /* ends its wait for events, too */
}

/* Locked. Whether everything shall be painted anew. */
static bool take_key(struct tui *tui, unsigned key)
{
	enum tui_action action;

	make_rows(tui);
	action = tui_state_key(&tui->state, tui->model, &tui->rows, key);
	if (action == TUI_QUIT)
		ask_for_end(tui);
	return action == TUI_REPAINT;
}

static void draw(struct tui *tui, bool everything)
{
	int rows, cols;
	bool ascii;

	tui_term_size(&rows, &cols, &ascii);
	if ((rows != tui->canvas.rows || cols != tui->canvas.cols) &&
	    canvas_resize(&tui->canvas, rows, cols))
		return; /* no memory: the old one is shown, cut */
	tui->canvas.ascii = ascii;
	pthread_mutex_lock(&tui->lock);
	make_rows(tui);
	if (tui->failed)
		tui_model_message(tui->model, NO_MEMORY, strlen(NO_MEMORY));
	tui->failed = false;
	tui_draw(&tui->canvas, tui->model, &tui->state, &tui->rows);
	pthread_mutex_unlock(&tui->lock);
	tui_term_show(&tui->canvas, everything);
}

/* What has happened; whether everything shall be painted. */
static bool take_events(struct tui *tui, const struct tui_events *events)
{
	bool everything = events->back;
	unsigned key;

	if (events->gone || events->end) {
		pthread_mutex_lock(&tui->lock);
		ask_for_end(tui);
		pthread_mutex_unlock(&tui->lock);
	}
	while (events->key && (key = tui_term_key()) != 0) {
		pthread_mutex_lock(&tui->lock);
		everything |= take_key(tui, key);
		pthread_mutex_unlock(&tui->lock);
	}
	return everything;
}

static bool shall_stop(struct tui *tui, bool hangup)
{
	bool stop;

	pthread_mutex_lock(&tui->lock);
	stop = tui->stop;
	/* Nothing to wait for but that: a hung-up terminal is always readable. */
	while (hangup && !tui->stop)
		pthread_cond_wait(&tui->quitted, &tui->lock);
	pthread_mutex_unlock(&tui->lock);
	return stop || hangup;
}

static void *run(void *ctx)
{
	struct tui *tui = ctx;
	struct tui_events events = {0};
	bool everything = true;

	while (!shall_stop(tui, events.gone)) {
		uint64_t drawn = now_ms(), since;

		draw(tui, everything);
		events = tui_term_wait(-1);
		everything = take_events(tui, &events);
		/* Only a window has come: more may come right behind it. */
		since = now_ms() - drawn;
		if (!events.key && !events.resized && !events.gone && since < FRAME_MS) {
			events = tui_term_wait((int)(FRAME_MS - since));
			everything |= take_events(tui, &events);
		}
	}
	return NULL;
}

/* --- the trace's side --------------------------------------------------------- */

static void on_log(void *ctx, const char *line, size_t len)
{
	struct tui *tui = ctx;

	pthread_mutex_lock(&tui->lock);
	tui_model_message(tui->model, line, len);
	pthread_mutex_unlock(&tui->lock);
	tui_term_wake();
}

/* Signals that stop, end or kill are for the main thread; those of the terminal for all. */
static int start_thread(struct tui *tui)
{
	static const int own[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTTOU, SIGTTIN};
	sigset_t blocked, before;
	int err;

	sigfillset(&blocked);
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		sigdelset(&blocked, own[i]);
	pthread_sigmask(SIG_SETMASK, &blocked, &before);
	err = pthread_create(&tui->thread, NULL, run, tui);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -err;
}

static int on_attached(void *ctx, const struct report_meta *meta)
{
	struct tui *tui = ctx;
	int err = tui_model_create(&tui->model, meta, tui->replay);

	if (!err)
		err = tui_term_open(tui->replay);
	if (!err)
		err = start_thread(tui);
	if (err) {
		tui_term_close();
		log_err(err, "cannot show the terminal view");
		log_hint("-f text shows the same as text");
		return err;
	}
	tui->open = true;
	if (isatty(STDERR_FILENO))
		log_divert(on_log, tui);
	return 0;
}

/* Its last screen may be on the way to a terminal that takes nothing. */
static bool join_thread(struct tui *tui)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += CLOSE_SECONDS;
	return pthread_timedjoin_np(tui->thread, NULL, &until) == 0;
}

/* What had been said meanwhile goes where it would have gone. */
static void print_messages(const struct tui_model *model)
{
	uint64_t first = model->messages > TUI_MESSAGES ? model->messages - TUI_MESSAGES : 0;

	for (uint64_t i = first; i < model->messages; i++)
		log_info("%s", model->message[i % TUI_MESSAGES]);
}

static void close_terminal(struct tui *tui)
{
	bool joined;

	if (!tui->open)
		return;
	tui->open = false;
	pthread_mutex_lock(&tui->lock);
	tui->stop = true;
	pthread_cond_broadcast(&tui->quitted);
	pthread_mutex_unlock(&tui->lock);
	tui_term_wake();
	joined = join_thread(tui);
	if (!joined) {
		tui_term_abandon();
		joined = join_thread(tui);
	}
	if (joined)
		tui_term_close();
	log_divert(NULL, NULL);
	print_messages(tui->model);
	tui->lost = !joined;
}

/* The end of what the command wrote; more would push the summary's beginning out of sight. */
static void print_output(const struct tui *tui)
{
	char text[OUTPUT_SHOWN];
	off_t size = tui->output_fd ? lseek(tui->output_fd, 0, SEEK_END) : 0;
	off_t from = size > (off_t)sizeof(text) ? size - (off_t)sizeof(text) : 0;
	ssize_t len = size > 0 ? pread(tui->output_fd, text, sizeof(text), from) : 0;

	if (from > 0)
		log_info("smaptrace: %lld bytes of the command's output before this are not shown",
			 (long long)from);
	if (len > 0 && write(STDOUT_FILENO, text, (size_t)len) < 0)
		return; /* the summary fails then, too, and says why */
}

static void wait_for_person(struct tui *tui)
{
	pthread_mutex_lock(&tui->lock);
	while (!tui->quit)
		pthread_cond_wait(&tui->quitted, &tui->lock);
	pthread_mutex_unlock(&tui->lock);
}

static int on_report(void *ctx, const struct report *report)
{
	struct tui *tui = ctx;

	if (!tui->open)
		return 0;
	if (report->kind == REPORT_WINDOW) {
		pthread_mutex_lock(&tui->lock);
		if (tui_model_add(tui->model, report))
			tui->failed = true;
		pthread_mutex_unlock(&tui->lock);
		tui_term_wake();
		return 0;
	}
	if (tui->replay)
		wait_for_person(tui);
	close_terminal(tui);
	print_output(tui);
	return 0;
}

void tui_join(struct tui *tui, struct trace_plan *plan)
{
	plan->on_attached = on_attached;
	plan->on_report = on_report;
	plan->ctx = tui;
	plan->command_output_fd = tui->output_fd;
	/* The windows are on the screen; the summary is printed when it is the terminal again. */
	for (size_t i = 0; i < plan->dest_count; i++)
		if (!plan->dest[i].path)
			plan->dest[i].summary_only = true;
}

void tui_free(struct tui *tui)
{
	if (!tui)
		return;
	close_terminal(tui);
	if (tui->lost)
		return;
	if (tui->output_fd)
		close(tui->output_fd);
	tui_model_free(tui->model);
	tui_rows_free(&tui->rows);
	canvas_free(&tui->canvas);
	pthread_cond_destroy(&tui->quitted);
	pthread_mutex_destroy(&tui->lock);
	free(tui);
}
