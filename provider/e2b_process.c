/* provider/e2b_process.c - commands: a stream of events down, small requests for input beside it (e2b_input.c).
 *
 * A command is done only when both the end event and the stream's end frame came: a stream that just stops is a broken
 * connection, also when it stops politely, and then the API is asked what became of the sandbox. The command itself goes on inside
 * when we lose it, and its output is thrown away; that is why the stream asks for keepalives, has a stall
 * limit instead of a total one, and why giving up (cancel, deadline) sends a kill after it.
 *
 * envd's own signals reach one process only, and only two of them exist. So a command is started behind a line of sh
 * that gives it a process group of its own, and a signal is a second command, kill(1) of that group.
 */
#include "provider/e2b_process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "provider/e2b_start.h"

/* Signals. */

static void killed(struct e2b_op *op, int result)
{
	e2b_end(op, 0, NULL);
}

static void killed_done(struct http_request *r, int result)
{
	killed(r->arg, result);
}

static void kill_inside(struct e2b_op *op)
{
	op->http = (struct http_request){
		.body = op->body.data,
		.body_len = op->body.len,
		.expect = "application/connect+json",
		.done = killed_done,
		.arg = op,
	};
	(void)e2b_envd(op, &op->http, "POST", "/process.Process/Start",
		       "application/connect+json");
}

void e2b_process_signal(struct e2b *p, const char *id, int64_t pid, int number)
{
	struct e2b_op *op = e2b_op_new(p, NULL, id, sizeof(*op));

	op->retried = true;
	op->inside = kill_inside;
	(void)e2b_start_kill(&op->body, pid, number);
	e2b_inside(op);
}

static void kill_process(struct e2b_process *s)
{
	if (s->pid > 0 && !s->ended && !s->left && !s->attached &&
	    e2b_box_find(s->op.p, s->op.id))
		e2b_process_signal(s->op.p, s->op.id, s->pid, SIGKILL);
}

int e2b_exec_signal(struct provider *p, struct provider_call *c, int number)
{
	struct e2b_process *s = c->impl ? e2b_process_of(c->impl) : NULL;

	if (!s || s->over || s->ended)
		return -ESRCH;
	if (number <= 0 || number >= NSIG)
		return -EINVAL;
	if (!s->pid)
		return PROVIDER_BUSY;
	e2b_process_signal(e2b_of(p), s->op.id, s->pid, number);
	return 0;
}

/* The stream. */

static void started(struct e2b_process *s, int64_t pid)
{
	if (s->pid) /* once is enough */
		return;
	s->pid = pid;
	if (s->tag[0])
		(void)snprintf(s->x->ref, sizeof(s->x->ref), "%lld.%s", (long long)pid, s->tag);
	e2b_input_go(s);
}

static int take_event(struct e2b_process *s, const struct connect_frame *f)
{
	struct e2b_event e;
	int r;

	buf_clear(&s->out);
	r = e2b_event_read(f->data, f->len, &e, &s->out);
	if (r)
		return fail(r, "e2b: an event of a process in '%s'", s->op.id);
	switch (e.kind) {
	case E2B_EVENT_START:
		started(s, e.pid);
		break;
	case E2B_EVENT_DATA:
		/* Who takes it may have ended something by that: the poll returns. */
		http_wake(s->op.p->http);
		if (s->x->on_output && s->out.len && !s->left)
			s->x->on_output(s->op.c, e.fd, s->out.data, s->out.len);
		break;
	case E2B_EVENT_END:
		s->ended = true;
		s->status = e.status;
		break;
	case E2B_EVENT_OTHER:
		break;
	}
	return 0;
}

static int stream_body(struct http_request *r, const void *data, size_t len)
{
	struct e2b_process *s = r->arg;
	struct connect_frame f;
	int result;

	/* Not before it started: input and signals need the pid. */
	if (s->held && s->pid)
		return -EAGAIN;
	result = connect_reader_feed(&s->frames, data, len);
	while (!result) {
		result = connect_reader_next(&s->frames, &f);
		if (result == CONNECT_MORE)
			return 0;
		if (result == CONNECT_BAD)
			return fail(-EPROTO, "e2b: frames of a process in '%s'", s->op.id);
		if (f.end)
			result = e2b_end_read(f.data, f.len, &s->failed, &s->err);
		else
			result = take_event(s, &f);
	}
	return result;
}

/* Ends the op, once the input's request is over too. */
static void end_process(struct e2b_process *s, int result, const char *why)
{
	if (!s->in_busy) {
		e2b_end(&s->op, result, why);
		return;
	}
	s->over = true;
	s->op.was = result;
	(void)snprintf(s->op.was_why, sizeof(s->op.was_why), "%s", why ? why : "");
	http_cancel(s->op.p->http, &s->in);
}

/* The server quotes the whole command when it cannot start it; nobody wants to read that, and it may hold secrets. */
static const char *words_of(const struct e2b_process *s)
{
	return strstr(s->err.message, "error starting process")
		       ? "the command could not be started"
		       : s->err.message;
}

void e2b_process_leave(struct e2b_process *s)
{
	s->left = true;
	http_cancel(s->op.p->http, &s->op.http);
}

static void stream_done(struct http_request *r, int result)
{
	struct e2b_process *s = r->arg;

	if (s->left) {
		end_process(s, 0, NULL);
		return;
	}
	if (result == -ECANCELED || result == -ETIMEDOUT) {
		kill_process(s);
		if (s->in_result)
			end_process(s, s->in_result, s->in_why);
		else
			end_process(s, result, r->why);
		return;
	}
	if (result == 0 && s->frames.ended && s->failed) {
		end_process(s, e2b_error_outcome(&s->err), words_of(s));
		return;
	}
	if (result == 0 && s->frames.ended && s->ended) {
		s->x->status = s->status;
		end_process(s, 0, NULL);
		return;
	}
	if (result < 0 || s->in_busy) {
		end_process(s, result ? result : PROVIDER_OFFLINE,
			    "the stream of the command broke");
		return;
	}
	if (result == 0)
		(void)snprintf(r->why, sizeof(r->why), "the stream of the command broke");
	e2b_end_envd(&s->op, r, result ? result : PROVIDER_OFFLINE);
}

int e2b_exec_hold(struct provider *p, struct provider_call *c, bool hold)
{
	struct e2b_process *s = c->impl ? e2b_process_of(c->impl) : NULL;

	if (!s || s->over)
		return -ESRCH;
	s->held = hold;
	if (!hold)
		http_resume(e2b_of(p)->http, &s->op.http);
	return 0;
}

/* Start. */

static void open_stream(struct e2b_process *s, const char *method)
{
	struct e2b_op *op = &s->op;
	bool limited = op->c->deadline_ms > 0 && !s->attached && !s->x->background;
	/* The server kills the command at this deadline; ours comes just after. */
	char deadline[48];

	(void)snprintf(deadline, sizeof(deadline), "Connect-Timeout-Ms: %lld",
		       (long long)e2b_left_ms(op));
	op->extra = limited ? deadline : NULL;
	op->user = s->x->user;
	op->http = (struct http_request){
		.body = op->body.data,
		.body_len = op->body.len,
		.expect = "application/connect+json",
		.on_body = stream_body,
		.deadline_ms = op->c->deadline_ms > 0 ? e2b_left_ms(op) : -1,
		.head_ms = E2B_DEFAULT_MS,
		.stall_ms = E2B_STALL_MS,
		.done = stream_done,
		.arg = s,
	};
	(void)e2b_envd(op, &op->http, "POST", method, "application/connect+json");
}

static void start_inside(struct e2b_op *op)
{
	struct e2b_process *s = e2b_process_of(op);

	buf_clear(&op->body);
	if (e2b_start_put(&op->body, s->x, op->p->dir, s->tag))
		e2b_end_later(op, PROVIDER_REFUSED, "the command is too long");
	else
		open_stream(s, "/process.Process/Start");
}

static void process_deinit(struct e2b_op *op)
{
	struct e2b_process *s = e2b_process_of(op);

	connect_reader_deinit(&s->frames);
	buf_deinit(&s->out);
	buf_deinit(&s->in_body);
	buf_deinit(&s->fed);
}

static void process_cancel(struct e2b_op *op)
{
	if (!e2b_process_of(op)->over)
		http_cancel(op->p->http, &op->http);
}

static struct e2b_process *process_new(struct provider *p, const char *id,
				       struct provider_exec *x, struct provider_call *c)
{
	struct e2b_process *s = e2b_op_new(e2b_of(p), c, id, sizeof(*s));

	s->x = x;
	x->ref[0] = '\0';
	s->op.deinit = process_deinit;
	s->op.cancel = process_cancel;
	s->op.body.limit = E2B_START_MAX + CONNECT_HEAD;
	connect_reader_init(&s->frames);
	buf_init(&s->out, CONNECT_FRAME_MAX);
	buf_init(&s->in_body, 2 * E2B_INPUT_CHUNK);
	buf_init(&s->fed, E2B_INPUT_MAX);
	return s;
}

int e2b_exec(struct provider *p, const char *id, struct provider_exec *x,
	     struct provider_call *c)
{
	const char *why = e2b_start_judge(x);
	struct e2b_process *s;

	if (!e2b_id_good(id))
		return PROVIDER_GONE;
	if (why) {
		(void)snprintf(c->why, sizeof(c->why), "%s", why);
		return PROVIDER_REFUSED;
	}
	s = process_new(p, id, x, c);
	if (x->background)
		e2b_start_tag(s->tag, sizeof(s->tag));
	s->op.inside = start_inside;
	e2b_inside(&s->op);
	return 0;
}

/* Attach. */

static void found(struct e2b_op *op, int result)
{
	struct e2b_process *s = e2b_process_of(op);
	const char *text;
	size_t len;

	if (result) {
		e2b_end_envd(op, &op->http, result);
		return;
	}
	/* Pids are used again: one that is another's by now is not ours. */
	text = http_reply(&op->http, &len);
	if (e2b_start_is_other(text, len, s->pid, s->tag)) {
		e2b_end(op, PROVIDER_REFUSED, "that command is not known any more");
		return;
	}
	buf_clear(&op->body);
	(void)e2b_start_connect(&op->body, s->pid);
	s->pid = 0;
	open_stream(s, "/process.Process/Connect");
}

static void attach_inside(struct e2b_op *op)
{
	buf_clear(&op->body);
	(void)buf_str(&op->body, "{}");
	e2b_rpc(op, "process.Process/List", found);
}

int e2b_attach(struct provider *p, const char *id, const char *ref, struct provider_exec *x,
	       struct provider_call *c)
{
	char tag[E2B_TAG_LEN + 1];
	struct e2b_process *s;
	int64_t pid;

	if (!e2b_id_good(id))
		return PROVIDER_GONE;
	if (!e2b_start_read_ref(ref, &pid, tag)) {
		(void)snprintf(c->why, sizeof(c->why), "that is no name of a command");
		return PROVIDER_REFUSED;
	}
	s = process_new(p, id, x, c);
	s->attached = true;
	s->pid = pid;
	(void)snprintf(s->tag, sizeof(s->tag), "%s", tag);
	s->op.inside = attach_inside;
	e2b_inside(&s->op);
	return 0;
}
