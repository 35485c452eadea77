/* Reading commits: our own parser of raw ones, because history is full of broken ones.
 *
 * libgit2 refuses a commit whose author line is damaged; then its tree could not be shown
 * either. Only two things are needed to serve a fragment, that the object is a commit and that it
 * starts with a tree, and nothing else is required here: a missing author is an empty one, a date
 * out of range is clamped, an unknown encoding leaves the bytes as they are. Any number of parents is taken.
 *
 * The parser works on bytes in memory and allocates no more than they are long, times four for a
 * message that changes its encoding.
 */
#include "store/commit.h"

#include <errno.h>
#include <iconv.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "store/object.h"
#include "store/project.h"

enum {
	COMMIT_BYTES_MAX = 64 << 20,
	CHARSET_MAX = 40,
	TZ_DIGITS_MAX = 4,
};

DEFINE_CLEANUP(struct commit *, commit_free)

/* A borrowed run of bytes. */
struct span {
	const char *s;
	size_t len;
};

void commit_free(struct commit *c)
{
	if (!c)
		return;
	free(c->parents);
	free(c->author.name);
	free(c->author.email);
	free(c->committer.name);
	free(c->committer.email);
	free(c->message);
	free(c->title);
	free(c);
}

/* Takes the next header line, with its continuation lines, off `rest`; false at the blank line or the
 * end. `key` is empty for a line without a space. */
static bool take_header(struct span *rest, struct span *key, struct span *value)
{
	const char *end = rest->s + rest->len, *nl = rest->s, *space;

	if (!rest->len)
		return false;
	if (*rest->s == '\n') {
		rest->s++;
		rest->len--;
		return false;
	}
	do {
		nl = memchr(nl, '\n', (size_t)(end - nl));
		nl = nl ? nl + 1 : end;
	} while (nl < end && *nl == ' ');
	space = memchr(rest->s, ' ', (size_t)(nl - rest->s));
	*key = (struct span){rest->s, space ? (size_t)(space - rest->s) : 0};
	value->s = space ? space + 1 : rest->s;
	value->len = (size_t)(nl - value->s);
	if (value->len && value->s[value->len - 1] == '\n')
		value->len--;
	*rest = (struct span){nl, (size_t)(end - nl)};
	return true;
}

static bool is(const struct span *s, const char *word)
{
	return s->len == strlen(word) && !memcmp(s->s, word, s->len);
}

static struct span trimmed(const char *from, const char *to)
{
	while (from < to && (unsigned char)*from <= ' ')
		from++;
	while (from < to && (unsigned char)to[-1] <= ' ')
		to--;
	return (struct span){from, (size_t)(to - from)};
}

/* Digits as a number that stops at the ends of its range. */
static const char *take_number(const char *p, const char *end, int64_t *ret)
{
	bool minus = p < end && *p == '-';
	int64_t v = 0;

	for (p += minus; p < end && *p >= '0' && *p <= '9'; p++) {
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, *p - '0', &v))
			v = INT64_MAX;
	}
	*ret = minus ? -v : v;
	return p;
}

/* "+0130" as minutes; 0 for what is no time zone. */
static int16_t zone(const char *p, const char *end)
{
	int sign, digits = 0, v = 0;

	while (p < end && *p == ' ')
		p++;
	if (p == end || (*p != '+' && *p != '-'))
		return 0;
	sign = *p++ == '-' ? -1 : 1;
	for (; p < end && *p >= '0' && *p <= '9'; p++, digits++) {
		if (digits == TZ_DIGITS_MAX)
			return 0;
		v = v * 10 + (*p - '0');
	}
	return (int16_t)(sign * (v / 100 * 60 + v % 100));
}

/* "Name <email> 1700000000 +0100", or what is left of it. */
static void parse_who(const struct span *line, struct span *name, struct span *email,
		      struct commit_who *ret)
{
	const char *end = line->s + line->len, *close, *date;
	const char *open = memchr(line->s, '<', line->len);

	*name = trimmed(line->s, open ? open : end);
	*email = (struct span){"", 0};
	close = memrchr(line->s, '>', line->len);
	if (open) {
		const char *first = memchr(open, '>', (size_t)(end - open));

		*email = trimmed(open + 1, first ? first : end);
	}
	if (!close)
		return;
	date = close + 1;
	while (date < end && *date == ' ')
		date++;
	date = take_number(date, end, &ret->time);
	ret->tz = zone(date, end);
}

/* The converter for the name in an `encoding` header, or (iconv_t)-1. */
static iconv_t converter(const struct span *charset)
{
	char name[CHARSET_MAX + 1];

	if (!charset->len || charset->len > CHARSET_MAX)
		return (iconv_t)-1;
	for (size_t i = 0; i < charset->len; i++) {
		char c = charset->s[i];

		if (!strchr("-_.:+", c) && !(c >= '0' && c <= '9') &&
		    !((c | 0x20) >= 'a' && (c | 0x20) <= 'z'))
			return (iconv_t)-1;
		name[i] = c;
	}
	name[charset->len] = '\0';
	if (!strcasecmp(name, "utf-8") || !strcasecmp(name, "utf8"))
		return (iconv_t)-1;
	/* A spelling that git takes and the C library does not. */
	return iconv_open("UTF-8", strcasecmp(name, "latin-1") ? name : "ISO-8859-1");
}

/* A copy in UTF-8 where `cd` can make one, else as it is. */
static char *recoded(iconv_t cd, const struct span *s)
{
	CLEANUP(buf_deinit) struct buf b;
	char *in = (char *)(uintptr_t)s->s, *out;
	size_t in_left = s->len, room = s->len * 4 + 16, out_left = room;

	buf_init(&b, room);
	if (cd == (iconv_t)-1 || !s->len || buf_reserve(&b, room))
		return alloc_copy(s->s, s->len);
	out = b.data;
	(void)iconv(cd, NULL, NULL, NULL, NULL);
	if (iconv(cd, &in, &in_left, &out, &out_left) == (size_t)-1 ||
	    iconv(cd, NULL, NULL, &out, &out_left) == (size_t)-1)
		return alloc_copy(s->s, s->len);
	return alloc_copy(b.data, room - out_left);
}

static char *title_of(const char *message)
{
	const char *p = message + strspn(message, " \t\r\n"), *end = p;
	char *title, *to;

	/* A line of blanks ends the paragraph as an empty one does. */
	while (*end) {
		const char *nl = strchrnul(end, '\n');

		if (end != p && end + strspn(end, " \t\r") >= nl)
			break;
		end = *nl ? nl + 1 : nl;
	}
	title = to = alloc_copy(p, (size_t)(end - p));
	for (const char *s = p; s < end; s++) {
		bool blank = strchr(" \t\r\n", *s) != NULL;

		if (!blank)
			*to++ = *s;
		else if (to > title && to[-1] != ' ')
			*to++ = ' ';
	}
	if (to > title && to[-1] == ' ')
		to--;
	*to = '\0';
	return title;
}

/* What the header lines say, borrowed. */
struct headers {
	struct span author_name, author_email, committer_name, committer_email, charset;
	size_t cap_parents;
	bool author, committer;
};

static void take_line(struct commit *c, struct headers *h, const struct span *key,
		      const struct span *value)
{
	struct oid oid;

	if (is(key, "parent") && !h->author && oid_parse(value->s, value->len, &oid)) {
		alloc_grow(&c->parents, &h->cap_parents, c->n_parents + 1, sizeof(oid));
		c->parents[c->n_parents++] = oid;
	} else if (is(key, "author") && !h->author) {
		parse_who(value, &h->author_name, &h->author_email, &c->author);
		h->author = true;
	} else if (is(key, "committer") && !h->committer) {
		parse_who(value, &h->committer_name, &h->committer_email, &c->committer);
		h->committer = true;
	} else if (is(key, "encoding") && !h->charset.len) {
		h->charset = *value;
	}
}

int commit_parse(const void *data, size_t len, struct commit **ret)
{
	CLEANUP(commit_freep) struct commit *c = alloc_zero(sizeof(*c));
	struct span rest = {data, len}, key, value;
	struct headers h = {.cap_parents = 0};
	const char *nul;
	iconv_t cd;

	if (!take_header(&rest, &key, &value) || !is(&key, "tree") ||
	    !oid_parse(value.s, value.len, &c->tree))
		return COMMIT_BAD;
	while (take_header(&rest, &key, &value))
		take_line(c, &h, &key, &value);
	nul = memchr(rest.s, '\0', rest.len);
	if (nul)
		rest.len = (size_t)(nul - rest.s);
	cd = converter(&h.charset);
	c->author.name = recoded(cd, &h.author_name);
	c->author.email = recoded(cd, &h.author_email);
	c->committer.name = recoded(cd, &h.committer_name);
	c->committer.email = recoded(cd, &h.committer_email);
	c->message = recoded(cd, &rest);
	if (cd != (iconv_t)-1)
		(void)iconv_close(cd);
	c->title = title_of(c->message);
	*ret = TAKE(c);
	return 0;
}

int commit_read(struct project *p, const struct oid *id, struct commit **ret)
{
	CLEANUP(git_odb_object_freep) git_odb_object *obj = NULL;
	char hex[OID_HEX_LEN + 1];
	git_object_t type;
	size_t size;
	int r = object_header(p, id, &type, &size);

	oid_hex(id, hex);
	if (r)
		return r < 0 ? r : COMMIT_MISSING;
	if (type != GIT_OBJECT_COMMIT)
		return fail(-EIO, "read '%s' of project '%s' as a commit, which it is not", hex,
			    project_name(p));
	if (size > COMMIT_BYTES_MAX)
		return fail(-E2BIG, "read commit '%s' of %zu bytes", hex, size);
	r = object_read(p, id, &obj);
	if (r)
		return r < 0 ? r : COMMIT_MISSING;
	r = commit_parse(git_odb_object_data(obj), git_odb_object_size(obj), ret);
	if (r)
		return fail(-EIO, "read commit '%s' of project '%s': it does not name a tree",
			    hex, project_name(p));
	(*ret)->id = *id;
	return 0;
}
