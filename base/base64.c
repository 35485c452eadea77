/* base/base64.c - three bytes become four letters, and back.
 *
 * Decoding is strict where laxness would let two texts stand for one value: bits that are left over must
 * be zero, padding may be missing but not wrong, and nothing else is skipped.
 */
#include "base/base64.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"

static const char letters[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int base64_put(struct buf *b, const void *data, size_t len)
{
	const unsigned char *p = data;
	char *out;
	int r = buf_reserve(b, (len + 2) / 3 * 4);

	if (r)
		return r;
	out = b->data + b->len;
	for (; len >= 3; len -= 3, p += 3) {
		*out++ = letters[p[0] >> 2];
		*out++ = letters[(p[0] & 3) << 4 | p[1] >> 4];
		*out++ = letters[(p[1] & 15) << 2 | p[2] >> 6];
		*out++ = letters[p[2] & 63];
	}
	if (len) {
		unsigned second = len == 2 ? p[1] : 0;

		*out++ = letters[p[0] >> 2];
		*out++ = letters[(p[0] & 3) << 4 | second >> 4];
		*out++ = len == 2 ? letters[(second & 15) << 2] : '=';
		*out++ = '=';
	}
	*out = '\0';
	b->len = (size_t)(out - b->data);
	return 0;
}

/* 0..63, or 64 for what is no letter of it. */
static unsigned value_of(unsigned char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26U;
	if (c >= '0' && c <= '9')
		return c - '0' + 52U;
	if (c == '+' || c == '-')
		return 62;
	return c == '/' || c == '_' ? 63 : 64;
}

static int get_letters(struct buf *b, const char *text, size_t len)
{
	unsigned held = 0, bits = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned v = value_of((unsigned char)text[i]);

		if (v == 64)
			return -EINVAL;
		held = held << 6 | v;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			b->data[b->len++] = (char)(held >> bits & 255);
		}
		held &= (1U << bits) - 1;
	}
	return held ? -EINVAL : 0;
}

int base64_get(struct buf *b, const char *text, size_t len)
{
	size_t was = b->len, n = len;
	int r;

	while (n && text[n - 1] == '=' && len - n < 2)
		n--;
	if (n % 4 == 1 || (n != len && len % 4))
		return -EINVAL;
	r = buf_reserve(b, n / 4 * 3 + 3);
	if (r)
		return r;
	r = get_letters(b, text, n);
	if (r)
		b->len = was;
	b->data[b->len] = '\0';
	return r;
}
