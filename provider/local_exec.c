/* provider/local_exec.c - commands: one session with the agent each.
 *
 * What is fed waits here only while the socket is full, and no more than a megabyte of it: exec_feed() then says so and
 * on_room when to go on. A held command is not listened to, so its pipes fill and it waits.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "provider/local_talk.h"

enum { FEED_HIGH = 1 << 20 /* fed bytes that wait to be sent */ };

static void hear_exec(struct talk *t, const struct wire_frame *f)
{
	struct provider_exec *x = t->exec;

	switch ((int)f->type) {
	case WIRE_STARTED:
		return;
	case WIRE_JOB:
		(void)snprintf(x->ref, sizeof(x->ref), "%.*s", (int)f->path.len, f->path.p);
		x->running = true;
		local_op_finish(&t->op, 0, NULL);
		return;
	case WIRE_OUTPUT:
		if (x->on_output)
			x->on_output(t->op.c, f->fd == 2 ? 2 : 1, f->data.p, f->data.len);
		return;
	case WIRE_OK: /* of an attach that does not follow */
		x->running = true;
		local_op_finish(&t->op, 0, NULL);
		return;
	case WIRE_EXITED:
		x->status = f->status;
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

	/* Everything inside runs as one user. */
	if (x->user)
		return PROVIDER_UNSUPPORTED;
	x->ref[0] = '\0';
	x->running = false;
	f.flags = (uint8_t)((x->tty ? WIRE_EXEC_TTY : 0) |
			    (x->background ? WIRE_EXEC_BACKGROUND : 0));
	f.rows = x->rows;
	f.cols = x->cols;
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
	t->len = x->in && !x->background ? x->in_len : 0;
	t->more = WIRE_STDIN;
	t->ended = x->background;
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

int local_exec_resize(struct provider *p, struct provider_call *c, uint16_t rows, uint16_t cols)
{
	struct talk *t = running(c);
	struct wire_frame f = {.type = WIRE_RESIZE, .id = TALK_ID, .rows = rows, .cols = cols};

	if (!t)
		return 0;
	t->op.events |= POLLOUT;
	return wire_encode(&t->out, &f);
}

/* The background. */

int local_attach(struct provider *p, const char *id, const char *ref, struct provider_exec *x,
		 struct provider_call *c)
{
	const struct wire_frame f = {
		.type = WIRE_ATTACH,
		.id = TALK_ID,
		.path = wire_str(ref),
		.flags = x->no_follow ? WIRE_ATTACH_NO_FOLLOW : 0,
	};
	struct talk *t = talk_new(local_of(p), id, c, 0);

	if (!t)
		return 0;
	(void)snprintf(x->ref, sizeof(x->ref), "%s", ref);
	x->running = false;
	t->exec = x;
	t->hear = hear_exec;
	if (wire_encode(&t->out, &f))
		local_op_finish(&t->op, PROVIDER_REFUSED, "'%.60s' is no command's name", ref);
	return 0;
}

static void hear_job(struct talk *t, const struct wire_frame *f)
{
	struct provider_process s = {
		.running = f->flags & 1, .status = f->status, .started = (int64_t)f->size};
	int r;

	if (f->type == WIRE_END) {
		local_op_finish(&t->op, 0, NULL);
		return;
	}
	if (f->type != WIRE_JOB) {
		talk_odd(t, f);
		return;
	}
	(void)snprintf(s.ref, sizeof(s.ref), "%.*s", (int)f->path.len, f->path.p);
	(void)snprintf(s.command, sizeof(s.command), "%.*s", (int)f->message.len, f->message.p);
	r = t->fn(&s, t->arg);
	if (r)
		local_op_finish(&t->op, r, NULL);
}

int local_processes(struct provider *p, const char *id, provider_process_fn fn, void *arg,
		    struct provider_call *c)
{
	struct talk *t = talk_new(local_of(p), id, c, LOCAL_CALL_MS);

	if (!t)
		return 0;
	t->hear = hear_job;
	t->fn = fn;
	t->arg = arg;
	return wire_encode(&t->out, &(struct wire_frame){.type = WIRE_JOBS, .id = TALK_ID});
}

static void hear_kill(struct talk *t, const struct wire_frame *f)
{
	if (f->type == WIRE_OK)
		local_op_finish(&t->op, 0, NULL);
	else
		talk_odd(t, f);
}

int local_kill(struct provider *p, const char *id, const char *ref, int signal,
	       struct provider_call *c)
{
	const struct wire_frame f = {.type = WIRE_KILL,
				     .id = TALK_ID,
				     .path = wire_str(ref),
				     .signal = (uint8_t)signal};
	struct talk *t = talk_new(local_of(p), id, c, LOCAL_CALL_MS);

	if (!t)
		return 0;
	t->hear = hear_kill;
	if (signal < 0 || signal > 64 || wire_encode(&t->out, &f))
		local_op_finish(&t->op, PROVIDER_REFUSED, "no such signal or command");
	return 0;
}
