/* SPDX-License-Identifier: MIT */
/*
 * tui_state.c - see tui_state.h. Model: one function per screen takes the keys that mean
 * something there; what is left goes to those that mean the same everywhere.
 */
#include "tui_state.h"

#include <stdint.h>
#include <string.h>

void tui_state_init(struct tui_state *state)
{
	*state = (struct tui_state){.sort = TUI_SORT_VERDICT, .page = 1};
}

/* --- the moment ------------------------------------------------------------- */

/* The last point that had ended then. */
static size_t point_at(const struct history *history, uint64_t ns)
{
	size_t point = history_points(history);

	while (point > 1 && history_point(history, point - 1)->end_ns > ns)
		point--;
	return point - 1; /* of none SIZE_MAX */
}

struct tui_query tui_state_query(const struct tui_state *state, const struct tui_model *model)
{
	return (struct tui_query){
		.sort = state->sort,
		.reverse = state->reverse,
		.filter = state->filter,
		.only_active = state->only_active,
		.only_found = state->only_found,
		.point = state->paused ? point_at(model->history, state->paused_ns)
				       : tui_model_newest(model),
	};
}

static void pause_at(struct tui_state *state, const struct tui_model *model, size_t point)
{
	state->paused = true;
	state->paused_ns = history_point(model->history, point)->end_ns;
}

static void toggle_pause(struct tui_state *state, const struct tui_model *model)
{
	size_t newest = tui_model_newest(model);

	if (state->paused)
		state->paused = false;
	else if (newest != SIZE_MAX)
		pause_at(state, model, newest);
}

/* Back or forth in time, stopping there. */
static void step(struct tui_state *state, const struct tui_model *model, int by)
{
	size_t newest = tui_model_newest(model), point;

	if (newest == SIZE_MAX)
		return;
	point = state->paused ? point_at(model->history, state->paused_ns) : newest;
	if (by < 0)
		point = point > (size_t)-by ? point - (size_t)-by : 0;
	else
		point = point + (size_t)by < newest ? point + (size_t)by : newest;
	pause_at(state, model, point);
}

/* --- the selection ---------------------------------------------------------- */

static void select_row(struct tui_state *state, const struct tui_rows *rows, size_t index)
{
	const struct tui_row *row;

	if (rows->count == 0) {
		state->selected = false;
		state->index = 0;
		return;
	}
	state->index = index < rows->count ? index : rows->count - 1;
	row = &rows->row[state->index];
	state->selected = true;
	state->pid = row->pid;
	state->addr = row->addr;
	state->id = row->id;
}

static void scroll_to_selection(struct tui_state *state, const struct tui_rows *rows)
{
	size_t page = state->page ? state->page : 1;

	if (state->top + page > rows->count)
		state->top = rows->count > page ? rows->count - page : 0;
	if (state->index < state->top)
		state->top = state->index;
	if (state->index >= state->top + page)
		state->top = state->index + 1 - page;
}

void tui_state_settle(struct tui_state *state, const struct tui_rows *rows)
{
	size_t i = 0;

	while (i < rows->count &&
	       (rows->row[i].pid != state->pid || rows->row[i].addr != state->addr ||
		rows->row[i].id != state->id))
		i++;
	if (state->selected && i < rows->count)
		state->index = i;
	else if (state->screen == TUI_LIST) /* an open map stays open when it has gone */
		select_row(state, rows, state->index);
	scroll_to_selection(state, rows);
	if (state->scroll > state->scroll_max)
		state->scroll = state->scroll_max;
}

static void move(struct tui_state *state, const struct tui_rows *rows, bool down, size_t by)
{
	if (down)
		select_row(state, rows, state->index + by);
	else
		select_row(state, rows, state->index > by ? state->index - by : 0);
	scroll_to_selection(state, rows);
}

/* Keys that go up and down: in rows, or in lines of text. */
static bool vertical(unsigned key, size_t page, bool *ret_down, size_t *ret_by)
{
	switch (key) {
	case TUI_KEY_UP:
	case TUI_KEY_DOWN:
	case 'k':
	case 'j':
		*ret_by = 1;
		break;
	case TUI_KEY_PAGE_UP:
	case TUI_KEY_PAGE_DOWN:
	case 'b' & 0x1f: /* Ctrl-B, Ctrl-F */
	case 'f' & 0x1f:
		*ret_by = page > 1 ? page - 1 : 1;
		break;
	case TUI_KEY_HOME:
	case TUI_KEY_END:
	case 'g':
	case 'G':
		*ret_by = SIZE_MAX / 2;
		break;
	default:
		return false;
	}
	*ret_down = key == TUI_KEY_DOWN || key == 'j' || key == TUI_KEY_PAGE_DOWN ||
		    key == ('f' & 0x1f) || key == TUI_KEY_END || key == 'G';
	return true;
}

/* --- the filter ------------------------------------------------------------- */

/* The character at the end of it. */
static void filter_erase(struct tui_state *state)
{
	size_t len = strlen(state->filter);

	while (len > 0 && ((unsigned char)state->filter[len - 1] & 0xc0) == 0x80)
		len--;
	state->filter[len > 0 ? len - 1 : 0] = '\0';
}

static void filter_append(struct tui_state *state, unsigned key)
{
	size_t len = strlen(state->filter);
	char text[5];
	size_t used = 0;

	if (key < 0x80) {
		text[used++] = (char)key;
	} else if (key < 0x800) {
		text[used++] = (char)(0xc0 | key >> 6);
		text[used++] = (char)(0x80 | (key & 0x3f));
	} else if (key < 0x10000) {
		text[used++] = (char)(0xe0 | key >> 12);
		text[used++] = (char)(0x80 | (key >> 6 & 0x3f));
		text[used++] = (char)(0x80 | (key & 0x3f));
	} else {
		text[used++] = (char)(0xf0 | key >> 18);
		text[used++] = (char)(0x80 | (key >> 12 & 0x3f));
		text[used++] = (char)(0x80 | (key >> 6 & 0x3f));
		text[used++] = (char)(0x80 | (key & 0x3f));
	}
	if (len + used < sizeof(state->filter)) {
		memcpy(state->filter + len, text, used);
		state->filter[len + used] = '\0';
	}
}

static void type_filter(struct tui_state *state, unsigned key)
{
	if (key == TUI_KEY_ENTER) {
		state->typing = false;
	} else if (key == TUI_KEY_ESCAPE) {
		memcpy(state->filter, state->filter_before, sizeof(state->filter));
		state->typing = false;
	} else if (key == TUI_KEY_BACKSPACE) {
		filter_erase(state);
	} else if (key == ('u' & 0x1f)) { /* Ctrl-U, as in a shell */
		state->filter[0] = '\0';
	} else if (key >= ' ' && key != 0x7f && key < TUI_KEY_UP) {
		filter_append(state, key);
	}
}

/* --- screens ---------------------------------------------------------------- */

static void open_map(struct tui_state *state)
{
	if (!state->selected)
		return;
	state->screen = TUI_MAP;
	state->scroll = 0;
}

static void cycle_sort(struct tui_state *state, bool forth)
{
	unsigned step_by = forth ? 1 : TUI_SORT_COUNT - 1;

	state->sort = (enum tui_sort)(((unsigned)state->sort + step_by) % TUI_SORT_COUNT);
	state->reverse = false;
}

static bool list_key(struct tui_state *state, const struct tui_rows *rows, unsigned key)
{
	bool down;
	size_t by;

	if (vertical(key, state->page, &down, &by)) {
		move(state, rows, down, by);
		return true;
	}
	switch (key) {
	case TUI_KEY_ENTER:
		open_map(state);
		return true;
	case TUI_KEY_LEFT:
	case TUI_KEY_RIGHT:
	case 's':
	case 'S':
		cycle_sort(state, key == TUI_KEY_RIGHT || key == 's');
		return true;
	case 'r':
		state->reverse = !state->reverse;
		return true;
	case '/':
		memcpy(state->filter_before, state->filter, sizeof(state->filter));
		state->typing = true;
		return true;
	case TUI_KEY_ESCAPE: /* shows all again */
		state->filter[0] = '\0';
		state->only_active = state->only_found = false;
		return true;
	case 'a':
		state->only_active = !state->only_active;
		return true;
	case 'v':
		state->only_found = !state->only_found;
		return true;
	default:
		return false;
	}
}

static void open_tab(struct tui_state *state, unsigned tab)
{
	state->tab = (enum tui_tab)(tab % TUI_TAB_COUNT);
	state->scroll = 0;
}

static void scroll(struct tui_state *state, bool down, size_t by)
{
	size_t left = state->scroll_max - state->scroll;

	if (down)
		state->scroll += by < left ? by : left;
	else
		state->scroll -= by < state->scroll ? by : state->scroll;
}

static bool map_key(struct tui_state *state, const struct tui_rows *rows, unsigned key)
{
	bool down;
	size_t by;

	if (vertical(key, state->page, &down, &by)) {
		scroll(state, down, by);
		return true;
	}
	if (key >= '1' && key < '1' + TUI_TAB_COUNT) {
		open_tab(state, key - '1');
		return true;
	}
	switch (key) {
	case TUI_KEY_ESCAPE:
	case TUI_KEY_BACKSPACE:
		state->screen = TUI_LIST;
		return true;
	case TUI_KEY_TAB:
	case TUI_KEY_RIGHT:
		open_tab(state, (unsigned)state->tab + 1);
		return true;
	case TUI_KEY_BACK_TAB:
	case TUI_KEY_LEFT:
		open_tab(state, (unsigned)state->tab + TUI_TAB_COUNT - 1);
		return true;
	case '[':
	case ']':
		move(state, rows, key == ']', 1);
		state->scroll = 0;
		return true;
	case 't':
		state->whole = !state->whole;
		return true;
	default:
		return false;
	}
}

static bool help_key(struct tui_state *state, unsigned key)
{
	bool down;
	size_t by;

	if (vertical(key, state->page, &down, &by)) {
		scroll(state, down, by);
		return true;
	}
	/* Also 'q': it closes what is open first, here. */
	state->screen = state->behind_help;
	state->scroll = 0;
	return true;
}

static enum tui_action any_key(struct tui_state *state, const struct tui_model *model, unsigned key)
{
	switch (key) {
	case 'q':
	case 'Q':
		return TUI_QUIT;
	case '?':
	case 'h':
		state->behind_help = state->screen;
		state->screen = TUI_HELP;
		state->scroll = 0;
		break;
	case ' ':
	case 'p':
		toggle_pause(state, model);
		break;
	case ',':
	case '<':
		step(state, model, key == ',' ? -1 : -10);
		break;
	case '.':
	case '>':
		step(state, model, key == '.' ? 1 : 10);
		break;
	case 'l' & 0x1f: /* Ctrl-L */
	case TUI_KEY_REDRAW:
		return TUI_REPAINT;
	default:
		break;
	}
	return TUI_NOTHING;
}

enum tui_action tui_state_key(struct tui_state *state, const struct tui_model *model,
			      const struct tui_rows *rows, unsigned key)
{
	bool done = false;

	state->seen = model->messages;
	if (key == '\r')
		key = TUI_KEY_ENTER;
	if (key == 0x7f || key == '\b')
		key = TUI_KEY_BACKSPACE;
	if (state->typing) {
		type_filter(state, key);
		return TUI_NOTHING;
	}
	switch (state->screen) {
	case TUI_LIST:
		done = list_key(state, rows, key);
		break;
	case TUI_MAP:
		done = map_key(state, rows, key);
		break;
	case TUI_HELP:
		done = help_key(state, key);
		break;
	}
	return done ? TUI_NOTHING : any_key(state, model, key);
}
