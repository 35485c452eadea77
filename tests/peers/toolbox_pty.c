/* tests/peers/toolbox_pty.c - Daytona's terminals, over WebSocket.
 *
 * A terminal is a shell on one of script(1)'s, kept among the sandbox's processes under a tag of its own. Whoever
 * connects sees what is shown from then on, after one text frame that says so; how the shell ended is in the close
 * frame, and for clients that ask by a subprotocol in a text frame before it.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "tests/peers/answer.h"
#include "tests/peers/connect.h"
#include "tests/peers/daytona.h"
#include "tests/peers/run.h"
#include "tests/peers/script.h"
#include "tests/peers/websocket.h"

enum { SIZE_MAX_CELLS = 1000, PTY_ID_MAX = 100 };

static const char exit_control[] = "X-Daytona-Pty-Exit-Control",
		  envs_token[] = "X-Daytona-Pty-Envs~";

static void tag_of(const char *id, char tag[PTY_ID_MAX + 8])
{
	(void)snprintf(tag, PTY_ID_MAX + 8, "pty:%.*s", PTY_ID_MAX, id);
}

static struct run *find(struct guest *g, const char *id)
{
	char tag[PTY_ID_MAX + 8];
	struct run *found = NULL;

	tag_of(id, tag);
	guests_lock(g->all);
	for (size_t i = 0; i < g->n_runs && !found; i++) {
		const char *mine = run_tag(g->runs[i]);

		if (mine && !strcmp(mine, tag) && run_state(g->runs[i], NULL, NULL) == RUN_RUNS)
			found = run_ref(g->runs[i]);
	}
	guests_unlock(g->all);
	return found;
}

struct wish {
	const char *id, *cwd;
	int64_t cols, rows;
	const struct json *envs;
};

static struct run *start(struct request *r, const struct wish *w)
{
	char tag[PTY_ID_MAX + 8], line[200], words[64];
	static const char *const own[] = {"TERM=xterm-256color", "LANG=C.UTF-8", NULL};
	const char *const argv[] = {"/usr/bin/script", "-qfec", line, "/dev/null", NULL};
	char **env = answer_env(w->envs, own), why[RUN_WHY_MAX];
	struct run *run = NULL;
	struct buf dir;

	tag_of(w->id, tag);
	(void)snprintf(line, sizeof(line), "stty rows %d cols %d; exec bash -i -l",
		       (int)w->rows, (int)w->cols);
	(void)snprintf(words, sizeof(words), "{\"cols\":%d,\"rows\":%d}", (int)w->cols,
		       (int)w->rows);
	buf_init(&dir, 4 * REQUEST_PATH_MAX);
	(void)toolbox_path(&dir, w->cwd);
	if (run_start(r->guest,
		      &(struct run_spec){.argv = argv,
					 .env = (const char *const *)env,
					 .cwd = dir.data,
					 .tag = tag,
					 .words = words,
					 .terminal = true,
					 .hold = true},
		      &run, why))
		run = NULL;
	else if (!guest_add_run(r->guest, run))
		run_signal(run, SIGKILL);
	answer_env_free(env);
	buf_deinit(&dir);
	return run;
}

static bool wish_fits(struct request *r, const struct wish *w)
{
	struct run *there;

	if (!w->id || !*w->id || strlen(w->id) >= PTY_ID_MAX || w->cols < 1 || w->rows < 1 ||
	    w->cols > SIZE_MAX_CELLS || w->rows > SIZE_MAX_CELLS) {
		toolbox_error(r, 400, "INVALID_REQUEST_BODY", "bad request: id, cols or rows");
		return false;
	}
	there = find(r->guest, w->id);
	run_unref(there);
	if (there)
		toolbox_error(r, 409, "CONFLICT", "conflict: PTY session already exists");
	return !there;
}

struct talk {
	struct run *run;
	struct listener *listener;
	bool tells_exit;
};

static void say_end(struct talk *t, struct websocket *ws)
{
	char text[120];
	int status = 0;

	(void)run_state(t->run, &status, NULL);
	(void)snprintf(text, sizeof(text),
		       "{\"type\":\"control\",\"status\":\"exited\",\"exitCode\":%d}", status);
	if (t->tells_exit)
		(void)ws_send(ws, WS_TEXT, text, strlen(text));
	(void)snprintf(text, sizeof(text), "{\"exitCode\":%d}", status);
	ws_close(ws, status ? 1011 : 1000, text);
}

/* Takes what the client typed. False when it left. */
static bool take_keys(struct talk *t, struct websocket *ws)
{
	struct ws_frame f;
	int r;

	while (!(r = ws_next(ws, &f)))
		(void)run_input(t->run, f.data, f.len);
	return r >= 0;
}

static void talk(void *arg, struct websocket *ws)
{
	static const char hello[] = "{\"type\":\"control\",\"status\":\"connected\"}";
	struct talk *t = arg;
	bool there = !ws_send(ws, WS_TEXT, hello, sizeof(hello) - 1);

	while (there) {
		struct pollfd fds[2] = {{.fd = ws->fd, .events = POLLIN | POLLRDHUP},
					{.fd = run_listener_fd(t->listener), .events = POLLIN}};
		struct piece p;
		int r;

		there = take_keys(t, ws);
		while (there && !(r = run_next(t->listener, 0, -1, &p)))
			there = !ws_send(ws, WS_BINARY, p.data, p.len);
		if (there && r == LISTEN_END) {
			say_end(t, ws);
			break;
		}
		if (there)
			(void)poll(fds, 2, -1);
	}
	run_unlisten(t->listener);
	run_unref(t->run);
	free(t);
}

/* Takes over the reference. */
static void connect_to(struct request *r, struct run *run, bool from_start)
{
	const char *protocols = request_header(r, "Sec-WebSocket-Protocol");
	struct talk *t = alloc_zero(sizeof(*t));

	*t = (struct talk){.run = run,
			   .listener = run_listen(run, from_start),
			   .tells_exit = protocols && strstr(protocols, exit_control)};
	if (ws_accept(r, t->tells_exit ? exit_control : NULL, talk, t))
		return;
	toolbox_error(r, 400, "BAD_REQUEST", "bad request: not a websocket handshake");
	run_unlisten(t->listener);
	run_unref(run);
	free(t);
}

/* Variables travel as base64url of a JSON object in a subprotocol; the document is the request's. */
static const struct json *envs_of(struct request *r)
{
	const char *at = request_header(r, "Sec-WebSocket-Protocol");
	struct buf text;
	char why[100];

	at = at ? strstr(at, envs_token) : NULL;
	if (!at)
		return NULL;
	at += sizeof(envs_token) - 1;
	buf_init(&text, 1 << 20);
	if (!base64_decode(&text, at, strcspn(at, ", ")))
		(void)json_parse(text.data, text.len, &r->json, why, sizeof(why));
	buf_deinit(&text);
	return r->json;
}

void toolbox_pty_create_connect(struct request *r)
{
	const struct wish w = {.id = request_query(r, "id"),
			       .cwd = request_query(r, "cwd"),
			       .cols = request_query_int(r, "cols", 80),
			       .rows = request_query_int(r, "rows", 24),
			       .envs = envs_of(r)};
	struct run *run;

	if (!wish_fits(r, &w))
		return;
	run = start(r, &w);
	if (run)
		connect_to(r, run, true);
	else
		toolbox_error(r, 500, "INTERNAL_SERVER_ERROR",
			      "the shell could not be started");
}

void toolbox_pty_create(struct request *r)
{
	const struct json *doc = request_json(r);
	struct wish w = {.cols = 80, .rows = 24};
	struct answer a;
	struct run *run;

	if (doc) {
		(void)json_get_str(doc, "id", &w.id);
		(void)json_get_str(doc, "cwd", &w.cwd);
		(void)json_get_int(doc, "cols", &w.cols);
		(void)json_get_int(doc, "rows", &w.rows);
		(void)json_get(doc, "envs", &w.envs);
	}
	if (!wish_fits(r, &w))
		return;
	run = start(r, &w);
	if (!run) {
		toolbox_error(r, 500, "INTERNAL_SERVER_ERROR",
			      "the shell could not be started");
		return;
	}
	run_unref(run);
	answer_begin(&a, '{');
	json_str_field(&a.out, "sessionId", w.id);
	answer_send(r, &a, '}', 201);
}

static struct run *wanted(struct request *r)
{
	struct run *run = find(r->guest, r->args[0]);

	if (!run)
		toolbox_error(r, 404, "NOT_FOUND", "not found: PTY session not found");
	return run;
}

void toolbox_pty_connect(struct request *r)
{
	struct run *run = wanted(r);

	if (run)
		connect_to(r, run, false);
}

static void put_session(struct json_out *o, const struct run *run)
{
	struct json *size = NULL;
	int64_t cols = 80, rows = 24;
	char why[100];

	if (!json_parse(run_words(run), strlen(run_words(run)), &size, why, sizeof(why))) {
		(void)json_get_int(size, "cols", &cols);
		(void)json_get_int(size, "rows", &rows);
	}
	json_free(size);
	json_str_field(o, "id", run_tag(run) + 4);
	json_int_field(o, "cols", cols);
	json_int_field(o, "rows", rows);
	json_bool_field(o, "active", true);
}

void toolbox_pty_get(struct request *r)
{
	struct run *run = wanted(r);
	struct answer a;

	if (!run)
		return;
	answer_begin(&a, '{');
	put_session(&a.out, run);
	answer_send(r, &a, '}', 200);
	run_unref(run);
}

void toolbox_pty_list(struct request *r)
{
	struct guest *g = r->guest;
	struct answer a;

	answer_begin(&a, '{');
	json_key_out(&a.out, "sessions");
	json_begin(&a.out, '[');
	guests_lock(g->all);
	for (size_t i = 0; i < g->n_runs; i++) {
		const char *tag = run_tag(g->runs[i]);

		if (!tag || strncmp(tag, "pty:", 4) ||
		    run_state(g->runs[i], NULL, NULL) != RUN_RUNS)
			continue;
		json_begin(&a.out, '{');
		put_session(&a.out, g->runs[i]);
		json_end(&a.out, '}');
	}
	guests_unlock(g->all);
	json_end(&a.out, ']');
	answer_send(r, &a, '}', 200);
}

void toolbox_pty_delete(struct request *r)
{
	struct run *run = wanted(r);
	struct answer a;

	if (!run)
		return;
	run_signal(run, SIGKILL);
	guest_remove_run(r->guest, run);
	answer_begin(&a, '{');
	json_str_field(&a.out, "message", "PTY session deleted");
	answer_send(r, &a, '}', 200);
	run_unref(run);
}

void toolbox_pty_resize(struct request *r)
{
	const struct json *doc = request_json(r);
	struct run *run = wanted(r);
	int64_t cols = 0, rows = 0;
	struct answer a;

	if (!run)
		return;
	if (doc) {
		(void)json_get_int(doc, "cols", &cols);
		(void)json_get_int(doc, "rows", &rows);
	}
	if (cols < 1 || rows < 1 || cols > SIZE_MAX_CELLS || rows > SIZE_MAX_CELLS) {
		toolbox_error(r, 400, "BAD_REQUEST",
			      "bad request: cols and rows are 1 to 1000");
	} else if (script_resize(r->guest, run_pid(run), (int)rows, (int)cols)) {
		toolbox_error(r, 500, "INTERNAL_SERVER_ERROR",
			      "the terminal cannot be resized");
	} else {
		answer_begin(&a, '{');
		json_str_field(&a.out, "id", r->args[0]);
		json_int_field(&a.out, "cols", cols);
		json_int_field(&a.out, "rows", rows);
		json_bool_field(&a.out, "active", true);
		answer_send(r, &a, '}', 200);
	}
	run_unref(run);
}
