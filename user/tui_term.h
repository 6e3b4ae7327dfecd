/* SPDX-License-Identifier: MIT */
/*
 * tui_term.h - the terminal of this process: shows a canvas, reads keys, and is given back as it
 * was however the process ends. The only file of the view that knows ncurses.
 *
 * There is one terminal, as there is one set of signal handlers: so no object, but functions that
 * are called by one thread at a time. tui_term_open() and _close() are for the main thread, what
 * is in between for the thread that draws.
 */
#ifndef TUI_TERM_H
#define TUI_TERM_H

#include <stdbool.h>
#include "canvas.h"

/* NULL = the terminal can show the view; else why not, for people. */
const char *tui_term_unfit(void);

/*
 * Take the terminal. replay: nothing else handles the signals that ask for an end. 0 or
 * -errno, and then the terminal is as it was.
 */
int tui_term_open(bool replay);
/* Give it back. Also called at exit() and, in a form for handlers, by signals that kill. */
void tui_term_close(void);
/* The drawing thread does not come back from a write: give the terminal back without it. */
void tui_term_abandon(void);

/* Wake whoever waits in tui_term_wait(). Async-signal-safe, for any thread. */
void tui_term_wake(void);

struct tui_events {
	bool key, resized;
	bool gone; /* the terminal */
	bool end;  /* a signal asked for it (replay) */
	bool back; /* after a stop: draw everything */
};

/* Until something happens, or timeout_ms (-1: for ever). Stops the process on SIGTSTP. */
struct tui_events tui_term_wait(int timeout_ms);

/* The next key, as tui_key.h numbers them; 0 = none is there now. */
unsigned tui_term_key(void);

/* Size of the screen; and whether only ASCII can be shown. */
void tui_term_size(int *ret_rows, int *ret_cols, bool *ret_ascii);
void tui_term_show(const struct canvas *canvas, bool everything);

#endif
