/* tests/peers/multipart.c - a state machine over a buffer that holds less than a boundary too much.
 *
 *	PREAMBLE ─boundary→ LINE ─CRLF→ HEAD ─empty line→ BODY ─boundary→ LINE …
 *	                     └──"--"→ DONE
 *
 * The parser starts as if a line had just ended, so that a boundary at the very start needs no case of its own.
 */
#include "tests/peers/multipart.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { PREAMBLE, LINE, HEAD, BODY, DONE };

/* What may be held back: a head, or what one feed brings. */
enum { IN_MAX = 4 << 20 };

int multipart_init(struct multipart *m, const char *content_type, multipart_fn fn, void *arg)
{
	struct buf boundary;
	bool ok;

	*m = (struct multipart){.fn = fn, .arg = arg, .state = PREAMBLE};
	buf_init(&m->in, IN_MAX);
	if (!content_type || strncasecmp(content_type, "multipart/", 10))
		return -EINVAL;
	buf_init(&boundary, MULTIPART_BOUNDARY_MAX);
	ok = multipart_param(&boundary, content_type, "boundary") && boundary.len;
	if (ok)
		m->boundary_len = (size_t)snprintf(m->boundary, sizeof(m->boundary), "\r\n--%s",
						   boundary.data);
	buf_deinit(&boundary);
	return ok ? buf_str(&m->in, "\r\n") : -EINVAL;
}

void multipart_deinit(struct multipart *m)
{
	buf_deinit(&m->in);
}

bool multipart_is_whole(const struct multipart *m)
{
	return m->state == DONE;
}

static void drop(struct multipart *m, size_t n)
{
	m->in.len -= n;
	memmove(m->in.data, m->in.data + n, m->in.len);
	m->in.data[m->in.len] = '\0';
}

/* Bytes up to the next boundary, or all that cannot be part of one. */
static int step_body(struct multipart *m, bool *more)
{
	char *at = memmem(m->in.data, m->in.len, m->boundary, m->boundary_len);
	size_t n = at                             ? (size_t)(at - m->in.data)
		   : m->in.len >= m->boundary_len ? m->in.len - m->boundary_len + 1
						  : 0;

	if (m->state == BODY && n && !m->fn(m->arg, MULTIPART_DATA, m->in.data, n))
		return -ECANCELED;
	if (at && m->state == BODY && !m->fn(m->arg, MULTIPART_END, "", 0))
		return -ECANCELED;
	drop(m, at ? n + m->boundary_len : n);
	if (at)
		m->state = LINE;
	*more = at;
	return 0;
}

/* Behind a boundary: the end, or the end of its line. */
static int step_line(struct multipart *m, bool *more)
{
	char *end;

	*more = false;
	if (m->in.len < 2)
		return 0;
	if (!memcmp(m->in.data, "--", 2)) {
		m->state = DONE;
		return 0;
	}
	end = memmem(m->in.data, m->in.len, "\r\n", 2);
	/* However it arrived, the same is too long. */
	if (end ? end - m->in.data > MULTIPART_BOUNDARY_MAX
		: m->in.len > MULTIPART_BOUNDARY_MAX + 2)
		return -EINVAL;
	if (!end)
		return 0;
	/* The line's end stays: an empty head is then no special case. */
	drop(m, (size_t)(end - m->in.data));
	m->state = HEAD;
	*more = true;
	return 0;
}

/* The value of Content-Disposition, or "". `head` starts with a line's end. */
static const char *disposition(char *head)
{
	static const char name[] = "\r\ncontent-disposition:";
	char *at = strcasestr(head, name), *end;

	if (!at)
		return "";
	at += sizeof(name) - 1;
	at += strspn(at, " \t");
	end = strstr(at, "\r\n");
	if (end)
		*end = '\0';
	return at;
}

static int step_head(struct multipart *m, bool *more)
{
	char *end = memmem(m->in.data, m->in.len, "\r\n\r\n", 4);
	const char *value;
	size_t n;

	*more = end;
	if (!end)
		return m->in.len > MULTIPART_HEAD_MAX + 4 ? -EINVAL : 0;
	n = (size_t)(end - m->in.data);
	if (n > MULTIPART_HEAD_MAX || memchr(m->in.data, '\0', n))
		return -EINVAL;
	end[0] = '\0';
	value = disposition(m->in.data);
	if (!m->fn(m->arg, MULTIPART_PART, value, strlen(value)))
		return -ECANCELED;
	drop(m, n + 4);
	m->state = BODY;
	return 0;
}

int multipart_feed(struct multipart *m, const void *data, size_t len)
{
	int r = 0;

	while (!r && len) {
		size_t n = len < IN_MAX / 2 ? len : IN_MAX / 2;
		bool more = true;

		if (m->state == DONE)
			return 0;
		r = buf_add(&m->in, data, n);
		data = (const char *)data + n;
		len -= n;
		while (!r && more) {
			switch (m->state) {
			case LINE:
				r = step_line(m, &more);
				break;
			case HEAD:
				r = step_head(m, &more);
				break;
			case DONE:
				more = false;
				break;
			default:
				r = step_body(m, &more);
			}
		}
	}
	return r == -E2BIG ? -EINVAL : r;
}

static int hex(int c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_token(char c)
{
	return c > ' ' && c < 127 && !strchr("()<>@,;:\\\"/[]?=", c);
}

/* charset'language'%XX… */
static bool undo_extended(struct buf *ret, const char *p, size_t len)
{
	const char *end = p + len;

	for (int quotes = 0; quotes < 2; p++) {
		if (p == end)
			return false;
		quotes += *p == '\'';
	}
	for (; p < end; p++) {
		char c = *p;

		if (c == '%') {
			if (end - p < 3 || hex(p[1]) < 0 || hex(p[2]) < 0)
				return false;
			c = (char)(hex(p[1]) * 16 + hex(p[2]));
			p += 2;
		}
		if (!c || buf_add(ret, &c, 1))
			return false;
	}
	return true;
}

/* A quoted string; `*p` is behind its first quote and moves behind its last. A backslash takes the special that follows
 * it literally and stands for itself before anything else. */
static bool undo_quoted(struct buf *ret, const char **p)
{
	for (const char *s = *p; *s; s++) {
		char c = *s;

		if (c == '"') {
			*p = s + 1;
			return true;
		}
		if (c == '\\' && s[1] && !is_token(s[1]) && s[1] > ' ')
			c = *++s;
		if (c == '\r' || c == '\n' || buf_add(ret, &c, 1))
			return false;
	}
	return false;
}

bool multipart_param(struct buf *ret, const char *value, const char *name)
{
	size_t name_len = strlen(name);
	const char *p = strchr(value, ';');
	bool found = false;

	while (p && *p == ';') {
		const char *key = p + 1 + strspn(p + 1, " \t"), *start;
		size_t len = 0;
		bool mine, extended;

		while (is_token(key[len]))
			len++;
		if (!len || key[len] != '=')
			return found && !*(p + 1 + strspn(p + 1, " \t"));
		extended = key[len - 1] == '*';
		mine = len - extended == name_len && !strncasecmp(key, name, name_len);
		p = key + len + 1;
		if (mine && !found)
			buf_clear(ret);
		if (*p == '"') {
			struct buf skipped;
			bool ok;

			p++;
			buf_init(&skipped, MULTIPART_HEAD_MAX);
			ok = undo_quoted(mine ? ret : &skipped, &p);
			buf_deinit(&skipped);
			if (!ok)
				return false;
		} else {
			start = p;
			while (is_token(*p))
				p++;
			if (mine && (extended ? !undo_extended(ret, start, (size_t)(p - start))
					      : buf_add(ret, start, (size_t)(p - start))))
				return false;
		}
		found = found || mine;
		p += strspn(p, " \t");
	}
	return found && (!p || !*p);
}
