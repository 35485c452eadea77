/* Bounded byte buffers and the cursor that reads them back.
 *
 * The ceiling is given at init because a buffer without one is a way for input to take
 * the machine's memory. Growth is by half, never past the ceiling. Integers are
 * little-endian whatever the machine is.
 */
#include "base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

static char nothing[1];

void buf_init(struct buf *b, size_t limit)
{
	*b = (struct buf){.data = nothing, .limit = limit};
}

void buf_deinit(struct buf *b)
{
	if (b->data != nothing)
		free(b->data);
	*b = (struct buf){.data = nothing};
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	if (b->cap)
		b->data[0] = '\0';
}

int buf_reserve(struct buf *b, size_t n)
{
	size_t want = b->cap + b->cap / 2;
	char *p;

	if (n > b->limit || b->len > b->limit - n)
		return -E2BIG;
	n += b->len;
	if (n < b->cap)
		return 0;
	if (want < n)
		want = n;
	if (want > b->limit)
		want = b->limit;
	if (want < 64)
		want = 64;
	if (want == SIZE_MAX)
		return -ENOMEM;
	p = realloc(b->data == nothing ? NULL : b->data, want + 1);
	if (!p)
		return -ENOMEM;
	b->data = p;
	b->cap = want;
	b->data[b->len] = '\0';
	return 0;
}

int buf_add(struct buf *b, const void *data, size_t len)
{
	int r;

	if (!len)
		return 0;
	r = buf_reserve(b, len);
	if (r)
		return r;
	memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
	return 0;
}

int buf_str(struct buf *b, const char *s)
{
	return buf_add(b, s, strlen(s));
}

int buf_fmt(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int n, r;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n <= 0)
		return n < 0 ? -EINVAL : 0;
	r = buf_reserve(b, (size_t)n);
	if (r)
		return r;
	va_start(ap, fmt);
	(void)vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
	return 0;
}

static int add_le(struct buf *b, uint64_t v, size_t width)
{
	unsigned char le[8];

	for (size_t i = 0; i < width; i++)
		le[i] = (unsigned char)(v >> (8 * i));
	return buf_add(b, le, width);
}

int buf_u8(struct buf *b, uint8_t v)
{
	return add_le(b, v, 1);
}

int buf_u16(struct buf *b, uint16_t v)
{
	return add_le(b, v, 2);
}

int buf_u32(struct buf *b, uint32_t v)
{
	return add_le(b, v, 4);
}

int buf_u64(struct buf *b, uint64_t v)
{
	return add_le(b, v, 8);
}

char *buf_take(struct buf *b)
{
	char *p = b->data == nothing ? alloc_copy("", 0) : b->data;

	buf_init(b, b->limit);
	return p;
}

void reader_init(struct reader *r, const void *data, size_t len)
{
	r->p = data;
	r->end = r->p + len;
	r->bad = 0;
}

size_t reader_left(const struct reader *r)
{
	return (size_t)(r->end - r->p);
}

const void *reader_bytes(struct reader *r, size_t len)
{
	const void *p = r->p;

	if (r->bad || reader_left(r) < len) {
		r->bad = 1;
		return NULL;
	}
	r->p += len;
	return p;
}

static uint64_t get_le(struct reader *r, size_t width)
{
	const unsigned char *p = reader_bytes(r, width);
	uint64_t v = 0;

	for (size_t i = 0; p && i < width; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

uint8_t reader_u8(struct reader *r)
{
	return (uint8_t)get_le(r, 1);
}

uint16_t reader_u16(struct reader *r)
{
	return (uint16_t)get_le(r, 2);
}

uint32_t reader_u32(struct reader *r)
{
	return (uint32_t)get_le(r, 4);
}

uint64_t reader_u64(struct reader *r)
{
	return get_le(r, 8);
}
