/* SPDX-License-Identifier: MIT */
/*
 * resp.c - an incremental parser that never looks at a byte of an argument twice.
 *
 * A request is an array of bulk strings ("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n") or one line
 * of words ("inline", for people with telnet). State is kept between calls, so a
 * request may come one byte at a time. A length is believed only within limits, and
 * nothing is allocated for it before its bytes arrive.
 */
#include "resp.h"
#include <ctype.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

static enum resp_status fail(struct resp_parser *p, const char *error)
{
	p->error = error;
	return RESP_ERROR;
}

static bool add_arg(struct resp_parser *p, size_t offset, size_t len)
{
	if (p->argc == p->argv_cap) {
		size_t cap = p->argv_cap ? p->argv_cap * 2 : 8;
		struct resp_arg *argv = realloc(p->argv, cap * sizeof(*argv));
		size_t *offsets;

		if (!argv)
			return false;
		p->argv = argv;
		offsets = realloc(p->offsets, cap * sizeof(*offsets));
		if (!offsets)
			return false;
		p->offsets = offsets;
		p->argv_cap = cap;
	}
	p->offsets[p->argc] = offset;
	p->argv[p->argc++].len = len;
	return true;
}

static enum resp_status ready(struct resp_parser *p, const struct buf *in)
{
	for (size_t i = 0; i < p->argc; i++)
		p->argv[i].data = buf_head(in) + p->offsets[i];
	return RESP_READY;
}

/*
 * The line at pos without its end. MORE, READY with the line and pos moved behind it,
 * or ERROR if it is longer than any line may be.
 */
static enum resp_status take_line(struct resp_parser *p, const struct buf *in, char **ret_line,
				  size_t *ret_len)
{
	char *line = buf_head(in) + p->pos;
	size_t left = buf_used(in) - p->pos;
	char *newline = left ? memchr(line, '\n', left) : NULL;
	size_t len = newline ? (size_t)(newline - line) : left;

	if (len > RESP_LINE_MAX)
		return fail(p, p->argc || *line == '*' ? "too big count string"
						       : "too big inline request");
	if (!newline)
		return RESP_MORE;
	p->pos += len + 1;
	if (len && line[len - 1] == '\r')
		len--;
	*ret_line = line;
	*ret_len = len;
	return RESP_READY;
}

/* --- inline requests ------------------------------------------------------------ */

static int hex_digit(char c)
{
	return isdigit((unsigned char)c)    ? c - '0'
	       : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10
					    : -1;
}

/* One escape of a "..." word at *from (behind the backslash). */
static char unescape(const char **from, const char *end)
{
	const char *s = *from;
	static const char names[] = "nrtba", bytes[] = "\n\r\t\b\a";
	const char *name;

	if (*s == 'x' && end - s > 2 && hex_digit(s[1]) >= 0 && hex_digit(s[2]) >= 0) {
		*from = s + 3;
		return (char)(hex_digit(s[1]) << 4 | hex_digit(s[2]));
	}
	*from = s + 1;
	name = memchr(names, *s, sizeof(names) - 1);
	return name ? bytes[name - names] : *s;
}

/*
 * Copy the word at *from down to `to`; returns its end there, or NULL if its quotes do not
 * balance. In place: a word never grows by unquoting.
 */
static char *unquote(char *to, const char **from, const char *end)
{
	const char *s = *from;
	char quote = 0;

	for (; s < end && (quote || !isspace((unsigned char)*s));) {
		char c = *s++;

		if (quote && c == quote) {
			if (s < end && !isspace((unsigned char)*s))
				return NULL; /* "a"b */
			quote = 0;
		} else if (!quote && (c == '"' || c == '\'')) {
			quote = c;
		} else if (quote == '"' && c == '\\' && s < end) {
			*to++ = unescape(&s, end);
		} else if (quote == '\'' && c == '\\' && s < end && *s == '\'') {
			*to++ = *s++;
		} else {
			*to++ = c;
		}
	}
	*from = s;
	return quote ? NULL : to;
}

static enum resp_status parse_inline(struct resp_parser *p, const struct buf *in)
{
	char *line, *to;
	const char *s, *end;
	size_t len;
	enum resp_status status = take_line(p, in, &line, &len);

	if (status != RESP_READY)
		return status;
	s = to = line;
	end = line + len;
	for (;;) {
		char *word = to;

		while (s < end && isspace((unsigned char)*s))
			s++;
		if (s == end)
			return ready(p, in);
		to = unquote(to, &s, end);
		if (!to)
			return fail(p, "unbalanced quotes in request");
		if (!add_arg(p, (size_t)(word - buf_head(in)), (size_t)(to - word)))
			return fail(p, "out of memory");
	}
}

/* --- arrays of bulk strings ------------------------------------------------------- */

static enum resp_status parse_header(struct resp_parser *p, const struct buf *in)
{
	char *line;
	size_t len;
	int64_t count;
	enum resp_status status = take_line(p, in, &line, &len);

	if (status != RESP_READY)
		return status;
	if (!resp_parse_int(line + 1, len - 1, &count) || count > RESP_ARGS_MAX)
		return fail(p, "invalid multibulk length");
	p->args_left = count > 0 ? (size_t)count : 0;
	return RESP_READY;
}

static enum resp_status parse_bulk_len(struct resp_parser *p, const struct buf *in)
{
	static _Thread_local char message[64];
	char *line;
	size_t len;
	int64_t size;
	enum resp_status status;

	if (buf_used(in) > p->pos && buf_head(in)[p->pos] != '$') {
		snprintf(message, sizeof(message), "expected '$', got '%c'",
			 isprint((unsigned char)buf_head(in)[p->pos]) ? buf_head(in)[p->pos] : '?');
		return fail(p, message);
	}
	status = take_line(p, in, &line, &len);
	if (status != RESP_READY)
		return status;
	if (!resp_parse_int(line + 1, len - 1, &size) || size < 0 || (size_t)size > p->max_bulk)
		return fail(p, "invalid bulk length");
	p->bulk_len = (size_t)size;
	p->in_bulk = true;
	return RESP_READY;
}

static enum resp_status parse_bulk(struct resp_parser *p, const struct buf *in)
{
	const char *bulk = buf_head(in) + p->pos;

	if (p->pos + p->bulk_len + 2 > RESP_REQUEST_MAX)
		return fail(p, "request too large");
	if (buf_used(in) - p->pos < p->bulk_len + 2)
		return RESP_MORE;
	if (memcmp(bulk + p->bulk_len, "\r\n", 2) != 0)
		return fail(p, "expected CRLF after bulk string");
	if (!add_arg(p, p->pos, p->bulk_len))
		return fail(p, "out of memory");
	p->pos += p->bulk_len + 2;
	p->in_bulk = false;
	p->args_left--;
	return RESP_READY;
}

enum resp_status resp_parse(struct resp_parser *p, struct buf *in)
{
	enum resp_status status;

	if (p->pos == 0) {
		if (!buf_used(in))
			return RESP_MORE;
		if (*buf_head(in) != '*')
			return parse_inline(p, in);
		status = parse_header(p, in);
		if (status != RESP_READY)
			return status;
	}
	while (p->args_left) {
		status = p->in_bulk ? parse_bulk(p, in) : parse_bulk_len(p, in);
		if (status != RESP_READY)
			return status;
	}
	return ready(p, in);
}

void resp_next(struct resp_parser *p, struct buf *in)
{
	buf_consume(in, p->pos);
	p->pos = 0;
	p->argc = 0;
	p->args_left = 0;
	p->in_bulk = false;
}

void resp_free(struct resp_parser *p)
{
	free(p->argv);
	free(p->offsets);
}

/* --- replies ------------------------------------------------------------------------ */

static void put_number(struct buf *out, char type, int64_t number)
{
	char line[32];
	int len = snprintf(line, sizeof(line), "%c%lld\r\n", type, (long long)number);

	buf_append(out, line, (size_t)len);
}

void resp_simple(struct buf *out, const char *text)
{
	buf_append(out, "+", 1);
	buf_append(out, text, strlen(text));
	buf_append(out, "\r\n", 2);
}

/* Arguments of clients end up here: a line break in one must not end the reply. */
void resp_error(struct buf *out, const char *fmt, ...)
{
	char line[256] = "-";
	va_list args;
	size_t len;

	va_start(args, fmt);
	vsnprintf(line + 1, sizeof(line) - 3, fmt, args);
	va_end(args);
	len = strlen(line);
	for (size_t i = 0; i < len; i++)
		if (line[i] == '\r' || line[i] == '\n')
			line[i] = ' ';
	memcpy(line + len, "\r\n", 2);
	buf_append(out, line, len + 2);
}

void resp_int(struct buf *out, int64_t number)
{
	put_number(out, ':', number);
}

void resp_bulk(struct buf *out, const void *data, size_t len)
{
	put_number(out, '$', (int64_t)len);
	buf_append(out, data, len);
	buf_append(out, "\r\n", 2);
}

void resp_text(struct buf *out, const char *text)
{
	resp_bulk(out, text, strlen(text));
}

void resp_nil(struct buf *out)
{
	buf_append(out, "$-1\r\n", 5);
}

void resp_array(struct buf *out, size_t count)
{
	put_number(out, '*', (int64_t)count);
}

bool resp_parse_int(const char *text, size_t len, int64_t *ret_number)
{
	bool negative = len && *text == '-';
	uint64_t limit = negative ? (uint64_t)INT64_MAX + 1 : INT64_MAX;
	uint64_t number = 0;
	size_t i = negative;

	if (i == len || (text[i] == '0' && len > 1))
		return false;
	for (; i < len; i++) {
		unsigned digit = (unsigned)text[i] - '0';

		if (digit > 9 || number > (limit - digit) / 10)
			return false;
		number = number * 10 + digit;
	}
	*ret_number = negative ? (int64_t)(0 - number) : (int64_t)number;
	return true;
}

bool resp_arg_is(const struct resp_arg *arg, const char *word)
{
	return arg->len == strlen(word) && strncasecmp(arg->data, word, arg->len) == 0;
}
