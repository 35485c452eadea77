/* tests/peers/websocket.c - handshake, frames, and nothing else: no extensions, no fragments sent.
 */
#include "tests/peers/websocket.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/oid.h"
#include "base/sha1.h"
#include "tests/peers/connect.h"

enum { CONTROL_MAX = 125, PATIENCE_MS = 30000 };

int ws_decode(void *in, size_t len, struct ws_frame *ret, size_t *used)
{
	unsigned char *p = in, *mask;
	size_t head = 2, n;

	if (len < 2)
		return WS_SHORT;
	n = p[1] & 0x7f;
	if (p[0] & 0x70 || !(p[1] & 0x80))
		return WS_BAD;
	if (p[0] & 8 && (n > CONTROL_MAX || !(p[0] & 0x80)))
		return WS_BAD;
	if (n >= 126) {
		size_t bytes = n == 126 ? 2 : 8;

		head += bytes;
		if (len < head)
			return WS_SHORT;
		n = 0;
		for (size_t i = 2; i < head; i++) {
			if (n > WS_FRAME_MAX)
				return WS_BAD;
			n = n << 8 | p[i];
		}
	}
	if (n > WS_FRAME_MAX)
		return WS_BAD;
	if (len < head + 4 || len - head - 4 < n)
		return WS_SHORT;
	mask = p + head;
	head += 4;
	for (size_t i = 0; i < n; i++)
		p[head + i] ^= mask[i % 4];
	*ret = (struct ws_frame){
		.opcode = p[0] & 15, .last = p[0] & 0x80, .data = (char *)p + head, .len = n};
	*used = head + n;
	return 0;
}

int ws_encode(struct buf *out, enum ws_opcode opcode, const void *data, size_t len)
{
	unsigned char head[10] = {0x80 | (unsigned char)opcode, (unsigned char)len};
	size_t n = 2;
	int r;

	if (len > 65535) {
		head[1] = 127;
		for (n = 2; n < 10; n++)
			head[n] = (unsigned char)((uint64_t)len >> (8 * (9 - n)));
	} else if (len > CONTROL_MAX) {
		head[1] = 126;
		head[2] = (unsigned char)(len >> 8);
		head[3] = (unsigned char)len;
		n = 4;
	}
	r = buf_add(out, head, n);
	return r ? r : buf_add(out, data, len);
}

int ws_send(struct websocket *ws, enum ws_opcode opcode, const void *data, size_t len)
{
	struct buf out;
	int r = 0;

	buf_init(&out, len + 16);
	(void)ws_encode(&out, opcode, data, len);
	for (size_t at = 0; at < out.len && !r;) {
		struct pollfd fd = {.fd = ws->fd, .events = POLLOUT};
		ssize_t n =
			send(ws->fd, out.data + at, out.len - at, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n > 0)
			at += (size_t)n;
		else if (errno != EAGAIN || poll(&fd, 1, PATIENCE_MS) <= 0)
			r = -EPIPE;
	}
	buf_deinit(&out);
	return r;
}

void ws_close(struct websocket *ws, unsigned code, const char *reason)
{
	char text[CONTROL_MAX] = {(char)(code >> 8), (char)code};
	size_t len = strnlen(reason, CONTROL_MAX - 2);

	memcpy(text + 2, reason, len);
	if (ws_send(ws, WS_CLOSE, text, len + 2))
		return;
	/* The client's own close frame, or its leaving: then nothing of ours is lost. */
	(void)shutdown(ws->fd, SHUT_WR);
	for (;;) {
		struct pollfd fd = {.fd = ws->fd, .events = POLLIN};
		char rest[4096];

		if (poll(&fd, 1, 1000) <= 0 ||
		    recv(ws->fd, rest, sizeof(rest), MSG_DONTWAIT) <= 0)
			return;
	}
}

int ws_next(struct websocket *ws, struct ws_frame *ret)
{
	ws->in.len -= ws->used;
	memmove(ws->in.data, ws->in.data + ws->used, ws->in.len);
	ws->used = 0;
	for (;;) {
		char chunk[16 << 10];
		ssize_t n;
		int r = ws_decode(ws->in.data, ws->in.len, ret, &ws->used);

		if (r == WS_BAD || (!r && ret->opcode == WS_CLOSE))
			return -EPIPE;
		if (!r && ret->opcode == WS_PING) {
			(void)ws_send(ws, WS_PONG, ret->data, ret->len);
			return ws_next(ws, ret);
		}
		if (!r)
			return 0;
		n = recv(ws->fd, chunk, sizeof(chunk), MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return WS_SHORT;
		if (n <= 0 || buf_add(&ws->in, chunk, (size_t)n))
			return -EPIPE;
	}
}

struct talk {
	ws_talk_fn fn;
	void *arg;
};

static void talk_upgraded(void *arg, int fd, const void *first, size_t len)
{
	struct talk *t = arg;
	struct websocket ws = {.fd = fd};

	buf_init(&ws.in, WS_FRAME_MAX + (64 << 10));
	(void)buf_add(&ws.in, first, len);
	t->fn(t->arg, &ws);
	buf_deinit(&ws.in);
	free(t);
}

bool ws_accept(struct request *r, const char *protocol, ws_talk_fn talk, void *arg)
{
	static const char salt[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	const char *key = request_header(r, "Sec-WebSocket-Key"),
		   *upgrade = request_header(r, MHD_HTTP_HEADER_UPGRADE);
	struct buf accept;
	struct sha1 hash;
	struct oid digest;
	struct talk *t;

	if (!key || !upgrade || strcasecmp(upgrade, "websocket"))
		return false;
	sha1_init(&hash);
	sha1_add(&hash, key, strlen(key));
	sha1_add(&hash, salt, sizeof(salt) - 1);
	sha1_end(&hash, &digest);
	buf_init(&accept, 64);
	(void)base64_encode(&accept, &digest, 20);
	t = alloc_zero(sizeof(*t));
	*t = (struct talk){.fn = talk, .arg = arg};
	reply_upgrade(
		r,
		&(struct reply){.status = 101,
				.headers =
					(const char *const[]){
						"Upgrade", "websocket", "Sec-WebSocket-Accept",
						accept.data,
						protocol ? "Sec-WebSocket-Protocol" : NULL,
						protocol, NULL}},
		talk_upgraded, t);
	buf_deinit(&accept);
	return true;
}
