/* tests/peers/envd_stream.c - from pieces of output to frames, as fast as the client reads.
 *
 * The reader of the answer waits for output, a keepalive's time, or the client's leaving. `end` omits an exit code
 * of 0, as protobuf's JSON does. When the sandbox ends, so does the connection, without a last frame.
 */
#include "tests/peers/envd_stream.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/json.h"
#include "tests/peers/connect.h"
#include "tests/peers/peer_private.h"
#include "tests/peers/request.h"
#include "tests/peers/run.h"

enum { KEEPALIVE_S = 90, STREAM_MAX = 8 << 20 };

/* One answer that is a stream of frames. */
struct stream {
	struct peer *peer;
	struct run *run;
	struct listener *listener;
	struct buf out; /* frames not yet sent */
	size_t at;
	int sock, keepalive_ms;
	int64_t deadline; /* of the stream, for Connect; INT64_MAX: none */
	bool pty, started, ended, broken;
};

static void stream_free(void *arg)
{
	struct stream *s = arg;

	if (s->listener)
		run_unlisten(s->listener);
	run_unref(s->run);
	buf_deinit(&s->out);
	free(s);
}

static struct stream *stream_new(struct request *r)
{
	struct stream *s = alloc_zero(sizeof(*s));
	int64_t ping = KEEPALIVE_S;
	const char *text = request_header(r, "Keepalive-Ping-Interval");

	if (text)
		ping = (int64_t)strtoull(text, NULL, 10);
	s->peer = r->peer;
	s->sock = request_socket(r);
	s->keepalive_ms = (int)(ping > 0 && ping < 86400 ? ping : KEEPALIVE_S) * 1000;
	s->deadline = INT64_MAX;
	buf_init(&s->out, STREAM_MAX);
	return s;
}

static void add_frame(struct stream *s, unsigned flags, struct buf *doc)
{
	while (doc->len && doc->data[doc->len - 1] == '\n')
		doc->len--;
	(void)connect_encode(&s->out, flags, doc->data, doc->len);
	buf_deinit(doc);
}

static void add_last(struct stream *s, const char *code, const char *message)
{
	struct buf doc;

	s->ended = true;
	if (peer_has(s->peer, QUIRK_E2B_CUT_STREAM)) {
		s->broken = true;
		return;
	}
	buf_init(&doc, 64 << 10);
	connect_last(&doc, code, message);
	add_frame(s, CONNECT_LAST, &doc);
}

static void open_event(struct json_out *o, struct buf *doc, const char *kind)
{
	buf_init(doc, 1 << 20);
	json_out_buf(o, doc);
	json_begin(o, '{');
	json_key_out(o, "event");
	json_begin(o, '{');
	json_key_out(o, kind);
	json_begin(o, '{');
}

static void close_event(struct stream *s, struct json_out *o, struct buf *doc)
{
	json_end(o, '}');
	json_end(o, '}');
	json_end(o, '}');
	add_frame(s, 0, doc);
}

static void add_start(struct stream *s)
{
	struct json_out o;
	struct buf doc;

	open_event(&o, &doc, "start");
	json_int_field(&o, "pid", run_pid(s->run));
	close_event(s, &o, &doc);
}

static void add_data(struct stream *s, const struct piece *p)
{
	struct json_out o;
	struct buf doc, text;

	buf_init(&text, 1 << 20);
	(void)base64_encode(&text, p->data, p->len);
	open_event(&o, &doc, "data");
	json_str_field(&o, s->pty ? "pty" : p->fd == 2 ? "stderr" : "stdout", text.data);
	close_event(s, &o, &doc);
	buf_deinit(&text);
}

static void add_end(struct stream *s, int status, int sent)
{
	bool killed = sent && status == 128 + sent;
	char words[64];
	struct json_out o;
	struct buf doc;

	(void)snprintf(words, sizeof(words), "exit status %d", status);
	if (killed)
		(void)snprintf(words, sizeof(words), "signal: %s",
			       sent == SIGKILL ? "killed" : "terminated");
	open_event(&o, &doc, "end");
	if (killed || status)
		json_int_field(&o, "exitCode", killed ? -1 : status);
	if (!killed)
		json_bool_field(&o, "exited", true);
	json_str_field(&o, "status", words);
	if (killed || status)
		json_str_field(&o, "error", words);
	close_event(s, &o, &doc);
}

static void add_ending(struct stream *s)
{
	int status, sent;

	switch (run_state(s->run, &status, &sent)) {
	case RUN_EXITED:
		if (!peer_has(s->peer, QUIRK_E2B_NO_END))
			add_end(s, status, sent);
		add_last(s, NULL, NULL);
		return;
	case RUN_LATE:
		add_last(s, "deadline_exceeded", "context deadline exceeded");
		return;
	case RUN_RUNS:
	case RUN_LOST:
		/* The machine is gone: so is the connection. */
		s->ended = s->broken = true;
	}
}

/* How long to wait for output: until a keepalive is due, or the stream's time is over. */
static int patience(const struct stream *s)
{
	int64_t left = s->deadline - clock_now(clock_system());

	if (s->deadline == INT64_MAX || left > s->keepalive_ms)
		return s->keepalive_ms;
	return left > 0 ? (int)left : 0;
}

static void add_next(struct stream *s)
{
	struct piece p;
	struct json_out o;
	struct buf doc;

	if (!s->started) {
		s->started = true;
		add_start(s);
		return;
	}
	switch (run_next(s->listener, patience(s), s->sock, &p)) {
	case 0:
		add_data(s, &p);
		return;
	case LISTEN_END:
		add_ending(s);
		return;
	case LISTEN_NOTHING:
		if (clock_now(clock_system()) >= s->deadline) {
			add_last(s, "deadline_exceeded", "context deadline exceeded");
			return;
		}
		open_event(&o, &doc, "keepalive");
		close_event(s, &o, &doc);
		return;
	default:
		s->ended = s->broken = true;
	}
}

static ssize_t stream_read(void *arg, uint64_t at, char *to, size_t max)
{
	struct stream *s = arg;
	size_t n;

	if (s->at == s->out.len) {
		buf_clear(&s->out);
		s->at = 0;
		if (!s->ended)
			add_next(s);
		/* More that is there already goes along. */
		while (!s->ended && s->out.len < max && run_has_next(s->listener))
			add_next(s);
	}
	n = s->out.len - s->at;
	if (!n)
		return s->broken ? MHD_CONTENT_READER_END_WITH_ERROR
				 : MHD_CONTENT_READER_END_OF_STREAM;
	n = n < max ? n : max;
	if (peer_has(s->peer, QUIRK_E2B_SPLIT))
		n = 1;
	memcpy(to, s->out.data + s->at, n);
	s->at += n;
	return (ssize_t)n;
}

static void send_stream(struct request *r, struct stream *s)
{
	const struct reply how = {.status = 200, .type = "application/connect+json"};
	const struct reply_source from = {
		.read = stream_read, .free = stream_free, .arg = s, .len = -1};

	reply_stream(r, &how, &from);
}

void envd_stream(struct request *r, const struct stream_of *of)
{
	struct stream *s = stream_new(r);

	s->run = of->run;
	s->pty = of->pty;
	s->listener = run_listen(of->run, of->from_start);
	if (of->deadline_ms >= 0)
		s->deadline = clock_now(clock_system()) + of->deadline_ms;
	send_stream(r, s);
}

void envd_stream_refuse(struct request *r, const char *code, const char *message)
{
	struct stream *s = stream_new(r);

	add_last(s, code, message);
	send_stream(r, s);
}

const struct json *envd_stream_message(struct request *r)
{
	struct connect_frame f;
	const char *wrong = connect_single(r->body.data, r->body.len, &f);
	char why[128];

	if (wrong) {
		envd_stream_refuse(
			r, strstr(wrong, "unary") ? "unimplemented" : "invalid_argument",
			wrong);
		return NULL;
	}
	if (json_parse(f.data, f.len, &r->json, why, sizeof(why)) || !json_is_object(r->json)) {
		envd_stream_refuse(r, "invalid_argument", "unmarshal message: no JSON object");
		return NULL;
	}
	return r->json;
}
