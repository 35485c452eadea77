/* tests/peers/envd_process.c - process.Process: starting, connecting, listing.
 *
 * A process outlives the stream that started it; what it writes while nobody listens is thrown away. One that ended is
 * remembered for a while, without its output. The deadline of Start is the process's own.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/json.h"
#include "provider/provider.h"
#include "tests/peers/answer.h"
#include "tests/peers/connect.h"
#include "tests/peers/envd.h"
#include "tests/peers/envd_stream.h"
#include "tests/peers/guest.h"
#include "tests/peers/peer_private.h"
#include "tests/peers/run.h"
#include "tests/peers/script.h"

enum { REMEMBER_MS = 30000, TIMEOUT_DIGITS = 10 };

/* Connect-Timeout-Ms: -1 when absent, INT64_MIN when it is none. */
static int64_t timeout_of(struct request *r)
{
	const char *text = request_header(r, "Connect-Timeout-Ms");

	if (!text)
		return -1;
	if (!*text || strlen(text) > TIMEOUT_DIGITS ||
	    strspn(text, "0123456789") != strlen(text))
		return INT64_MIN;
	return (int64_t)strtoull(text, NULL, 10);
}

/* What a ProcessConfig asks for, as an argv. */
struct command {
	char **argv, **env;
	struct buf cwd, words;
	const char *tag;
	bool pty;
};

static void command_free(struct command *c)
{
	answer_env_free(c->argv);
	answer_env_free(c->env);
	buf_deinit(&c->cwd);
	buf_deinit(&c->words);
}

/* The process as List shows it. */
static void describe(struct command *c, const struct json *config)
{
	const struct json *args = NULL, *envs = NULL;
	const char *text = "";
	struct json_out o;

	json_out_buf(&o, &c->words);
	json_begin(&o, '{');
	(void)json_get_str(config, "cmd", &text);
	json_str_field(&o, "cmd", text);
	json_key_out(&o, "args");
	json_begin(&o, '[');
	if (!json_get(config, "args", &args))
		for (const struct json *a = json_first(args); a; a = json_next(a))
			json_put_str(&o, json_str(a));
	json_end(&o, ']');
	(void)json_get(config, "envs", &envs);
	answer_map(&o, "envs", envs);
	if (!json_get_str(config, "cwd", &text))
		json_str_field(&o, "cwd", text);
	json_end(&o, '}');
}

static void put_words(struct buf *line, const char *cmd, const struct json *args)
{
	(void)script_quote(line, cmd);
	for (const struct json *a = args ? json_first(args) : NULL; a; a = json_next(a)) {
		(void)buf_str(line, " ");
		(void)script_quote(line, json_str(a) ? json_str(a) : "");
	}
}

/* On a terminal of script(1), which takes one line for a shell. */
static void make_terminal(struct command *c, const char *cmd, const struct json *args,
			  const struct json *pty)
{
	static const char *const words[] = {"/usr/bin/script", "-qfec", "", "/dev/null"};
	const struct json *size = NULL;
	int64_t rows = 24, cols = 80;
	struct buf line;

	if (!json_get(pty, "size", &size)) {
		(void)json_get_int(size, "rows", &rows);
		(void)json_get_int(size, "cols", &cols);
	}
	buf_init(&line, 1 << 20);
	(void)buf_fmt(&line, "stty rows %d cols %d; exec ", (int)rows, (int)cols);
	put_words(&line, cmd, args);
	c->argv = alloc_array(5, sizeof(*c->argv));
	for (size_t i = 0; i < 4; i++)
		c->argv[i] = i == 2 ? buf_take(&line) : alloc_str(words[i]);
}

/* Behind a shell that says 126 and 127 as the real daemon's does. */
static void make_argv(struct command *c, const char *cmd, const struct json *args)
{
	static const char *const words[] = {"/bin/sh", "-c", "exec \"$@\"", "sh"};
	size_t n = 0;

	c->argv = alloc_array((args ? json_count(args) : 0) + 6, sizeof(*c->argv));
	for (; n < 4; n++)
		c->argv[n] = alloc_str(words[n]);
	c->argv[n++] = alloc_str(cmd);
	for (const struct json *a = args ? json_first(args) : NULL; a; a = json_next(a))
		c->argv[n++] = alloc_str(json_str(a) ? json_str(a) : "");
}

/* NULL, or the words of a refusal. */
static const char *read_command(struct command *c, const struct json *doc)
{
	const struct json *config, *args = NULL, *envs = NULL, *pty = NULL;
	const char *cmd, *cwd = NULL;
	char pwd[REQUEST_PATH_MAX];
	const char *const here[] = {pwd, NULL};

	buf_init(&c->cwd, PROVIDER_WHY_MAX + REQUEST_PATH_MAX);
	buf_init(&c->words, 4 << 20);
	if (json_get(doc, "process", &config) || json_get_str(config, "cmd", &cmd))
		return "process.cmd is missing";
	(void)json_get(config, "args", &args);
	(void)json_get(config, "envs", &envs);
	(void)json_get_str(config, "cwd", &cwd);
	(void)json_get(doc, "pty", &pty);
	(void)json_get_str(doc, "tag", &c->tag);
	if (!envd_path(&c->cwd, cwd))
		return "cwd of another user's home is not supported";
	c->pty = pty;
	if (pty)
		make_terminal(c, cmd, args, pty);
	else
		make_argv(c, cmd, args);
	/* A shell then shows the name of the folder that it was given, not where its link leads. */
	(void)snprintf(pwd, sizeof(pwd), "PWD=%s", c->cwd.data);
	c->env = answer_env(envs, here);
	describe(c, config);
	return NULL;
}

/* Only these users exist. */
static bool user_known(struct request *r)
{
	const char *auth = request_header(r, MHD_HTTP_HEADER_AUTHORIZATION);
	struct buf name;
	bool ok;

	if (!auth || strncmp(auth, "Basic ", 6))
		return true;
	buf_init(&name, 256);
	ok = !base64_decode(&name, auth + 6, strlen(auth + 6));
	name.data[strcspn(name.data, ":")] = '\0';
	ok = ok && (!strcmp(name.data, "user") || !strcmp(name.data, "root"));
	buf_deinit(&name);
	return ok;
}

/* Forgets those that ended long ago, so that their number stays small. */
static void forget_old(struct guest *g)
{
	int64_t before = clock_now(clock_system()) - REMEMBER_MS;
	struct run *old[GUEST_RUNS_MAX];
	size_t n = 0;

	guests_lock(g->all);
	for (size_t i = 0; i < g->n_runs; i++)
		if (run_state(g->runs[i], NULL, NULL) != RUN_RUNS &&
		    run_ended_at(g->runs[i]) < before)
			old[n++] = run_ref(g->runs[i]);
	guests_unlock(g->all);
	for (size_t i = 0; i < n; i++) {
		guest_remove_run(g, old[i]);
		run_unref(old[i]);
	}
}

static void start_command(struct request *r, const struct command *c, const struct json *doc,
			  int64_t timeout)
{
	const struct run_spec spec = {
		.argv = (const char *const *)c->argv,
		.env = (const char *const *)c->env,
		.cwd = c->cwd.data,
		.tag = c->tag,
		.words = c->words.data,
		.hold = true,
		.terminal = c->pty,
		.deadline_ms = timeout > 0 ? timeout : 0,
	};
	bool has_stdin = true;
	char why[RUN_WHY_MAX], text[RUN_WHY_MAX + REQUEST_PATH_MAX];
	struct run *run;
	int err;

	forget_old(r->guest);
	err = run_start(r->guest, &spec, &run, why);
	if (err) {
		(void)snprintf(text, sizeof(text),
			       strstr(why, "No such file")
				       ? "cwd '%s' does not exist"
				       : "error starting process in '%s': %s",
			       c->cwd.data, why);
		envd_stream_refuse(r, err == RUN_ASLEEP ? "unavailable" : "invalid_argument",
				   text);
		return;
	}
	(void)json_get_bool(doc, "stdin", &has_stdin);
	if (!has_stdin && !c->pty)
		run_close_input(run);
	if (!guest_add_run(r->guest, run))
		run_signal(run, SIGKILL);
	envd_stream(r,
		    &(struct stream_of){
			    .run = run, .from_start = true, .pty = c->pty, .deadline_ms = -1});
}

void envd_start(struct request *r)
{
	const struct json *doc = envd_stream_message(r);
	int64_t timeout = timeout_of(r);
	struct command c = {0};
	const char *wrong;

	if (!doc)
		return;
	if (timeout == INT64_MIN) {
		envd_stream_refuse(r, "invalid_argument", "protocol error: invalid timeout");
		return;
	}
	if (!timeout) {
		envd_stream_refuse(r, "deadline_exceeded", "context deadline exceeded");
		return;
	}
	wrong = user_known(r) ? read_command(&c, doc) : "error looking up user";
	if (wrong)
		envd_stream_refuse(
			r, c.argv || user_known(r) ? "invalid_argument" : "unauthenticated",
			wrong);
	else
		start_command(r, &c, doc, timeout);
	command_free(&c);
}

void envd_connect(struct request *r)
{
	const struct json *doc = envd_stream_message(r);
	int64_t timeout = timeout_of(r);
	struct run *run;
	char what[300];

	if (!doc)
		return;
	forget_old(r->guest);
	run = envd_selected(r->guest, doc, what, sizeof(what));
	if (!run) {
		envd_stream_refuse(r, "not_found", what);
		return;
	}
	envd_stream(r, &(struct stream_of){.run = run,
					   .pty = run_is_terminal(run),
					   .deadline_ms = timeout});
}

void envd_list(struct request *r)
{
	struct guest *g = r->guest;
	struct answer a;

	answer_begin(&a, '{');
	json_key_out(&a.out, "processes");
	json_begin(&a.out, '[');
	guests_lock(g->all);
	for (size_t i = 0; i < g->n_runs; i++) {
		if (run_state(g->runs[i], NULL, NULL) != RUN_RUNS || !run_words(g->runs[i]))
			continue;
		json_begin(&a.out, '{');
		json_int_field(&a.out, "pid", run_pid(g->runs[i]));
		if (run_tag(g->runs[i]))
			json_str_field(&a.out, "tag", run_tag(g->runs[i]));
		/* The description is a document of its own. */
		json_key_out(&a.out, "config");
		(void)buf_str(&a.buf, run_words(g->runs[i]));
		json_end(&a.out, '}');
	}
	guests_unlock(g->all);
	json_end(&a.out, ']');
	answer_send(r, &a, '}', 200);
}
