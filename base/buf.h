/* base/buf.h - bytes that grow up to a ceiling.
 *
 * Everything whose size is decided by input is held in a buf. Reaching the ceiling is
 * -E2BIG, running out of memory -ENOMEM; the buf then keeps what it had. `data` is always
 * followed by a NUL that `len` does not count (a fresh buf points at a constant "").
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct buf {
	char *data;
	size_t len, cap, limit;
};

/* `limit` is the most bytes it may ever hold; there is no default. */
void buf_init(struct buf *b, size_t limit);
void buf_deinit(struct buf *b);

/* Empties it and keeps the memory. */
void buf_clear(struct buf *b);

/* Makes room for `n` more bytes. 0, -E2BIG or -ENOMEM; silent, the caller says what for. */
int buf_reserve(struct buf *b, size_t n);

int buf_add(struct buf *b, const void *data, size_t len);
int buf_str(struct buf *b, const char *s);
int buf_fmt(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Little-endian integers, for formats on disk and on the wire. */
int buf_u8(struct buf *b, uint8_t v);
int buf_u16(struct buf *b, uint16_t v);
int buf_u32(struct buf *b, uint32_t v);
int buf_u64(struct buf *b, uint64_t v);

/* Hands the bytes over as a malloc'ed, NUL-terminated string; the buf is empty after. */
char *buf_take(struct buf *b);

/* A cursor over foreign bytes. Reads past the end set `bad` and yield zeros, so a decoder
 * may read a whole record and check once. */
struct reader {
	const unsigned char *p, *end;
	int bad;
};

void reader_init(struct reader *r, const void *data, size_t len);
uint8_t reader_u8(struct reader *r);
uint16_t reader_u16(struct reader *r);
uint32_t reader_u32(struct reader *r);
uint64_t reader_u64(struct reader *r);
/* Borrows `len` bytes; NULL and bad when there are fewer. */
const void *reader_bytes(struct reader *r, size_t len);
size_t reader_left(const struct reader *r);
