/* provider/e2b_process.c - commands: a stream of events down, small requests for input beside it.
 *
 *	inside -> Start -> start event -> (SendInput)* -> CloseStdin
 *	                   data events -> on_output          } until the end event and the end frame
 *
 * A command is done only when both the end event and the stream's end frame came: a stream that just stops is a broken
 * connection, also when it stops politely, and then the API is asked what became of the sandbox. The command itself goes on inside
 * when we lose it, and its output is thrown away; that is why the stream asks for keepalives, has a stall
 * limit instead of a total one, and why giving up (cancel, deadline) sends a kill after it. The kill reaches the
 * command only, not what it started.
 *
 * Input goes one request at a time, since two at once could arrive the wrong way round.
 */
#include "provider/e2b_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/error.h"
#include "base/utf8.h"
#include "provider/connect_frame.h"

enum {
	ARGUMENT_MAX = 131071, /* the kernel's for one, behind the daemon's shell */
	START_MAX = 4 << 20,
	INPUT_CHUNK = 192 << 10,
	KILL_MS = 20000,
};

struct process {
	struct e2b_op op; /* op.http is the stream */
	struct provider_exec *x;
	struct connect_reader frames;
	struct buf out;
	int64_t pid;
	int status;
	bool ended, failed; /* the end event; the end frame carried `err` */
	struct e2b_error err;
	struct http_request in;
	struct buf in_body;
	size_t in_at;
	bool in_busy, in_over;
	int in_result; /* why the stream was given up, because of the input */
	bool over;     /* the stream is done, and only `in` is waited for */
	char in_why[HTTP_WHY_MAX];
};

static struct process *process_of(struct e2b_op *op)
{
	return (struct process *)(void *)op;
}

/* Killing what nobody waits for any more. */

static void killed(struct e2b_op *op, int result)
{
	e2b_end(op, 0, NULL);
}

static void kill_inside(struct e2b_op *op)
{
	e2b_rpc(op, "process.Process/SendSignal", killed);
}

static void kill_process(struct process *s)
{
	struct e2b_op *op;

	if (s->pid <= 0 || s->ended || !e2b_box_find(s->op.p, s->op.id))
		return;
	op = e2b_op_new(s->op.p, NULL, s->op.id, sizeof(*op));
	op->retried = true;
	op->inside = kill_inside;
	(void)buf_fmt(&op->body, "{\"process\":{\"pid\":%lld},\"signal\":\"SIGNAL_SIGKILL\"}",
		      (long long)s->pid);
	e2b_inside(op);
}

/* Input. */

static void send_input(struct process *s);

static void input_done(struct http_request *r, int result)
{
	struct process *s = r->arg;

	s->in_busy = false;
	if (s->over) {
		e2b_end(&s->op, s->op.was, s->op.was_why);
		return;
	}
	if (result == 0) {
		send_input(s);
		return;
	}
	s->in_over = true;
	/* It ended, or closed its input: no fault of anybody's. The stream will tell. */
	if (result == PROVIDER_GONE || (result == PROVIDER_OFFLINE && r->status == 500))
		return;
	e2b_why(r, s->in_why);
	s->in_result = result;
	http_cancel(s->op.p->http, &s->op.http);
}

static void send_input(struct process *s)
{
	size_t n =
		s->x->in_len - s->in_at < INPUT_CHUNK ? s->x->in_len - s->in_at : INPUT_CHUNK;
	const char *method = n ? "/process.Process/SendInput" : "/process.Process/CloseStdin";

	if (s->in_over)
		return;
	s->in_over = n == 0; /* the close is the last one */
	buf_clear(&s->in_body);
	(void)buf_fmt(&s->in_body, "{\"process\":{\"pid\":%lld}", (long long)s->pid);
	if (n) {
		(void)buf_str(&s->in_body, ",\"input\":{\"stdin\":\"");
		(void)base64_put(&s->in_body, (const char *)s->x->in + s->in_at, n);
		(void)buf_str(&s->in_body, "\"}");
	}
	(void)buf_str(&s->in_body, "}");
	s->in_at += n;
	s->in = (struct http_request){
		.body = s->in_body.data,
		.body_len = s->in_body.len,
		.expect = "application/json",
		.done = input_done,
		.arg = s,
	};
	s->in_busy = e2b_envd(&s->op, &s->in, "POST", method, "application/json");
}

/* The stream. */

static int take_event(struct process *s, const struct connect_frame *f)
{
	struct e2b_event e;
	int r;

	buf_clear(&s->out);
	r = e2b_event_read(f->data, f->len, &e, &s->out);
	if (r)
		return fail(r, "e2b: an event of a process in '%s'", s->op.id);
	switch (e.kind) {
	case E2B_EVENT_START:
		s->pid = e.pid;
		if (s->x->in_len)
			send_input(s);
		break;
	case E2B_EVENT_DATA:
		if (s->x->on_output && s->out.len)
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
	struct process *s = r->arg;
	struct connect_frame f;
	int result = connect_reader_feed(&s->frames, data, len);

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
static void end_process(struct process *s, int result, const char *why)
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
static const char *words_of(const struct process *s)
{
	return strstr(s->err.message, "error starting process")
		       ? "the command could not be started"
		       : s->err.message;
}

static void stream_done(struct http_request *r, int result)
{
	struct process *s = r->arg;

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

/* Start. */

static void put_words(struct json_out *o, const struct provider_exec *x)
{
	json_str_field(o, "cmd", x->argv[0]);
	json_key_out(o, "args");
	json_begin(o, '[');
	for (size_t i = 1; x->argv[i]; i++)
		json_put_str(o, x->argv[i]);
	json_end(o, ']');
	json_key_out(o, "envs");
	json_begin(o, '{');
	for (const char *const *env = x->env; env && *env; env++) {
		const char *eq = strchr(*env, '=');
		char name[256];

		if (!eq || (size_t)(eq - *env) >= sizeof(name))
			continue;
		(void)snprintf(name, sizeof(name), "%.*s", (int)(eq - *env), *env);
		json_str_field(o, name, eq + 1);
	}
	json_end(o, '}');
	if (x->cwd)
		json_str_field(o, "cwd", x->cwd);
}

static int put_start(struct buf *b, const struct provider_exec *x)
{
	CLEANUP(buf_deinit) struct buf text = {0};
	struct json_out o;
	int r;

	buf_init(&text, START_MAX);
	json_out_buf(&o, &text);
	json_begin(&o, '{');
	json_key_out(&o, "process");
	json_begin(&o, '{');
	put_words(&o, x);
	json_end(&o, '}');
	json_bool_field(&o, "stdin", x->in_len > 0);
	json_end(&o, '}');
	r = json_out_end(&o);
	return r ? r : connect_frame_put(b, text.data, text.len, false);
}

static void start_inside(struct e2b_op *op)
{
	struct process *s = process_of(op);
	bool limited = op->c->deadline_ms > 0;
	/* The server kills the command at this deadline; ours comes just after. */
	char deadline[48];

	buf_clear(&op->body);
	if (put_start(&op->body, s->x)) {
		e2b_end_later(op, PROVIDER_REFUSED, "the command is too long");
		return;
	}
	(void)snprintf(deadline, sizeof(deadline), "Connect-Timeout-Ms: %lld",
		       (long long)e2b_left_ms(op));
	op->extra = limited ? deadline : NULL;
	op->http = (struct http_request){
		.body = op->body.data,
		.body_len = op->body.len,
		.expect = "application/connect+json",
		.on_body = stream_body,
		.deadline_ms = limited ? e2b_left_ms(op) + 500 : -1,
		.head_ms = E2B_DEFAULT_MS,
		.stall_ms = E2B_STALL_MS,
		.done = stream_done,
		.arg = s,
	};
	(void)e2b_envd(op, &op->http, "POST", "/process.Process/Start",
		       "application/connect+json");
}

static void process_deinit(struct e2b_op *op)
{
	struct process *s = process_of(op);

	connect_reader_deinit(&s->frames);
	buf_deinit(&s->out);
	buf_deinit(&s->in_body);
}

static void process_cancel(struct e2b_op *op)
{
	if (!process_of(op)->over)
		http_cancel(op->p->http, &op->http);
}

/* What the wire can carry: JSON strings are UTF-8, and the kernel bounds each argument. */
static const char *judge(const struct provider_exec *x)
{
	if (!x->argv[0] || !x->argv[0][0])
		return "there is no command";
	for (size_t i = 0; x->argv[i]; i++) {
		size_t len = strlen(x->argv[i]);

		if (len > ARGUMENT_MAX)
			return "an argument is longer than 128 KiB";
		if (!utf8_valid(x->argv[i], len))
			return "an argument is not UTF-8";
	}
	return NULL;
}

int e2b_exec(struct provider *p, const char *id, struct provider_exec *x,
	     struct provider_call *c)
{
	const char *why = judge(x);
	struct process *s;

	if (!e2b_id_good(id))
		return PROVIDER_GONE;
	if (why) {
		(void)snprintf(c->why, sizeof(c->why), "%s", why);
		return PROVIDER_REFUSED;
	}
	s = e2b_op_new(e2b_of(p), c, id, sizeof(*s));
	s->x = x;
	s->op.inside = start_inside;
	s->op.deinit = process_deinit;
	s->op.cancel = process_cancel;
	s->op.body.limit = START_MAX + 64;
	connect_reader_init(&s->frames);
	buf_init(&s->out, CONNECT_FRAME_MAX);
	buf_init(&s->in_body, 2 * INPUT_CHUNK);
	e2b_inside(&s->op);
	return 0;
}
