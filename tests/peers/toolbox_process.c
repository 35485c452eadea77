/* tests/peers/toolbox_process.c - Daytona's process/execute.
 *
 * The command is the standard input of a shell, both outputs are one, and what is not UTF-8 in them is lost. A
 * program that reads its input eats the rest of the command. All of this is the real daemon's.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/peers/answer.h"
#include "tests/peers/daytona.h"
#include "tests/peers/peer_private.h"
#include "tests/peers/run.h"

enum { RESULT_MAX = 16 << 20 };

static bool is_name(const char *s)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";

	return *s && (*s < '0' || *s > '9') && strspn(s, letters) == strlen(s);
}

static bool names_fit(const struct json *envs)
{
	for (const struct json *v = envs ? json_first(envs) : NULL; v; v = json_next(v))
		if (!is_name(json_key(v)))
			return false;
	return true;
}

static void send_result(struct request *r, int status, const struct buf *out)
{
	struct answer a;

	answer_begin(&a, '{');
	json_int_field(&a.out, "exitCode", status);
	json_key_out(&a.out, "result");
	json_put_strn(&a.out, out->data, out->len);
	answer_send(r, &a, '}', 200);
}

static void run_to_the_end(struct request *r, const struct run_spec *spec, const char *command)
{
	struct listener *l;
	struct run *run;
	struct piece p;
	struct buf out;
	char why[RUN_WHY_MAX];
	int status, err = run_start(r->guest, spec, &run, why);

	buf_init(&out, RESULT_MAX);
	if (err) {
		(void)buf_str(&out, why);
		send_result(r, -1, &out);
		buf_deinit(&out);
		return;
	}
	if (!guest_add_run(r->guest, run))
		run_signal(run, SIGKILL);
	l = run_listen(run, true);
	(void)run_input(run, command, strlen(command));
	(void)run_input(run, "\n", 1);
	run_close_input(run);
	while (!run_next(l, -1, -1, &p))
		(void)buf_add(&out, p.data, p.len);
	switch (run_state(run, &status, NULL)) {
	case RUN_LATE:
		toolbox_error(r, 408,
			      peer_has(r->peer, QUIRK_DAYTONA_S190)
				      ? "REQUEST_TIMEOUT"
				      : "PROCESS_EXECUTION_TIMEOUT",
			      "command execution timeout");
		break;
	case RUN_EXITED:
		send_result(r, status > 128 && status < 160 ? -1 : status, &out);
		break;
	case RUN_RUNS:
	case RUN_LOST:
		reply_empty(r, 502);
	}
	guest_remove_run(r->guest, run);
	run_unlisten(l);
	run_unref(run);
	buf_deinit(&out);
}

void toolbox_execute(struct request *r)
{
	const struct json *doc = request_json(r), *envs = NULL;
	static const char *const argv[] = {"/bin/sh", "-c", "exec bash -s 2>&1", NULL};
	const char *command, *cwd = NULL;
	char pwd[REQUEST_PATH_MAX];
	const char *const here[] = {pwd, NULL};
	int64_t timeout = 0;
	struct buf dir;
	char **env;

	if (!doc || json_get_str(doc, "command", &command) || !*command) {
		toolbox_error(r, 400, "INVALID_REQUEST_BODY",
			      "invalid request body: command is required");
		return;
	}
	(void)json_get_str(doc, "cwd", &cwd);
	(void)json_get(doc, "envs", &envs);
	if (json_get_int(doc, "timeout", &timeout) == JSON_BAD || timeout < 0 ||
	    timeout > INT32_MAX || !names_fit(envs)) {
		toolbox_error(r, 400, "INVALID_REQUEST_BODY",
			      "bad request: timeout or environment is not valid");
		return;
	}
	buf_init(&dir, 4 * REQUEST_PATH_MAX);
	(void)toolbox_path(&dir, cwd);
	(void)snprintf(pwd, sizeof(pwd), "PWD=%s", dir.data);
	env = answer_env(envs, here);
	run_to_the_end(r,
		       &(struct run_spec){.argv = argv,
					  .env = (const char *const *)env,
					  .cwd = dir.data,
					  .hold = true,
					  .deadline_ms = timeout * 1000},
		       command);
	answer_env_free(env);
	buf_deinit(&dir);
}
