/* provider/connect_frame.h - messages of a Connect-RPC stream, cut out of bytes.
 *
 *	byte 0      flags: 1 = compressed, 2 = the end of the stream
 *	bytes 1..4  length of the payload, big-endian
 *	bytes 5..   payload, JSON
 *
 * A stream is whole when its end frame came; without it the connection broke. We never offer
 * compression, so a compressed frame is refused. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum { CONNECT_HEAD = 5, CONNECT_FRAME_MAX = 4 << 20 };

enum connect_outcome {
	CONNECT_MORE = 1, /* feed it more bytes first */
	CONNECT_BAD, /* no Connect stream: flags, a length over CONNECT_FRAME_MAX, bytes after the end */
};

struct connect_reader {
	struct buf in;
	size_t at;  /* where the next frame starts */
	bool ended; /* the end frame was returned */
};

struct connect_frame {
	const char *data; /* inside the reader, until it is fed again */
	size_t len;
	bool end;
};

void connect_reader_init(struct connect_reader *r);
void connect_reader_deinit(struct connect_reader *r);

/* Adds bytes as they came, in pieces of any size. 0, -E2BIG or -ENOMEM (silent). */
int connect_reader_feed(struct connect_reader *r, const void *data, size_t len);

/* The next whole frame. 0, CONNECT_MORE or CONNECT_BAD. */
int connect_reader_next(struct connect_reader *r, struct connect_frame *ret);

/* Appends a frame of ours. 0 or as buf_add(). */
int connect_frame_put(struct buf *b, const void *data, size_t len, bool end);
