/* tests/peers/toolbox_session.c - Daytona's sessions over HTTP, and their logs followed over WebSocket.
 *
 * Which shape a log has depends on the version the client says it has: JSON with the streams apart from 0.167 on,
 * text with marks before, text without them for clients that say none.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "tests/peers/answer.h"
#include "tests/peers/daytona.h"
#include "tests/peers/shell_session.h"
#include "tests/peers/websocket.h"

enum log_shape { LOG_PLAIN, LOG_MARKED, LOG_APART };

static enum log_shape shape_for(struct request *r)
{
	const char *version = request_header(r, "X-Daytona-SDK-Version");
	unsigned major = 0, minor = 0;

	if (!version)
		return request_header(r, "X-Daytona-Split-Output") ? LOG_MARKED : LOG_PLAIN;
	if (sscanf(version, "%u.%u", &major, &minor) != 2)
		return LOG_PLAIN;
	return major || minor >= 167 ? LOG_APART : minor >= 27 ? LOG_MARKED : LOG_PLAIN;
}

static struct session *wanted(struct request *r)
{
	struct session *s = session_find(r->guest, r->args[0]);

	if (!s)
		toolbox_error(r, 404, "NOT_FOUND", "not found: session not found");
	return s;
}

static struct command *wanted_command(struct request *r, struct session *s)
{
	struct command *c = session_command_by_id(s, r->args[1]);

	if (!c)
		toolbox_error(r, 404, "NOT_FOUND", "not found: command not found");
	return c;
}

void toolbox_session_create(struct request *r)
{
	const struct json *doc = request_json(r);
	const char *id = NULL;

	if (!doc || json_get_str(doc, "sessionId", &id) || !*id ||
	    strlen(id) >= SESSION_ID_MAX || !strcmp(id, "entrypoint")) {
		toolbox_error(r, 400, "INVALID_REQUEST_BODY", "bad request: invalid sessionId");
		return;
	}
	switch (session_create(r->guest, id)) {
	case 0:
		reply_empty(r, 201);
		return;
	case SESSION_EXISTS:
		toolbox_error(r, 409, "CONFLICT", "conflict: session already exists");
		return;
	default:
		toolbox_error(r, 500, "INTERNAL_SERVER_ERROR",
			      "the shell could not be started");
	}
}

static void put_command(struct json_out *o, const struct command *c)
{
	json_str_field(o, "id", c->id);
	json_str_field(o, "command", c->text);
	if (c->done)
		json_int_field(o, "exitCode", c->status);
}

static void put_session(struct json_out *o, struct session *s)
{
	struct command *c;

	json_str_field(o, "sessionId", session_id(s));
	json_key_out(o, "commands");
	json_begin(o, '[');
	session_lock(s);
	for (size_t i = 0; (c = session_command(s, i)); i++) {
		json_begin(o, '{');
		put_command(o, c);
		json_end(o, '}');
	}
	session_unlock(s);
	json_end(o, ']');
}

void toolbox_session_list(struct request *r)
{
	struct session **all;
	size_t n = session_all(r->guest, &all);
	struct answer a;

	answer_begin(&a, '[');
	for (size_t i = 0; i < n; i++) {
		json_begin(&a.out, '{');
		put_session(&a.out, all[i]);
		json_end(&a.out, '}');
		session_unref(all[i]);
	}
	answer_send(r, &a, ']', 200);
	free(all);
}

void toolbox_session_get(struct request *r)
{
	struct session *s = wanted(r);
	struct answer a;

	if (!s)
		return;
	answer_begin(&a, '{');
	put_session(&a.out, s);
	answer_send(r, &a, '}', 200);
	session_unref(s);
}

void toolbox_session_delete(struct request *r)
{
	struct session *s = wanted(r);

	if (!s)
		return;
	session_delete(r->guest, s);
	reply_empty(r, 204);
	session_unref(s);
}

static void put_bytes(struct json_out *o, const char *key, const struct buf *b)
{
	json_key_out(o, key);
	json_put_strn(o, b->data, b->len);
}

/* output, stdout and stderr in the shape that the client understands. */
static void put_logs(struct json_out *o, enum log_shape shape, const struct command *c)
{
	struct buf both;

	if (shape == LOG_PLAIN) {
		buf_init(&both, 2 * (size_t)SESSION_LOG_MAX);
		for (size_t i = 0; i < c->log.len; i++)
			if (c->log.data[i] != 1 && c->log.data[i] != 2)
				(void)buf_add(&both, c->log.data + i, 1);
		put_bytes(o, "output", &both);
		buf_deinit(&both);
	} else {
		put_bytes(o, "output", &c->log);
	}
	if (shape == LOG_APART) {
		put_bytes(o, "stdout", &c->out);
		put_bytes(o, "stderr", &c->err);
	} else {
		json_str_field(o, "stdout", NULL);
		json_str_field(o, "stderr", NULL);
	}
}

void toolbox_session_exec(struct request *r)
{
	const struct json *doc = request_json(r);
	bool later = false, quiet = false;
	const char *text = NULL;
	struct command *c;
	struct session *s;
	struct answer a;

	if (!doc || json_get_str(doc, "command", &text) || !*text) {
		toolbox_error(r, 400, "INVALID_REQUEST_BODY",
			      "bad request: command is required");
		return;
	}
	if (json_get_bool(doc, "runAsync", &later))
		(void)json_get_bool(doc, "async", &later);
	(void)json_get_bool(doc, "suppressInputEcho", &quiet);
	s = session_find(r->guest, r->args[0]);
	if (!s || session_exec(s, text, !quiet, &c)) {
		reply_text(r, 500, s ? "session has ended" : "session not found");
		session_unref(s);
		return;
	}
	if (!later && !session_wait(s, c)) {
		reply_text(r, 500, "session has ended");
		session_unref(s);
		return;
	}
	answer_begin(&a, '{');
	json_str_field(&a.out, "cmdId", c->id);
	session_lock(s);
	if (!later) {
		put_logs(&a.out, shape_for(r), c);
		json_int_field(&a.out, "exitCode", c->status);
	}
	session_unlock(s);
	answer_send(r, &a, '}', later ? 202 : 200);
	session_unref(s);
}

void toolbox_command_get(struct request *r)
{
	struct session *s = wanted(r);
	struct command *c = s ? wanted_command(r, s) : NULL;
	struct answer a;

	if (c) {
		answer_begin(&a, '{');
		session_lock(s);
		put_command(&a.out, c);
		session_unlock(s);
		answer_send(r, &a, '}', 200);
	}
	session_unref(s);
}

/* A log being followed. */
struct follow {
	struct session *s;
	struct command *c;
	enum log_shape shape;
	bool stays; /* until the command ends */
};

/* Sends what is new; false when that was all there will be. */
static bool send_new(struct follow *f, struct websocket *ws, size_t *at)
{
	CLEANUP(free_p) char *copy = NULL;
	size_t len = 0, n;
	bool more;

	session_lock(f->s);
	more = f->stays && !f->c->done;
	n = f->c->log.len - *at;
	copy = alloc_copy(f->c->log.data + *at, n);
	session_unlock(f->s);
	*at += n;
	for (size_t i = 0; i < n; i++)
		if (f->shape != LOG_PLAIN || (copy[i] != 1 && copy[i] != 2))
			copy[len++] = copy[i];
	if (len && ws_send(ws, WS_BINARY, copy, len))
		return false;
	return more;
}

static void follow(void *arg, struct websocket *ws)
{
	struct follow *f = arg;
	int event = session_watch(f->s);
	size_t at = 0;
	bool there = true;

	while (there && send_new(f, ws, &at) && !session_is_over(f->s)) {
		struct pollfd fds[2] = {{.fd = event, .events = POLLIN},
					{.fd = ws->fd, .events = POLLIN | POLLRDHUP}};
		struct ws_frame frame;
		uint64_t n;
		int r = 0;

		(void)poll(fds, 2, -1);
		(void)!read(event, &n, sizeof(n));
		while (!r && fds[1].revents)
			r = ws_next(ws, &frame);
		there = r >= 0;
	}
	if (there)
		ws_close(ws, 1000, "");
	if (event >= 0)
		session_unwatch(f->s, event);
	session_unref(f->s);
	free(f);
}

static void send_log(struct request *r, struct session *s, const struct command *c)
{
	enum log_shape shape = shape_for(r);
	struct answer a;
	struct buf text;

	if (shape == LOG_APART) {
		answer_begin(&a, '{');
		session_lock(s);
		put_logs(&a.out, shape, c);
		session_unlock(s);
		answer_send(r, &a, '}', 200);
		return;
	}
	buf_init(&text, SESSION_LOG_MAX + 1);
	session_lock(s);
	for (size_t i = 0; i < c->log.len; i++)
		if (shape == LOG_MARKED || (c->log.data[i] != 1 && c->log.data[i] != 2))
			(void)buf_add(&text, c->log.data + i, 1);
	session_unlock(s);
	reply_bytes(r, &(struct reply){.status = 200, .type = "text/plain"}, text.data,
		    text.len);
	buf_deinit(&text);
}

void toolbox_command_logs(struct request *r)
{
	const char *stays = request_query(r, "follow");
	struct session *s = wanted(r);
	struct command *c = s ? wanted_command(r, s) : NULL;
	struct follow *f;

	if (!c) {
		session_unref(s);
		return;
	}
	if (!request_header(r, MHD_HTTP_HEADER_UPGRADE)) {
		send_log(r, s, c);
		session_unref(s);
		return;
	}
	f = alloc_zero(sizeof(*f));
	*f = (struct follow){.s = s,
			     .c = c,
			     .shape = shape_for(r),
			     .stays = stays && !strcmp(stays, "true")};
	if (ws_accept(r, NULL, follow, f))
		return;
	toolbox_error(r, 400, "BAD_REQUEST", "bad request: not a websocket handshake");
	session_unref(s);
	free(f);
}

void toolbox_command_input(struct request *r)
{
	const struct json *doc = request_json(r);
	struct session *s = wanted(r);
	struct command *c = s ? wanted_command(r, s) : NULL;
	const char *text = NULL;
	struct buf line;

	if (!c) {
		session_unref(s);
		return;
	}
	buf_init(&line, REQUEST_BODY_MAX);
	if (!doc || json_get_str(doc, "data", &text)) {
		toolbox_error(r, 400, "INVALID_REQUEST_BODY", "bad request: data is required");
	} else {
		(void)buf_str(&line, text);
		if (!line.len || line.data[line.len - 1] != '\n')
			(void)buf_str(&line, "\n");
		if (session_input(s, r->guest, c, line.data))
			toolbox_error(r, 410, "GONE", "gone: command has already completed");
		else
			reply_empty(r, 204);
	}
	buf_deinit(&line);
	session_unref(s);
}
