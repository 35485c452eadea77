/* Matching in one pass with two places to return to.
 *
 * A failure goes back to the last star, which takes one byte more; when that byte is a slash or the text has ended, to the
 * last double star, which takes one component more. Nothing earlier can help: what stood before it
 * has matched as early as it could, and leaves the most to the rest.
 */
#include "base/gitignore_glob.h"

#include <string.h>

size_t glob_literal(const char *pattern)
{
	return strcspn(pattern, "*?[\\");
}

enum class_bits {
	CLASS_ALPHA = 1 << 0,
	CLASS_DIGIT = 1 << 1,
	CLASS_UPPER = 1 << 2,
	CLASS_LOWER = 1 << 3,
	CLASS_SPACE = 1 << 4,
	CLASS_BLANK = 1 << 5,
	CLASS_CNTRL = 1 << 6,
	CLASS_PUNCT = 1 << 7,
	CLASS_XDIGIT = 1 << 8,
	CLASS_GRAPH = 1 << 9,
	CLASS_PRINT = 1 << 10,
};

static unsigned classes_of(unsigned char c)
{
	unsigned ret = 0;

	if (c >= 0x80)
		return 0;
	if (c < 0x20 || c == 0x7f)
		return CLASS_CNTRL | (c == '\t' ? CLASS_BLANK : 0) |
		       (c == '\t' || c == '\n' || c == '\r' ? CLASS_SPACE : 0);
	if (c == ' ')
		return CLASS_SPACE | CLASS_BLANK | CLASS_PRINT;
	ret = CLASS_GRAPH | CLASS_PRINT;
	if (c >= '0' && c <= '9')
		return ret | CLASS_DIGIT | CLASS_XDIGIT;
	if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))
		ret |= CLASS_XDIGIT;
	if (c >= 'a' && c <= 'z')
		return ret | CLASS_ALPHA | CLASS_LOWER;
	if (c >= 'A' && c <= 'Z')
		return ret | CLASS_ALPHA | CLASS_UPPER;
	return ret | CLASS_PUNCT;
}

/* 0 for a name that is none. */
static unsigned class_named(const char *name, size_t len)
{
	static const struct {
		const char *name;
		unsigned bits;
	} all[] = {
		{"alnum", CLASS_ALPHA | CLASS_DIGIT},
		{"alpha", CLASS_ALPHA},
		{"blank", CLASS_BLANK},
		{"cntrl", CLASS_CNTRL},
		{"digit", CLASS_DIGIT},
		{"graph", CLASS_GRAPH},
		{"lower", CLASS_LOWER},
		{"print", CLASS_PRINT},
		{"punct", CLASS_PUNCT},
		{"space", CLASS_SPACE},
		{"upper", CLASS_UPPER},
		{"xdigit", CLASS_XDIGIT},
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		if (strlen(all[i].name) == len && !memcmp(all[i].name, name, len))
			return all[i].bits;
	}
	return 0;
}

/* `[:name:]` at `p`: whether `c` is of it. Returns its last byte, NULL when the class is malformed, `p` when there is
 * no class and the bracket is one of the set. */
static const char *match_class(const char *p, unsigned char c, bool *hit)
{
	const char *name = p + 2, *end = strchr(name, ']');
	unsigned bits;

	if (!end)
		return NULL;
	if (end == name || end[-1] != ':')
		return p;
	bits = class_named(name, (size_t)(end - 1 - name));
	if (!bits)
		return NULL;
	*hit = *hit || classes_of(c) & bits;
	return end;
}

/* The end of a range, `p` standing on its hyphen. */
static const char *match_range(const char *p, unsigned char from, unsigned char c, bool *hit)
{
	p++;
	if (*p == '\\' && !*++p)
		return NULL;
	*hit = *hit || (c >= from && c <= (unsigned char)*p);
	return p;
}

/* A set at `p`, which stands behind its bracket. Returns what follows it, NULL when it has no end. */
static const char *match_set(const char *p, unsigned char c, bool *hit)
{
	bool negated = *p == '!' || *p == '^', any = false;
	unsigned char before = 0; /* what a hyphen would start from */
	const char *first;

	p += negated;
	for (first = p; *p && (*p != ']' || p == first); p++) {
		const char *at = p;

		if (*p == '-' && before && p[1] && p[1] != ']') {
			p = match_range(p, before, c, &any);
			before = 0;
		} else if (*p == '[' && p[1] == ':' && (p = match_class(p, c, &any)) != at) {
			before = 0;
		} else {
			if (*p == '\\')
				p++;
			any = any || c == (unsigned char)*p;
			before = (unsigned char)*p;
			if (!*p)
				return NULL;
		}
		if (!p)
			return NULL;
	}
	*hit = any != negated && c != '/';
	return *p ? p + 1 : NULL;
}

/* One byte of text against one element; what follows the element, or NULL. */
static const char *match_one(const char *p, unsigned char c)
{
	bool hit = false;

	switch (*p) {
	case '?':
		return c != '/' ? p + 1 : NULL;
	case '[':
		p = match_set(p + 1, c, &hit);
		return hit ? p : NULL;
	case '\\':
		p++;
		return *p && (unsigned char)*p == c ? p + 1 : NULL;
	default:
		return (unsigned char)*p == c ? p + 1 : NULL;
	}
}

bool glob_match(const char *pattern, const char *text)
{
	const char *p = pattern, *t = text;
	const char *star = NULL, *star_t = NULL; /* behind the last star, and what it took */
	const char *many = NULL, *many_t = NULL; /* the same of a double star */
	const char *next;

	for (;;) {
		if (*p == '*') {
			const char *run = p;
			bool whole;

			p += strspn(p, "*");
			whole = p - run > 1 && (run == pattern || run[-1] == '/');
			if (whole && !*p)
				return true;
			if (whole && (*p == '/' || (*p == '\\' && p[1] == '/'))) {
				many = p;
				many_t = t;
				star = NULL;
				/* It may stand for nothing, and its slash with it. */
				p += *p == '/';
				if (p == many)
					goto back;
				continue;
			}
			star = p;
			star_t = t;
			continue;
		}
		if (!*p && !*t)
			return true;
		next = *p && *t ? match_one(p, (unsigned char)*t) : NULL;
		if (next) {
			p = next;
			t++;
			continue;
		}
		if (star && *star_t && *star_t != '/') {
			t = ++star_t;
			p = star;
			continue;
		}
	back:
		if (!many || !(many_t = strchr(many_t, '/')))
			return false;
		/* Up to the next slash, which the pattern's own then takes. */
		t = ++many_t;
		p = many + 1 + (*many == '\\');
		star = NULL;
	}
}
