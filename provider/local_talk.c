/* provider/local_talk.c - exec, put and fetch: one session with the agent each.
 *
 * A talk sends HELLO and its request at once, gives more bytes when the socket has room, and hands every reply to its
 * kind. What the agent says comes from inside the sandbox and is taken for what it is: the codec bounds
 * each frame, a fetch is bounded by its buffer's ceiling, and a frame of another id or out of place ends the talk.
 */
#include "provider/local_private.h"

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

enum {
	TALK_ID = 1,
	OUT_LIMIT = WIRE_FRAME_MAX + 4096,
	CHUNK = 256 << 10,
	FEED_HIGH = 1 << 20, /* fed bytes that wait to be sent */
};

struct talk {
	struct local_op op;
	int sock;
	struct wire_stream in;
	struct buf out;
	/* what is still to be sent after the request */
	const char *data;
	size_t len;
	enum wire_type more; /* of the frames that carry it; an empty one ends */
	bool ended;
	bool held;  /* more data may be given later: the end is not said yet */
	bool wants; /* exec_feed said -EAGAIN */
	/* by kind */
	struct provider_exec *exec;
	struct buf *into;
	/* One reply; finishes the call when it was the last. */
	void (*hear)(struct talk *t, const struct wire_frame *f);
};

static void talk_deinit(struct local_op *op)
{
	struct talk *t = (struct talk *)(void *)op;

	close_p(&t->sock);
	wire_stream_deinit(&t->in);
	buf_deinit(&t->out);
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

static void odd(struct talk *t, const struct wire_frame *f)
{
	local_op_finish(&t->op, -EPROTO, "the agent sent %s out of place",
			wire_type_name(f->type));
}

/* Puts the next piece of data behind what waits to be sent. */
static int add_more(struct talk *t)
{
	size_t n = t->len < CHUNK ? t->len : CHUNK;
	int r = wire_encode(&t->out, &(struct wire_frame){.type = t->more,
							  .id = TALK_ID,
							  .data = wire_data(t->data, n)});

	t->data += n;
	t->len -= n;
	t->ended = !n;
	return r;
}

/* Is anything to be sent now? */
static bool has_more(const struct talk *t)
{
	return t->out.len || (!t->ended && (t->len || !t->held));
}

static bool say(struct talk *t)
{
	while (has_more(t)) {
		ssize_t n;

		if (!t->out.len && add_more(t))
			return false;
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

	while (!t->op.finished && !(r = wire_stream_next(&t->in, &f))) {
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
	while (!t->op.finished) {
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
	bool open = listen_to(t);

	if (!op->finished && (!open || !say(t)))
		local_op_finish(op, PROVIDER_ASLEEP, "the sandbox ended meanwhile");
	op->events = (short)(POLLIN | (has_more(t) ? POLLOUT : 0));
	if (op->finished || !t->wants || t->out.len >= FEED_HIGH)
		return;
	t->wants = false;
	if (t->exec->on_room)
		t->exec->on_room(op->c);
}

/* Connects and puts HELLO in front; the caller adds its request. NULL: the call is finished already. */
static struct talk *talk_new(struct local *p, const char *id, struct provider_call *c,
			     int64_t default_ms)
{
	struct talk *t = local_op_new(p, c, sizeof(*t), default_ms);

	t->op.deinit = talk_deinit;
	t->op.step = step_talk;
	t->op.events = POLLIN | POLLOUT;
	t->ended = true;
	wire_stream_init(&t->in);
	buf_init(&t->out, OUT_LIMIT);
	t->sock = local_connect(p->dir_fd, id);
	if (t->sock < 0) {
		local_op_finish(&t->op, local_connect_failed(c, t->sock), NULL);
		return NULL;
	}
	t->op.fd = t->sock;
	(void)wire_encode(&t->out, &(struct wire_frame){.type = WIRE_HELLO,
							.id = TALK_ID,
							.version = WIRE_VERSION});
	return t;
}

static void hear_exec(struct talk *t, const struct wire_frame *f)
{
	switch ((int)f->type) {
	case WIRE_STARTED:
		return;
	case WIRE_OUTPUT:
		if (t->exec->on_output)
			t->exec->on_output(t->op.c, f->fd == 2 ? 2 : 1, f->data.p, f->data.len);
		return;
	case WIRE_EXITED:
		t->exec->status = f->status;
		local_op_finish(&t->op, 0, NULL);
		return;
	default:
		odd(t, f);
	}
}

static int add_list(struct buf *bytes, const char *const *words, struct wire_list *ret)
{
	size_t n = 0;
	int r = 0;

	for (; words && words[n] && !r; n++)
		r = n < UINT16_MAX ? wire_list_add(bytes, words[n]) : -E2BIG;
	ret->n = (uint16_t)n;
	ret->p = bytes->data;
	ret->len = bytes->len;
	return r;
}

int local_exec(struct provider *p, const char *id, struct provider_exec *x,
	       struct provider_call *c)
{
	const char *const shell[] = {"/bin/sh", "-c", x->shell, NULL};
	struct wire_frame f = {.type = WIRE_EXEC, .id = TALK_ID};
	struct talk *t;
	struct buf argv, env;
	int r;

	/* Everything inside runs as one user, and ends with who started it. */
	if (x->user || x->background)
		return PROVIDER_UNSUPPORTED;
	x->ref[0] = '\0';
	t = talk_new(local_of(p), id, c, 0);
	if (!t)
		return 0;
	buf_init(&argv, WIRE_DATA_MAX);
	buf_init(&env, WIRE_DATA_MAX);
	f.cwd = wire_str(x->cwd ? x->cwd : "");
	r = add_list(&argv, x->argv ? x->argv : shell, &f.argv);
	if (!r)
		r = add_list(&env, x->env, &f.env);
	if (!r)
		r = wire_encode(&t->out, &f);
	buf_deinit(&argv);
	buf_deinit(&env);
	t->exec = x;
	t->hear = hear_exec;
	t->data = x->in;
	t->len = x->in ? x->in_len : 0;
	t->more = WIRE_STDIN;
	t->ended = false;
	t->held = x->fed;
	if (r)
		local_op_finish(&t->op, PROVIDER_REFUSED, "the command is too long");
	return 0;
}

/* The command `c` is, while it runs. */
static struct talk *running(struct provider_call *c)
{
	struct talk *t = c->impl;

	return t && !t->op.finished && t->exec ? t : NULL;
}

ssize_t local_exec_feed(struct provider *p, struct provider_call *c, const void *data,
			size_t len)
{
	struct talk *t = running(c);
	struct wire_frame f = {.type = WIRE_STDIN, .id = TALK_ID};

	if (!t || !t->held)
		return -EPIPE;
	/* What `in` held goes first. */
	if (t->len || t->out.len >= FEED_HIGH) {
		t->wants = true;
		return -EAGAIN;
	}
	len = len < CHUNK ? len : CHUNK;
	f.data = wire_data(data, len);
	if (!len)
		return 0;
	if (wire_encode(&t->out, &f))
		return -ENOMEM;
	(void)say(t);
	t->op.events |= has_more(t) ? POLLOUT : 0;
	return (ssize_t)len;
}

int local_exec_feed_end(struct provider *p, struct provider_call *c)
{
	struct talk *t = running(c);

	if (t) {
		t->held = false;
		t->op.events |= POLLOUT;
	}
	return 0;
}

int local_exec_signal(struct provider *p, struct provider_call *c, int signal)
{
	struct talk *t = running(c);
	struct wire_frame f = {.type = WIRE_SIGNAL, .id = TALK_ID, .signal = (uint8_t)signal};

	if (!t)
		return 0;
	t->op.events |= POLLOUT;
	return wire_encode(&t->out, &f);
}

static void hear_put(struct talk *t, const struct wire_frame *f)
{
	if (f->type == WIRE_OK)
		local_op_finish(&t->op, 0, NULL);
	else
		odd(t, f);
}

int local_put(struct provider *p, const char *id, const struct provider_file *file,
	      struct provider_call *c)
{
	struct wire_frame f = {
		.type = WIRE_PUT,
		.id = TALK_ID,
		.mode = file->mode,
		.path = wire_str(file->path),
	};
	struct talk *t = talk_new(local_of(p), id, c, LOCAL_CALL_MS);

	if (!t)
		return 0;
	t->hear = hear_put;
	t->data = file->data;
	t->len = file->len;
	t->more = WIRE_MORE;
	t->ended = false;
	if (wire_encode(&t->out, &f))
		local_op_finish(&t->op, PROVIDER_REFUSED, "'%.200s' is no path", file->path);
	return 0;
}

static void hear_fetch(struct talk *t, const struct wire_frame *f)
{
	if (f->type == WIRE_END)
		local_op_finish(&t->op, 0, NULL);
	else if (f->type != WIRE_BYTES)
		odd(t, f);
	else if (buf_add(t->into, f->data.p, f->data.len))
		local_op_finish(&t->op, PROVIDER_REFUSED, "the file is larger than %zu bytes",
				t->into->limit);
}

int local_fetch(struct provider *p, const char *id, const char *path, struct buf *ret,
		struct provider_call *c)
{
	struct wire_frame f = {.type = WIRE_FETCH, .id = TALK_ID, .path = wire_str(path)};
	struct talk *t = talk_new(local_of(p), id, c, LOCAL_CALL_MS);

	if (!t)
		return 0;
	t->hear = hear_fetch;
	t->into = ret;
	if (wire_encode(&t->out, &f))
		local_op_finish(&t->op, PROVIDER_REFUSED, "'%.200s' is no path", path);
	return 0;
}
