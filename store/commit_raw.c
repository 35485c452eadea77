/* Reading a commit's header as git does: "tree", any number of "parent", then lines of which only
 * "committer" matters here, a blank line, the message.
 *
 * The time is what stands after the last '>' of the committer line, as in git, which forgives
 * anything before it. Numbers too large are clamped; a line that cannot be read means
 * 1970, also as in git.
 */
#include "store/commit_raw.h"

#include <errno.h>
#include <string.h>

enum {
	TREE_LINE = 5 + OID_HEX_LEN + 1,
	PARENT_LINE = 7 + OID_HEX_LEN + 1,
	TZ_MOST = 99 * 60 + 59,
};

static bool oid_line(const char *p, const char *end, const char *word, struct oid *ret)
{
	size_t n = strlen(word);

	return (size_t)(end - p) >= n + OID_HEX_LEN + 1 && !memcmp(p, word, n) &&
	       p[n + OID_HEX_LEN] == '\n' && oid_parse(p + n, OID_HEX_LEN, ret);
}

static const char *number(const char *p, const char *end, int64_t *ret)
{
	int64_t v = 0;

	for (; p < end && *p >= '0' && *p <= '9'; p++)
		v = v > INT64_MAX / 20 ? v : v * 10 + (*p - '0');
	*ret = v;
	return p;
}

/* "<time> <+hhmm>" after the last '>' of the line. */
static void parse_when(const char *line, const char *end, struct commit_raw *ret)
{
	const char *p = memrchr(line, '>', (size_t)(end - line));
	bool negative;
	int64_t v;

	if (!p)
		return;
	for (p++; p < end && *p == ' ';)
		p++;
	negative = p < end && *p == '-';
	p = number(p + negative, end, &v);
	ret->time = negative ? -v : v;
	while (p < end && *p == ' ')
		p++;
	if (p == end || (*p != '+' && *p != '-'))
		return;
	negative = *p == '-';
	(void)number(p + 1, end, &v);
	v = v / 100 > 99 ? TZ_MOST : v / 100 * 60 + v % 100;
	ret->tz = (int16_t)(negative ? -v : v);
}

static void parse_title(const char *p, const char *end, struct commit_raw *ret)
{
	const char *nl;

	while (p < end && (*p == '\n' || *p == ' ' || *p == '\t' || *p == '\r'))
		p++;
	nl = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;
	ret->title = p;
	ret->title_len = (size_t)((nl ? nl : end) - p);
}

int commit_raw_parse(const void *data, size_t len, struct commit_raw *ret)
{
	static const char committer[] = "committer ";
	const char *p = data, *end = p + len;
	struct commit_raw c = {0};
	struct oid parent;

	if (!oid_line(p, end, "tree ", &c.tree))
		return -EINVAL;
	p += TREE_LINE;
	c.parents = p;
	for (; oid_line(p, end, "parent ", &parent); p += PARENT_LINE)
		c.n_parents++;
	while (p < end && *p != '\n') {
		const char *nl = memchr(p, '\n', (size_t)(end - p));

		if (!nl)
			nl = end;
		if ((size_t)(nl - p) > sizeof(committer) - 1 &&
		    !memcmp(p, committer, sizeof(committer) - 1))
			parse_when(p, nl, &c);
		p = nl < end ? nl + 1 : end;
	}
	parse_title(p, end, &c);
	*ret = c;
	return 0;
}

struct oid commit_raw_parent(const struct commit_raw *c, size_t i)
{
	struct oid ret = {0};

	(void)oid_parse(c->parents + i * PARENT_LINE + 7, OID_HEX_LEN, &ret);
	return ret;
}

void commit_raw_slug(const struct commit_raw *c, char *ret, size_t size)
{
	size_t n = 0;
	bool gap = false;

	for (size_t i = 0; i < c->title_len && n + 1 + (gap && n) < size; i++) {
		char ch = c->title[i];

		if (ch >= 'A' && ch <= 'Z')
			ch = (char)(ch - 'A' + 'a');
		if (!((ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9'))) {
			gap = true;
			continue;
		}
		if (gap && n)
			ret[n++] = '-';
		gap = false;
		ret[n++] = ch;
	}
	ret[n] = '\0';
}
