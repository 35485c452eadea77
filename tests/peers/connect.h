/* tests/peers/connect.h - the Connect protocol as envd speaks it: frames, error codes, base64.
 *
 * A frame is u8 flags, u32 length (big-endian), and that many bytes of JSON. A stream ends with one frame of
 * CONNECT_LAST, whose JSON is {} or {"error":…}.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct request;

enum {
	CONNECT_COMPRESSED = 1,
	CONNECT_LAST = 2,
	CONNECT_HEADER = 5,
	CONNECT_FRAME_MAX = 4 << 20
};

enum connect_outcome {
	CONNECT_SHORT = 1, /* the bytes end before the frame does */
	CONNECT_BAD,       /* compressed, larger than CONNECT_FRAME_MAX, or of unknown flags */
};

struct connect_frame {
	unsigned flags;
	const char *data;
	size_t len;
};

/* The frame at the start of `in`; `ret` borrows, `used` is its length. 0 or an outcome. */
int connect_decode(const void *in, size_t len, struct connect_frame *ret, size_t *used);
int connect_encode(struct buf *out, unsigned flags, const void *data, size_t len);

/* The one frame that a request of a server stream has. On anything else the words of the refusal, else NULL. */
const char *connect_single(const void *in, size_t len, struct connect_frame *ret);

/* Standard base64 with padding; decoding takes the URL alphabet and missing padding too. -EINVAL (silent). */
int base64_encode(struct buf *out, const void *data, size_t len);
int base64_decode(struct buf *out, const char *text, size_t len);

/* A refusal of a unary call: `code` is Connect's word for it. */
void connect_error(struct request *r, const char *code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The document of a last frame: {} when `code` is NULL. */
void connect_last(struct buf *out, const char *code, const char *message);
