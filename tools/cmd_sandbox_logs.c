/* frag sandbox run, logs, kill: commands in the background, what they say, and their end.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"
#include "base/utf8.h"
#include "store/project.h"
#include "tools/sandbox.h"
#include "tools/verbs.h"

enum { REQUEST_MS = 30000 };

struct logs {
	struct sandbox s;
	struct provider_exec exec;
	const char *ref;
	char last[PROVIDER_ID_MAX]; /* of the one that started last */
	int64_t started;
	struct json_out *json;
	bool quiet;
	size_t n;
};

static void say(struct provider_call *c, int fd, const void *data, size_t len)
{
	if (io_write_all(fd == 2 ? STDERR_FILENO : STDOUT_FILENO, data, len))
		_exit(128 + SIGPIPE); /* nobody reads us any more */
}

static int start_exec(struct provider *p, void *arg, struct provider_call *c)
{
	struct logs *l = arg;

	return provider_exec(p, l->s.record.id, &l->exec, c);
}

static int start_attach(struct provider *p, void *arg, struct provider_call *c)
{
	struct logs *l = arg;

	return provider_attach(p, l->s.record.id, l->ref, &l->exec, c);
}

static int start_kill(struct provider *p, void *arg, struct provider_call *c)
{
	struct logs *l = arg;

	return provider_kill(p, l->s.record.id, l->ref, SIGTERM, c);
}

static int see(const struct provider_process *s, void *arg)
{
	struct logs *l = arg;
	char time[CLOCK_TEXT_MAX];
	struct buf command;

	l->n++;
	if (s->started >= l->started) {
		l->started = s->started;
		memcpy(l->last, s->ref, sizeof(l->last));
	}
	if (l->quiet)
		return 0;
	if (l->json) {
		json_begin(l->json, '{');
		json_str_field(l->json, "ref", s->ref);
		json_bool_field(l->json, "running", s->running);
		json_int_field(l->json, "status", s->status);
		json_int_field(l->json, "started", s->started);
		json_str_field(l->json, "command", s->command);
		json_end(l->json, '}');
		return 0;
	}
	buf_init(&command, 4 * sizeof(s->command));
	(void)utf8_printable(&command, s->command, strlen(s->command));
	if (s->running)
		printf("%-18s running    %s  %s\n", s->ref, clock_iso(s->started, 0, time),
		       command.data);
	else
		printf("%-18s ended %-4d %s  %s\n", s->ref, s->status,
		       clock_iso(s->started, 0, time), command.data);
	buf_deinit(&command);
	return 0;
}

static int start_processes(struct provider *p, void *arg, struct provider_call *c)
{
	struct logs *l = arg;

	return provider_processes(p, l->s.record.id, see, l, c);
}

static int open_it(struct logs *l, struct cli *cli, const struct cli_args *args, size_t *used)
{
	int r = sandbox_open_existing(&l->s, cli, args, used);

	if (!r && !provider_can(l->s.provider, PROVIDER_CAP_BACKGROUND))
		r = cli_refuse(NULL, "'%s' keeps no commands in the background",
			       provider_name(l->s.provider));
	return r;
}

static int run_run(struct cli *cli, const struct cli_args *args)
{
	struct logs l = {0};
	struct json_out o;
	size_t used;
	int r;

	if (!args->n_rest)
		return cli_usage("no command; it stands behind --");
	r = open_it(&l, cli, args, &used);
	if (!r) {
		l.exec = (struct provider_exec){.argv = args->rest, .background = true};
		r = provider_run(l.s.provider, start_exec, &l, REQUEST_MS, l.s.why);
		r = r ? sandbox_refuse(&l.s, r, "start the command") : CLI_DONE;
	}
	if (!r && cli->json) {
		json_out_file(&o, stdout);
		json_begin(&o, '{');
		json_str_field(&o, "ref", l.exec.ref);
		json_end(&o, '}');
		r = json_out_end(&o);
	} else if (!r) {
		puts(l.exec.ref);
	}
	sandbox_close(&l.s);
	return r;
}

const struct verb verb_sandbox_run = {
	.name = "sandbox run",
	.synopsis = "[<project>] -- <command> [<argument>...]",
	.summary = "start a command in the background of a project's sandbox",
	.help = "Prints the name under which `frag sandbox logs` shows what it says and `frag "
		"sandbox "
		"kill` ends it. It goes on when frag ends, until the sandbox does.\n"
		"\n"
		"  frag sandbox run shop -- npm run dev",
	.max_pos = 1,
	.run = run_run,
};

enum { LOGS_FOLLOW, LOGS_LIST };

static int list(struct logs *l)
{
	struct json_out o;
	int r;

	if (l->s.cli->json && !l->quiet) {
		json_out_file(&o, stdout);
		json_begin(&o, '[');
		l->json = &o;
	}
	r = provider_run(l->s.provider, start_processes, l, REQUEST_MS, l->s.why);
	if (l->json) {
		json_end(&o, ']');
		(void)json_out_end(&o);
	}
	return r ? sandbox_refuse(&l->s, r, "list the background") : CLI_DONE;
}

/* What one of them said. Followed to its end, its exit status is ours. */
static int show(struct logs *l, bool follow)
{
	int r;

	l->exec = (struct provider_exec){.on_output = say, .no_follow = !follow};
	r = provider_run(l->s.provider, start_attach, l, -1, l->s.why);
	if (r)
		return sandbox_refuse(&l->s, r, "read what the command said");
	return follow && !l->exec.running ? l->exec.status : CLI_DONE;
}

static int run_logs(struct cli *cli, const struct cli_args *args)
{
	struct logs l = {0};
	size_t used;
	int r = open_it(&l, cli, args, &used);

	if (!r && args->values[LOGS_LIST]) {
		r = list(&l);
	} else if (!r) {
		l.ref = args->n_pos > used ? args->pos[used] : NULL;
		l.quiet = true;
		if (!l.ref)
			r = list(&l);
		if (!r && !l.ref && !l.n)
			r = cli_refuse("`frag sandbox run` starts one",
				       "nothing was started in the background");
		if (!l.ref)
			l.ref = l.last;
		if (!r)
			r = show(&l, args->values[LOGS_FOLLOW] != NULL);
	}
	sandbox_close(&l.s);
	return r;
}

static const struct cli_option logs_options[] = {
	[LOGS_FOLLOW] = {'f', "follow", NULL, "go on until it ends; its exit status is ours"},
	[LOGS_LIST] = {'l', "list", NULL, "list what was started, and how it ended"},
	{0, NULL, NULL, NULL},
};

const struct verb verb_sandbox_logs = {
	.name = "sandbox logs",
	.synopsis = "[<project>] [<command>]",
	.summary = "show what a command in the background said",
	.help = "Without a command's name, that of the one started last. The latest 8 MB are "
		"kept.",
	.options = logs_options,
	.max_pos = 2,
	.run = run_logs,
};

static int run_kill(struct cli *cli, const struct cli_args *args)
{
	struct logs l = {0};
	size_t used;
	int r = open_it(&l, cli, args, &used);

	if (!r && args->n_pos - used != 1)
		r = cli_usage("which command? `frag sandbox logs --list` shows them");
	if (!r) {
		l.ref = args->pos[used];
		r = provider_run(l.s.provider, start_kill, &l, REQUEST_MS, l.s.why);
		r = r ? sandbox_refuse(&l.s, r, "end the command") : CLI_DONE;
	}
	sandbox_close(&l.s);
	return r;
}

const struct verb verb_sandbox_kill = {
	.name = "sandbox kill",
	.synopsis = "[<project>] <command>",
	.summary = "end a command in the background of a project's sandbox",
	.help = "Sends SIGTERM to it and its children.",
	.min_pos = 1,
	.max_pos = 2,
	.run = run_kill,
};
