/* provider/local_exec.c - commands: one session with the agent each.
 *
 * What is fed waits here only while the socket is full, and no more than a megabyte of it: exec_feed() then says so and
 * on_room when to go on. A held command is not listened to, so its pipes fill and it waits.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "provider/local_talk.h"

enum { FEED_HIGH = 1 << 20 /* fed bytes that wait to be sent */ };

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
		talk_odd(t, f);
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
	len = len < TALK_CHUNK ? len : TALK_CHUNK;
	f.data = wire_data(data, len);
	if (!len)
		return 0;
	if (wire_encode(&t->out, &f))
		return -ENOMEM;
	(void)talk_say(t);
	t->op.events |= talk_has_more(t) ? POLLOUT : 0;
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

int local_exec_hold(struct provider *p, struct provider_call *c, bool hold)
{
	struct talk *t = running(c);

	if (!t)
		return 0;
	if (hold)
		t->deaf = true;
	else
		talk_wake(t);
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
