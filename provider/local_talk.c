/* provider/local_talk.c - one session with the agent, for a call that needs no more.
 *
 * A talk sends HELLO and its request at once, gives more bytes when the socket has room, and hands every reply to its
 * kind. What the agent says comes from inside the sandbox and is taken for what it is: the codec bounds
 * each frame, a fetch is bounded by its buffer's ceiling, and a frame of another id or out of place ends the talk.
 */
#include "provider/local_talk.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"

enum { OUT_LIMIT = WIRE_FRAME_MAX + 4096, FEED_HIGH = 1 << 20 };

static void talk_deinit(struct local_op *op)
{
	struct talk *t = (struct talk *)(void *)op;

	close_p(&t->sock);
	wire_stream_deinit(&t->in);
	buf_deinit(&t->out);
	buf_deinit(&t->unheard);
}

/* The agent's refusal as an outcome of the provider's. */
static void hear_error(struct talk *t, const struct wire_frame *f)
{
	int result = f->code == WIRE_E_BUSY ? PROVIDER_BUSY
		     : f->code == WIRE_E_IO ? -EIO
					    : PROVIDER_REFUSED;

	if (result == PROVIDER_BUSY)
		t->op.c->retry_ms = 200;
	local_op_finish(&t->op, result, "%.*s", (int)f->message.len, f->message.p);
}

void talk_odd(struct talk *t, const struct wire_frame *f)
{
	local_op_finish(&t->op, -EPROTO, "the agent sent %s out of place",
			wire_type_name(f->type));
}

static int add_frame(struct talk *t, const void *data, size_t len)
{
	t->ended = !len;
	return wire_encode(&t->out, &(struct wire_frame){.type = t->more,
							 .id = TALK_ID,
							 .data = wire_data(data, len)});
}

/* The next piece from the caller; a fault of its ends the call. */
static int pull_more(struct talk *t)
{
	char *chunk = alloc_zero(TALK_CHUNK);
	ssize_t n = t->pull(t->op.c, chunk, TALK_CHUNK);
	int r = 0;

	if (n == -EAGAIN)
		t->held = true;
	else if (n < 0)
		local_op_finish(&t->op, (int)n, NULL);
	else
		r = add_frame(t, chunk, (size_t)n < TALK_CHUNK ? (size_t)n : TALK_CHUNK);
	free(chunk);
	return r;
}

/* Puts the next piece of data behind what waits to be sent. */
static int add_more(struct talk *t)
{
	size_t n = t->len < TALK_CHUNK ? t->len : TALK_CHUNK;
	const char *data = t->data;

	if (!n && t->pull)
		return pull_more(t);
	t->data += n;
	t->len -= n;
	return add_frame(t, data, n);
}

bool talk_has_more(const struct talk *t)
{
	return t->out.len || (!t->ended && (t->len || !t->held));
}

bool talk_say(struct talk *t)
{
	while (talk_has_more(t)) {
		ssize_t n;

		if (!t->out.len && add_more(t))
			return false;
		if (t->op.finished || !t->out.len)
			return true;
		n = send(t->sock, t->out.data, t->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR || errno == EPIPE;
		t->out.len -= (size_t)n;
		memmove(t->out.data, t->out.data + n, t->out.len);
		if (t->out.len)
			return true;
	}
	return true;
}

static void take_frames(struct talk *t)
{
	struct wire_frame f;
	int r = 0;

	while (!t->op.finished && !t->deaf && !(r = wire_stream_next(&t->in, &f))) {
		if (f.type == WIRE_WELCOME)
			continue;
		if (f.type == WIRE_ERROR)
			hear_error(t, &f);
		else
			t->hear(t, &f);
	}
	if (r == WIRE_BAD)
		local_op_finish(&t->op, -EPROTO, "the agent sent bytes that are no frame");
}

/* Everything that is there; false at the end of the stream. */
static bool listen_to(struct talk *t)
{
	take_frames(t);
	while (!t->op.finished && !t->deaf) {
		size_t room;
		void *p = wire_stream_room(&t->in, &room);
		ssize_t n = p ? recv(t->sock, p, room, MSG_DONTWAIT) : 0;

		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		if (!n)
			return false;
		wire_stream_filled(&t->in, (size_t)n);
		take_frames(t);
	}
	return true;
}

static void step_talk(struct local_op *op)
{
	struct talk *t = (struct talk *)(void *)op;
	bool open;

	op->fd = t->sock;
	if (!t->deaf && t->again)
		t->again(t);
	if (op->finished)
		return;
	open = listen_to(t);
	if (!op->finished && (!open || !talk_say(t)))
		local_op_finish(op, PROVIDER_ASLEEP, "the sandbox ended meanwhile");
	op->events = (short)((t->deaf ? 0 : POLLIN) | (talk_has_more(t) ? POLLOUT : 0));
	if (op->finished || !t->wants || t->out.len >= FEED_HIGH)
		return;
	t->wants = false;
	if (t->exec->on_room)
		t->exec->on_room(op->c);
}

void talk_wake(struct talk *t)
{
	t->deaf = false;
	t->op.fd = -1;
}

struct talk *talk_new(struct local *p, const char *id, struct provider_call *c,
		      int64_t default_ms)
{
	struct talk *t = local_op_new(p, c, sizeof(*t), default_ms);

	t->op.is_talk = true;
	t->op.deinit = talk_deinit;
	t->op.step = step_talk;
	t->op.events = POLLIN | POLLOUT;
	t->ended = true;
	wire_stream_init(&t->in);
	buf_init(&t->out, OUT_LIMIT);
	buf_init(&t->unheard, WIRE_DATA_MAX);
	t->sock = local_connect(p->dir_fd, id);
	if (t->sock < 0) {
		c->untouched = true;
		local_op_finish(&t->op, local_connect_failed(c, t->sock), NULL);
		return NULL;
	}
	t->op.fd = t->sock;
	(void)wire_encode(&t->out, &(struct wire_frame){.type = WIRE_HELLO,
							.id = TALK_ID,
							.version = WIRE_VERSION});
	return t;
}
