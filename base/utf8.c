/* UTF-8 checks and a form of foreign text that is safe on a terminal and in a log.
 *
 * Names in a repository are bytes chosen by strangers: they may hold escape sequences,
 * newlines or right-to-left marks that make a line read as another. Whatever is shown
 * to a person goes through utf8_printable(); what is stored or served is never changed.
 */
#include "base/utf8.h"

#include <stdint.h>
#include <string.h>

#include "base/buf.h"

size_t utf8_step(const char *s, size_t len)
{
	const unsigned char *p = (const unsigned char *)s;
	uint32_t c;
	size_t n;

	if (!len)
		return 0;
	if (p[0] < 0x80)
		return 1;
	n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	if (p[0] < 0xc2 || p[0] > 0xf4 || len < n)
		return 0;
	c = p[0] & (0x7fU >> n);
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3fU);
	}
	if ((n == 3 && c < 0x800) || (n == 4 && (c < 0x10000 || c > 0x10ffff)) ||
	    (c >= 0xd800 && c <= 0xdfff))
		return 0;
	return n;
}

/* How many of the next bytes are plain ASCII, eight at a time: most text is. */
static size_t ascii_run(const char *s, size_t len)
{
	size_t n = 0;
	uint64_t eight;

	for (; n + sizeof(eight) <= len; n += sizeof(eight)) {
		memcpy(&eight, s + n, sizeof(eight));
		if (eight & 0x8080808080808080ULL)
			break;
	}
	return n;
}

bool utf8_valid(const char *s, size_t len)
{
	for (size_t i = 0, n; i < len; i += n) {
		n = ascii_run(s + i, len - i);
		if (!n)
			n = utf8_step(s + i, len - i);
		if (!n)
			return false;
	}
	return true;
}

static bool is_showable(const unsigned char *p, size_t n)
{
	if (n == 1)
		return p[0] >= 0x20 && p[0] != 0x7f;
	if (n == 2)
		return !(p[0] == 0xc2 && p[1] < 0xa0) && /* C1 controls */
		       !(p[0] == 0xd8 && p[1] == 0x9c);  /* Arabic letter mark */
	if (n == 3 && p[0] == 0xe2 && p[1] == 0x80)
		return !(p[2] >= 0x8b && p[2] <= 0x8f) && !(p[2] >= 0xa8 && p[2] <= 0xae);
	if (n == 3 && p[0] == 0xe2 && p[1] == 0x81)
		return !(p[2] >= 0xa6 && p[2] <= 0xaf);
	return true;
}

int utf8_printable(struct buf *b, const char *s, size_t len)
{
	int r = 0;

	for (size_t i = 0, n; i < len && !r; i += n) {
		const unsigned char *p = (const unsigned char *)s + i;
		bool good;

		n = utf8_step(s + i, len - i);
		good = n && is_showable(p, n);
		if (!n)
			n = 1;
		if (good)
			r = buf_add(b, s + i, n);
		for (size_t k = 0; !good && k < n && !r; k++)
			r = buf_fmt(b, "\\x%02x", p[k]);
	}
	return r;
}
