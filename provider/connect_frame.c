/* provider/connect_frame.c - see the header for the bytes.
 *
 * The length is judged as soon as its five bytes are there, so a lying one costs nothing. What was
 * returned is dropped at the next feed, which keeps frames in place while the caller looks at them.
 */
#include "provider/connect_frame.h"

#include <errno.h>
#include <string.h>

enum { FLAG_END = 2, FEED_MAX = 4 << 20 };

void connect_reader_init(struct connect_reader *r)
{
	memset(r, 0, sizeof(*r));
	buf_init(&r->in, CONNECT_HEAD + CONNECT_FRAME_MAX + FEED_MAX);
}

void connect_reader_deinit(struct connect_reader *r)
{
	buf_deinit(&r->in);
}

int connect_reader_feed(struct connect_reader *r, const void *data, size_t len)
{
	if (r->at) {
		memmove(r->in.data, r->in.data + r->at, r->in.len - r->at);
		r->in.len -= r->at;
		r->at = 0;
	}
	return buf_add(&r->in, data, len);
}

int connect_reader_next(struct connect_reader *r, struct connect_frame *ret)
{
	const unsigned char *p = (const unsigned char *)r->in.data + r->at;
	size_t left = r->in.len - r->at, len;

	if (r->ended)
		return left ? CONNECT_BAD : CONNECT_MORE;
	if (left && (p[0] & ~(unsigned)FLAG_END))
		return CONNECT_BAD;
	if (left < CONNECT_HEAD)
		return CONNECT_MORE;
	len = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
	if (len > CONNECT_FRAME_MAX)
		return CONNECT_BAD;
	if (left - CONNECT_HEAD < len)
		return CONNECT_MORE;
	ret->data = (const char *)p + CONNECT_HEAD;
	ret->len = len;
	ret->end = r->ended = p[0] & FLAG_END;
	r->at += CONNECT_HEAD + len;
	return 0;
}

int connect_frame_put(struct buf *b, const void *data, size_t len, bool end)
{
	unsigned char head[CONNECT_HEAD] = {end ? FLAG_END : 0, (unsigned char)(len >> 24),
					    (unsigned char)(len >> 16),
					    (unsigned char)(len >> 8), (unsigned char)len};
	int r = len > CONNECT_FRAME_MAX ? -E2BIG : buf_add(b, head, sizeof(head));

	return r ? r : buf_add(b, data, len);
}
