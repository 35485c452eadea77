/* provider/e2b_input.c - standard input of a command, in requests beside its stream.
 *
 * One at a time, since two at once could arrive the wrong way round, and as much in each as has gathered meanwhile: small
 * writes on a slow line become few large requests. What is fed waits in a buffer with a ceiling; past it
 * the feeder is told to wait. A request that fails because the command closed its input or ended is no fault: the stream
 * will tell how it ended. Any other failure ends the command, since bytes may be missing in the middle.
 */
#include "provider/e2b_process.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "provider/connect_frame.h"

/* "process not found" and not "404 page not found"? */
static bool says_why(const struct http_request *r)
{
	struct e2b_error err;
	size_t len;
	const char *text = http_reply(r, &len);

	return e2b_error_read(text, len, &err);
}

static void input_done(struct http_request *r, int result)
{
	struct e2b_process *s = r->arg;
	bool closed = s->in_closing;

	s->in_busy = false;
	if (s->over) {
		e2b_end(&s->op, s->op.was, s->op.was_why);
		return;
	}
	if (result == 0 && !closed) {
		if (s->wants_room && s->fed.len < E2B_INPUT_MAX) {
			s->wants_room = false;
			http_wake(s->op.p->http);
			if (s->x->on_room)
				s->x->on_room(s->op.c);
		}
		e2b_input_go(s);
		return;
	}
	s->in_over = true;
	if (closed && r->status == 404 && !says_why(r)) {
		/* envd before 0.5.2: the command would wait for ever */
		(void)snprintf(s->in_why, sizeof(s->in_why),
			       "this sandbox cannot end a command's input");
		s->in_result = PROVIDER_UNSUPPORTED;
		http_cancel(s->op.p->http, &s->op.http);
		return;
	}
	/* It ended, or closed its input: no fault of anybody's. The stream will tell. */
	if (result == 0 || result == PROVIDER_GONE ||
	    (result == PROVIDER_OFFLINE && r->status == 500)) {
		buf_clear(&s->fed);
		e2b_input_go(s);
		return;
	}
	e2b_why(r, s->in_why);
	s->in_result = result;
	http_cancel(s->op.p->http, &s->op.http);
}

/* Puts the next piece into the body; how many bytes of input it holds. */
static size_t put_piece(struct e2b_process *s)
{
	size_t n = s->x->in_len - s->in_at;
	const char *data = (const char *)s->x->in + s->in_at;

	if (!n) {
		n = s->fed.len;
		data = s->fed.data;
	}
	n = n < E2B_INPUT_CHUNK ? n : E2B_INPUT_CHUNK;
	buf_clear(&s->in_body);
	(void)buf_fmt(&s->in_body, "{\"process\":{\"pid\":%lld}", (long long)s->pid);
	if (n) {
		(void)buf_str(&s->in_body, ",\"input\":{\"stdin\":\"");
		(void)base64_put(&s->in_body, data, n);
		(void)buf_str(&s->in_body, "\"}");
	}
	(void)buf_str(&s->in_body, "}");
	if (s->in_at < s->x->in_len) {
		s->in_at += n;
	} else if (n) {
		memmove(s->fed.data, s->fed.data + n, s->fed.len - n);
		s->fed.len -= n;
	}
	return n;
}

void e2b_input_go(struct e2b_process *s)
{
	bool more = s->in_at < s->x->in_len || s->fed.len;
	bool open = s->x->fed && !s->feed_ended;

	if (s->in_busy || !s->pid || s->over)
		return;
	if (s->in_over || (!s->x->in_len && !s->x->fed)) {
		if (s->x->background && !s->attached)
			e2b_process_leave(s);
		return;
	}
	if (!more && open)
		return;
	s->in_closing = put_piece(s) == 0;
	s->in = (struct http_request){
		.body = s->in_body.data,
		.body_len = s->in_body.len,
		.expect = "application/json",
		.done = input_done,
		.arg = s,
	};
	s->in_busy = e2b_envd(&s->op, &s->in, "POST",
			      s->in_closing ? "/process.Process/CloseStdin"
					    : "/process.Process/SendInput",
			      "application/json");
}

ssize_t e2b_exec_feed(struct provider *p, struct provider_call *c, const void *data, size_t len)
{
	struct e2b_process *s = c->impl ? e2b_process_of(c->impl) : NULL;
	size_t room;

	if (!s || !s->x->fed || s->feed_ended || s->in_over || s->over || s->op.later)
		return -EPIPE;
	room = E2B_INPUT_MAX - s->fed.len;
	s->wants_room = room < len;
	len = len < room ? len : room;
	if (!len)
		return -EAGAIN;
	if (buf_add(&s->fed, data, len))
		return -EAGAIN;
	e2b_input_go(s);
	return (ssize_t)len;
}

int e2b_exec_feed_end(struct provider *p, struct provider_call *c)
{
	struct e2b_process *s = c->impl ? e2b_process_of(c->impl) : NULL;

	if (!s || !s->x->fed)
		return -EPIPE;
	s->feed_ended = true;
	e2b_input_go(s);
	return 0;
}
