/* Counting a patch.
 *
 *	diff --git a/x b/x        a file begins; its name, for want of a better one
 *	--- a/x   +++ b/x         its names; /dev/null where there is none
 *	@@ -1,3 +1,4 @@           a hunk: so many old and new lines follow, whatever they look like
 *	Binary files … differ     no lines to count
 */
#include "tools/diffstat.h"

#include <string.h>

struct cursor {
	const char *at, *end;
	const char *line;
	size_t len;
};

static bool next_line(struct cursor *c)
{
	const char *nl;

	if (c->at >= c->end)
		return false;
	nl = memchr(c->at, '\n', (size_t)(c->end - c->at));
	c->line = c->at;
	c->len = (size_t)((nl ? nl : c->end) - c->at);
	c->at = nl ? nl + 1 : c->end;
	return true;
}

static bool begins(const struct cursor *c, const char *with)
{
	size_t n = strlen(with);

	return c->len >= n && !memcmp(c->line, with, n);
}

static uint64_t number(const char **s, const char *end)
{
	uint64_t n = 0;

	for (; *s < end && **s >= '0' && **s <= '9' && n < UINT32_MAX; (*s)++)
		n = n * 10 + (uint64_t)(**s - '0');
	return n;
}

/* The count in "12,3" or "12": three, or one. */
static uint64_t span(const char **s, const char *end)
{
	(void)number(s, end);
	if (*s >= end || **s != ',')
		return 1;
	(*s)++;
	return number(s, end);
}

static void count_hunk(struct cursor *c, struct diffstat_file *f)
{
	const char *s = c->line + 4, *end = c->line + c->len;
	uint64_t old = span(&s, end), new = 0;

	if (end - s > 2 && s[0] == ' ' && s[1] == '+') {
		s += 2;
		new = span(&s, end);
	}
	while ((old || new) && next_line(c)) {
		char kind = c->len ? c->line[0] : ' ';

		f->added += kind == '+';
		f->deleted += kind == '-';
		if (kind != '+' && kind != '\\' && old)
			old--;
		if (kind != '-' && kind != '\\' && new)
			new --;
	}
}

/* "+++ b/x": the name behind the prefix, unless there is none. */
static void take_name(const struct cursor *c, size_t skip, struct diffstat_file *f)
{
	const char *name = c->line + skip;
	size_t len = c->len - skip;

	if (len >= 9 && !memcmp(name, "/dev/null", 9))
		return;
	if (len > 2 && name[1] == '/') {
		name += 2;
		len -= 2;
	}
	while (len && name[len - 1] == '\t')
		len--;
	f->path = name;
	f->path_len = len;
}

static void begin_file(const struct cursor *c, struct diffstat_file *f)
{
	size_t half = (c->len - 11) / 2;

	memset(f, 0, sizeof(*f));
	/* "a/x b/x": both halves are alike unless it was renamed, and then better lines follow. */
	f->path = c->line + 11 + half + 3;
	f->path_len = half > 2 ? half - 2 : 0;
	if (!f->path_len)
		f->path = c->line;
}

int diffstat_each(const char *patch, size_t len, diffstat_fn fn, void *arg)
{
	struct cursor c = {.at = patch, .end = patch + len};
	struct diffstat_file f = {0};
	int r = 0;

	while (!r && next_line(&c)) {
		if (begins(&c, "diff --git ")) {
			r = f.path ? fn(&f, arg) : 0;
			begin_file(&c, &f);
		} else if (begins(&c, "--- ")) {
			take_name(&c, 4, &f);
		} else if (begins(&c, "+++ ")) {
			take_name(&c, 4, &f);
		} else if (begins(&c, "rename to ")) {
			f.path = c.line + 10;
			f.path_len = c.len - 10;
		} else if (begins(&c, "Binary files ") || begins(&c, "GIT binary patch")) {
			f.binary = true;
		} else if (begins(&c, "@@ -")) {
			count_hunk(&c, &f);
		}
	}
	return r || !f.path ? r : fn(&f, arg);
}
