/* SPDX-License-Identifier: MIT */
/*
 * tui_term.c - see tui_term.h. Model: ncurses sends what has changed; keys, sizes and stops come
 * as signals or bytes and are told by tui_term_wait(), in the thread that draws, so that ncurses
 * is only ever called there. Signal handlers run in the main thread, set a flag and write to an
 * eventfd.
 *
 * What brings the terminal back is put together while everything is well: the bytes that terminfo
 * names and the modes as we found them. A handler of a signal that kills needs only write() and
 * tcsetattr(). ncurses' own handlers are not used: they draw from within a signal.
 */
#include "tui_term.h"

#include <curses.h>
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>
#include "tui_key.h"

#define ESCAPE_WAIT_MS 25 /* a key's bytes come together, also over a network */

/* What a signal has asked for; handlers run in the main thread, the drawing thread looks. */
static atomic_bool asked_resize, asked_stop, asked_back, asked_end;
static int wake_fd = -1;

static SCREEN *screen;
static bool ascii_only;
static attr_t looks[CANVAS_STYLES];
static short pairs[CANVAS_STYLES];

/* --- giving it back --------------------------------------------------------- */

static struct {
	atomic_bool taken;
	struct termios modes;
	char bytes[512];
	size_t len;
} restore;

static int add_restore(int c)
{
	if (restore.len < sizeof(restore.bytes))
		restore.bytes[restore.len++] = (char)c;
	return c;
}

/* Attributes off, keys as they were, a cursor, and the screen that was there before. */
static void prepare_restore(void)
{
	static const char *const names[] = {"sgr0", "op", "rmkx", "cnorm", "rmcup"};

	restore.len = 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char *text = tigetstr(names[i]);

		if (text && text != (char *)-1)
			tputs(text, 1, add_restore);
	}
}

/* Async-signal-safe. */
static void restore_now(void)
{
	/* Acquire: pairs with the release in tui_term_open(), which follows the bytes and modes. */
	if (!atomic_exchange_explicit(&restore.taken, false, memory_order_acq_rel))
		return;
	if (write(STDOUT_FILENO, restore.bytes, restore.len) < 0) {
		/* Then there is no terminal any more. */
	}
	tcsetattr(STDOUT_FILENO, TCSANOW, &restore.modes);
}

static void on_fatal(int sig)
{
	restore_now();
	raise(sig); /* with the default action again: SA_RESETHAND */
}

static void at_exit(void)
{
	restore_now();
}

/* --- signals ---------------------------------------------------------------- */

void tui_term_wake(void)
{
	uint64_t one = 1;
	int saved = errno;

	if (write(wake_fd, &one, sizeof(one)) < 0)
		errno = saved; /* full: it is awake */
	errno = saved;
}

static void on_event(int sig)
{
	/* Relaxed: a flag by itself; the wake-up, a system call, comes after it. */
	switch (sig) {
	case SIGWINCH:
		atomic_store_explicit(&asked_resize, true, memory_order_relaxed);
		break;
	case SIGTSTP:
		/* Relaxed: as above. */
		atomic_store_explicit(&asked_stop, true, memory_order_relaxed);
		break;
	case SIGCONT:
		/* Relaxed: as above. */
		atomic_store_explicit(&asked_back, true, memory_order_relaxed);
		break;
	default:
		/* Relaxed: as above. */
		atomic_store_explicit(&asked_end, true, memory_order_relaxed);
		break;
	}
	tui_term_wake();
}

/* What is ignored stays so (nohup). */
static void handle(int sig, void (*handler)(int), int flags)
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = flags | SA_RESTART}, old;

	sigaddset(&action.sa_mask, SIGTTOU); /* no stop while the terminal is given back */
	if (sigaction(sig, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
		sigaction(sig, &action, NULL);
}

static void handle_signals(bool replay)
{
	static const int fatal[] = {SIGSEGV, SIGBUS,  SIGILL,  SIGFPE,	SIGABRT,
				    SIGSYS,  SIGTRAP, SIGQUIT, SIGXCPU, SIGXFSZ};
	static const int events[] = {SIGWINCH, SIGTSTP, SIGCONT};

	for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
		handle(fatal[i], on_fatal, (int)(SA_RESETHAND | SA_ONSTACK));
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		handle(events[i], on_event, 0);
	if (!replay) /* the trace catches what ends it */
		return;
	handle(SIGHUP, on_event, 0);
	handle(SIGINT, on_event, 0);
	handle(SIGTERM, on_event, 0);
}

/* A stack that has overflowed cannot carry the handler. Of each thread its own. */
static void use_other_stack(void)
{
	static _Thread_local char memory[1 << 15];
	const stack_t stack = {.ss_sp = memory, .ss_size = sizeof(memory)};

	sigaltstack(&stack, NULL);
}

/* --- open and close --------------------------------------------------------- */

const char *tui_term_unfit(void)
{
	const char *term = getenv("TERM");
	const char *why = NULL;
	int err = 0;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return "standard input and output are not a terminal";
	if (tcgetpgrp(STDOUT_FILENO) != getpgrp())
		return "this is a background job";
	if (!term || !*term || strcmp(term, "dumb") == 0)
		return "TERM says that the terminal is a dumb one";
	if (setupterm(term, STDOUT_FILENO, &err) == ERR)
		return "nothing is known about the terminal that TERM names";
	if (!cursor_address || (!clear_screen && !clr_eos))
		why = "the terminal cannot place its cursor";
	del_curterm(cur_term);
	return why;
}

/* https://no-color.org: the variable counts unless it is empty. */
static bool colours_wanted(void)
{
	const char *no_color = getenv("NO_COLOR");

	return has_colors() && !(no_color && *no_color);
}

struct look {
	attr_t mono, colour;
	short few, many; /* foreground of 8, of 256 colours; -1 = the terminal's */
};

static void choose_looks(void)
{
	static const struct look table[CANVAS_STYLES] = {
		[CANVAS_NORMAL] = {A_NORMAL, A_NORMAL, -1, -1},
		[CANVAS_DIM] = {A_DIM, A_DIM, -1, -1},
		[CANVAS_BOLD] = {A_BOLD, A_BOLD, -1, -1},
		[CANVAS_TITLE] = {A_REVERSE, A_REVERSE, -1, -1},
		[CANVAS_HEAD] = {A_UNDERLINE, A_UNDERLINE, -1, -1},
		[CANVAS_SORTED] = {A_UNDERLINE | A_BOLD, A_UNDERLINE | A_BOLD, COLOR_CYAN, 37},
		[CANVAS_KEY] = {A_BOLD, A_BOLD, COLOR_CYAN, 37},
		[CANVAS_GOOD] = {A_NORMAL, A_NORMAL, COLOR_GREEN, 71},
		[CANVAS_NOTICE] = {A_NORMAL, A_NORMAL, COLOR_CYAN, 37},
		[CANVAS_WARNING] = {A_BOLD, A_BOLD, COLOR_YELLOW, 178},
		[CANVAS_ERROR] = {A_BOLD | A_UNDERLINE, A_BOLD, COLOR_RED, 203},
		[CANVAS_MISSES] = {A_NORMAL, A_NORMAL, COLOR_CYAN, 74},
		[CANVAS_PROMOTIONS] = {A_NORMAL, A_NORMAL, COLOR_MAGENTA, 176},
		[CANVAS_BAR] = {A_NORMAL, A_NORMAL, COLOR_BLUE, 68},
		[CANVAS_HEAT1] = {A_NORMAL, A_NORMAL, COLOR_BLUE, 61},
		[CANVAS_HEAT2] = {A_NORMAL, A_NORMAL, COLOR_CYAN, 73},
		[CANVAS_HEAT3] = {A_NORMAL, A_NORMAL, COLOR_YELLOW, 178},
		[CANVAS_HEAT4] = {A_BOLD, A_BOLD, COLOR_RED, 203},
	};
	bool colour = colours_wanted();

	if (colour) {
		start_color();
		use_default_colors();
	}
	for (short i = 0; i < CANVAS_STYLES; i++) {
		const struct look *look = &table[i];

		looks[i] = colour ? look->colour : look->mono;
		pairs[i] = 0;
		if (!colour || look->few < 0)
			continue;
		pairs[i] = i;
		init_pair(i, COLORS >= 256 ? look->many : look->few, -1);
	}
}

int tui_term_open(bool replay)
{
	wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (wake_fd < 0)
		return -errno;
	setlocale(LC_CTYPE, "");
	ascii_only = strcmp(nl_langinfo(CODESET), "UTF-8") != 0;
	if (tcgetattr(STDOUT_FILENO, &restore.modes) < 0)
		return -errno;
	handle_signals(replay);
	use_other_stack();
	set_escdelay(ESCAPE_WAIT_MS);
	screen = newterm(NULL, stdout, stdin);
	if (!screen)
		return -ENOTTY;
	prepare_restore();
	/* Release: pairs with the acquire in restore_now(), which uses what was set before. */
	atomic_store_explicit(&restore.taken, true, memory_order_release);
	atexit(at_exit);
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	leaveok(stdscr, TRUE);
	curs_set(0);
	choose_looks();
	return 0;
}

void tui_term_close(void)
{
	if (!screen)
		return;
	endwin();
	/* Relaxed: the drawing thread has ended, and what follows is done by endwin() already ... */
	atomic_store_explicit(&restore.taken, false, memory_order_relaxed);
	tcsetattr(STDOUT_FILENO, TCSADRAIN, &restore.modes); /* ... or only modes. */
	delscreen(screen);
	screen = NULL;
}

void tui_term_abandon(void)
{
	/* A stopped terminal (Ctrl-S) takes bytes again: Linux lets TCOON undo only TCOOFF. */
	tcflow(STDOUT_FILENO, TCOOFF);
	tcflow(STDOUT_FILENO, TCOON);
	tcflush(STDOUT_FILENO, TCOFLUSH);
	restore_now();
}

/* --- waiting ---------------------------------------------------------------- */

/* Stop like any program: the shell gets its terminal, `fg` brings us back. */
static void stop(void)
{
	const struct sigaction plain = {.sa_handler = SIG_DFL};
	struct sigaction ours;
	sigset_t tstp;

	def_prog_mode();
	endwin();
	/* Relaxed: only this thread and handlers of signals that kill look; no data goes with it. */
	atomic_store_explicit(&restore.taken, false, memory_order_relaxed);
	sigaction(SIGTSTP, &plain, &ours);
	sigemptyset(&tstp);
	sigaddset(&tstp, SIGTSTP);
	pthread_sigmask(SIG_UNBLOCK, &tstp, NULL);
	/* To this thread, which cannot go on before it is delivered; it stops all of them. */
	pthread_kill(pthread_self(), SIGTSTP);
	pthread_sigmask(SIG_BLOCK, &tstp, NULL);
	sigaction(SIGTSTP, &ours, NULL);
	/* Release: as in tui_term_open(). */
	atomic_store_explicit(&restore.taken, true, memory_order_release);
}

static void come_back(struct tui_events *events)
{
	reset_prog_mode();
	refresh();
	curs_set(0);
	events->back = events->resized = true;
}

static void resize(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row && size.ws_col)
		resizeterm(size.ws_row, size.ws_col);
}

/* Relaxed: see on_event(). */
#define TAKE(flag) atomic_exchange_explicit(&(flag), false, memory_order_relaxed)

struct tui_events tui_term_wait(int timeout_ms)
{
	struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN},
			       {.fd = wake_fd, .events = POLLIN}};
	struct tui_events events = {0};
	uint64_t wakes;

	use_other_stack();
	if (poll(fds, 2, timeout_ms) < 0)
		return events;
	events.key = fds[0].revents & POLLIN;
	events.gone = fds[0].revents & (POLLHUP | POLLERR | POLLNVAL);
	if (fds[1].revents && read(wake_fd, &wakes, sizeof(wakes)) < 0)
		return events;
	if (TAKE(asked_stop)) {
		stop();
		(void)TAKE(asked_back);
		come_back(&events);
	}
	if (TAKE(asked_back))
		come_back(&events);
	events.resized |= TAKE(asked_resize);
	if (events.resized)
		resize();
	events.end = TAKE(asked_end);
	return events;
}

static unsigned special_key(wint_t code)
{
	static const struct {
		wint_t code;
		unsigned key;
	} keys[] = {
		{KEY_UP, TUI_KEY_UP},
		{KEY_DOWN, TUI_KEY_DOWN},
		{KEY_LEFT, TUI_KEY_LEFT},
		{KEY_RIGHT, TUI_KEY_RIGHT},
		{KEY_PPAGE, TUI_KEY_PAGE_UP},
		{KEY_NPAGE, TUI_KEY_PAGE_DOWN},
		{KEY_HOME, TUI_KEY_HOME},
		{KEY_END, TUI_KEY_END},
		{KEY_ENTER, TUI_KEY_ENTER},
		{KEY_BACKSPACE, TUI_KEY_BACKSPACE},
		{KEY_BTAB, TUI_KEY_BACK_TAB},
		{KEY_F(1), '?'},
		{KEY_F(10), 'q'},
		{KEY_DC, TUI_KEY_BACKSPACE},
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (keys[i].code == code)
			return keys[i].key;
	return TUI_KEY_OTHER;
}

unsigned tui_term_key(void)
{
	wint_t code = 0;
	int kind = wget_wch(stdscr, &code);

	if (kind == ERR)
		return 0;
	if (kind == KEY_CODE_YES)
		return special_key(code);
	return code ? (unsigned)code : TUI_KEY_OTHER;
}

/* --- showing ---------------------------------------------------------------- */

void tui_term_size(int *ret_rows, int *ret_cols, bool *ret_ascii)
{
	getmaxyx(stdscr, *ret_rows, *ret_cols);
	*ret_ascii = ascii_only;
}

/* The characters of a cell: one with width, then what combines with it. */
static size_t decode(wchar_t dst[CANVAS_CELL_MAX], const char *text)
{
	size_t count = 0;

	while (*text) {
		unsigned char c = (unsigned char)*text++;
		wchar_t wide = c < 0x80 ? c : c < 0xe0 ? c & 0x1f : c < 0xf0 ? c & 0x0f : c & 0x07;

		while (((unsigned char)*text & 0xc0) == 0x80)
			wide = wide << 6 | (*text++ & 0x3f);
		/* One that the C library does not know would be shown as several. */
		dst[count++] = wcwidth(wide) < 0 ? L'?' : wide;
	}
	dst[count] = L'\0';
	return count;
}

static void show_cell(const struct canvas_cell *cell, int row, int col)
{
	unsigned style = cell->style & ~(unsigned)CANVAS_SELECTED;
	attr_t look = looks[style];
	wchar_t text[CANVAS_CELL_MAX + 1];
	cchar_t shown;

	if (cell->style & CANVAS_SELECTED)
		look ^= A_REVERSE;
	if (decode(text, cell->text) == 0)
		return; /* under the wide one on the left */
	if (setcchar(&shown, text, look, pairs[style], NULL) == OK)
		mvadd_wch(row, col, &shown);
}

void tui_term_show(const struct canvas *canvas, bool everything)
{
	int rows, cols;

	getmaxyx(stdscr, rows, cols);
	erase();
	for (int row = 0; row < rows && row < canvas->rows; row++)
		for (int col = 0; col < cols && col < canvas->cols; col++)
			show_cell(canvas_cell(canvas, row, col), row, col);
	if (everything)
		clearok(stdscr, TRUE);
	wnoutrefresh(stdscr);
	doupdate();
}
