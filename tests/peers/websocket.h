/* tests/peers/websocket.h - the server's end of a WebSocket (RFC 6455).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "tests/peers/request.h"

enum ws_opcode { WS_MORE, WS_TEXT, WS_BINARY, WS_CLOSE = 8, WS_PING, WS_PONG };
enum { WS_FRAME_MAX = 4 << 20 };
enum ws_outcome {
	WS_SHORT = 1, /* the bytes end before the frame does */
	WS_BAD, /* no client's frame: not masked, reserved bits, a control frame too long … */
};

struct ws_frame {
	enum ws_opcode opcode;
	bool last;
	char *data;
	size_t len;
};

/* The frame at the start of `in`, which is unmasked in place. 0 or an outcome. */
int ws_decode(void *in, size_t len, struct ws_frame *ret, size_t *used);
int ws_encode(struct buf *out, enum ws_opcode opcode, const void *data, size_t len);

struct websocket {
	int fd;
	struct buf in;
	size_t used; /* of the frame given out last */
};

/* Answers the handshake, with `protocol` (may be NULL); `talk` then has the socket. False: no handshake, nothing replied. */
typedef void (*ws_talk_fn)(void *arg, struct websocket *ws);
bool ws_accept(struct request *r, const char *protocol, ws_talk_fn talk, void *arg);

/* Waits until all is sent. 0 or -EPIPE. */
int ws_send(struct websocket *ws, enum ws_opcode opcode, const void *data, size_t len);
void ws_close(struct websocket *ws, unsigned code, const char *reason);
/* The next frame that is there, pings answered: 0, WS_SHORT when there is none yet, -EPIPE when the client left. */
int ws_next(struct websocket *ws, struct ws_frame *ret);
