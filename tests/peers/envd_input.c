/* tests/peers/envd_input.c - process.Process: feeding, signalling, resizing.
 *
 * Only the leader gets a signal, as with the real daemon: what it started lives on. So signals are sent by kill(1)
 * inside, not through the agent, which would reach the whole group.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "tests/peers/connect.h"
#include "tests/peers/envd.h"
#include "tests/peers/guest.h"
#include "tests/peers/peer_private.h"
#include "tests/peers/run.h"
#include "tests/peers/script.h"

struct run *envd_selected(struct guest *g, const struct json *doc, char *what, size_t size)
{
	const struct json *selector;
	const char *tag = NULL;
	struct run *found = NULL;
	int64_t pid = 0;

	(void)snprintf(what, size, "process selector required");
	if (json_get(doc, "process", &selector))
		return NULL;
	if (!json_get_int(selector, "pid", &pid))
		(void)snprintf(what, size, "process with pid %d not found", (int)pid);
	else if (!json_get_str(selector, "tag", &tag))
		(void)snprintf(what, size, "process with tag %s not found", tag);
	guests_lock(g->all);
	for (size_t i = 0; i < g->n_runs && !found; i++) {
		const char *mine = run_tag(g->runs[i]);

		if (tag ? mine && !strcmp(mine, tag) : run_pid(g->runs[i]) == pid)
			found = run_ref(g->runs[i]);
	}
	guests_unlock(g->all);
	return found;
}

/* The one that the request means and that still runs; else it is refused. */
static struct run *running(struct request *r, const struct json **doc)
{
	char what[300];
	struct run *run;

	*doc = request_json(r);
	if (!*doc || !r->body.len) {
		connect_error(r, "invalid_argument",
			      "zero-length payload is not a valid JSON object");
		return NULL;
	}
	run = envd_selected(r->guest, *doc, what, sizeof(what));
	if (run && run_state(run, NULL, NULL) == RUN_RUNS)
		return run;
	run_unref(run);
	connect_error(r, "not_found", "%s", what);
	return NULL;
}

static void done(struct request *r)
{
	reply_bytes(r, &(struct reply){.status = 200, .type = "application/json"}, "{}", 2);
}

void envd_send_input(struct request *r)
{
	const struct json *doc, *input = NULL;
	struct run *run = running(r, &doc);
	const char *text = "";
	struct buf bytes;
	bool pty;

	if (!run)
		return;
	buf_init(&bytes, REQUEST_BODY_MAX);
	pty = !json_get(doc, "input", &input) && !json_get_str(input, "pty", &text);
	if (!pty)
		(void)json_get_str(input, "stdin", &text);
	if (!input || base64_decode(&bytes, text, strlen(text)))
		connect_error(r, "invalid_argument", "input is not base64");
	else if (pty != run_is_terminal(run))
		connect_error(r, "internal", "tty %sassigned to process", pty ? "not " : "");
	else if (!run_input(run, bytes.data, bytes.len))
		connect_error(r, "internal",
			      "error writing to stdin: stdin not enabled or closed");
	else
		done(r);
	buf_deinit(&bytes);
	run_unref(run);
}

static int signal_of(const struct json *doc)
{
	const char *name = "";
	int64_t number = 0;

	if (!json_get_str(doc, "signal", &name)) {
		if (!strcmp(name, "SIGNAL_SIGKILL"))
			return SIGKILL;
		return strcmp(name, "SIGNAL_SIGTERM") ? 0 : SIGTERM;
	}
	(void)json_get_int(doc, "signal", &number);
	return number == SIGKILL || number == SIGTERM ? (int)number : 0;
}

void envd_send_signal(struct request *r)
{
	const struct json *doc;
	struct run *run = running(r, &doc);
	int number = run ? signal_of(doc) : 0;
	char pid[16], word[16];
	const char *const args[] = {word, pid, NULL};

	if (!run)
		return;
	if (!number) {
		connect_error(r, "unimplemented", "invalid signal");
	} else {
		(void)snprintf(pid, sizeof(pid), "%u", run_pid(run));
		(void)snprintf(word, sizeof(word), "-%d", number);
		run_note_signal(run, number);
		if (script_run(r->guest,
			       &(struct script){.text = "kill \"$1\" \"$2\"", .args = args}))
			connect_error(r, "not_found", "process with pid %s not found", pid);
		else
			done(r);
	}
	run_unref(run);
}

void envd_close_stdin(struct request *r)
{
	const struct json *doc;
	struct run *run;

	if (peer_has(r->peer, QUIRK_E2B_OLD_ENVD)) {
		reply_text(r, 404, "404 page not found\n");
		return;
	}
	run = running(r, &doc);
	if (!run)
		return;
	if (run_is_terminal(run)) {
		connect_error(r, "unknown", "stdin of a terminal cannot be closed");
	} else {
		run_close_input(run);
		done(r);
	}
	run_unref(run);
}

void envd_update(struct request *r)
{
	const struct json *doc, *pty = NULL, *size = NULL;
	struct run *run = running(r, &doc);
	int64_t rows = 24, cols = 80;

	if (!run)
		return;
	if (!json_get(doc, "pty", &pty) && !json_get(pty, "size", &size)) {
		(void)json_get_int(size, "rows", &rows);
		(void)json_get_int(size, "cols", &cols);
	}
	if (!run_is_terminal(run) ||
	    script_resize(r->guest, run_pid(run), (int)rows, (int)cols))
		connect_error(r, "internal", "error resizing tty");
	else
		done(r);
	run_unref(run);
}
