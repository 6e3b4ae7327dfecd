/* SPDX-License-Identifier: MIT */
/* tui_key.h - keys as numbers, between the terminal and the state. */
#ifndef TUI_KEY_H
#define TUI_KEY_H

/* Keys: characters as they are, and these. */
enum tui_key {
	TUI_KEY_ESCAPE = 27,
	TUI_KEY_ENTER = '\n',
	TUI_KEY_TAB = '\t',
	TUI_KEY_UP = 0x110000, /* behind the last character */
	TUI_KEY_DOWN,
	TUI_KEY_LEFT,
	TUI_KEY_RIGHT,
	TUI_KEY_PAGE_UP,
	TUI_KEY_PAGE_DOWN,
	TUI_KEY_HOME,
	TUI_KEY_END,
	TUI_KEY_BACKSPACE,
	TUI_KEY_BACK_TAB,
	TUI_KEY_REDRAW,
	TUI_KEY_OTHER, /* means nothing */
};

#endif
