/* frag sandbox start, stop, pause, resume.
 */
#include <stdio.h>

#include "base/json.h"
#include "store/project.h"
#include "tools/sandbox.h"
#include "tools/verbs.h"

typedef int (*life_fn)(struct sandbox *s);

static int run(struct cli *cli, const struct cli_args *args, life_fn fn, const char *what,
	       const char *done)
{
	struct json_out o;
	struct sandbox s;
	size_t used;
	int r = sandbox_open_existing(&s, cli, args, &used);

	if (!r) {
		r = fn(&s);
		r = r ? sandbox_refuse(&s, r, what) : CLI_DONE;
	}
	if (!r)
		cli_changed(cli, project_name(s.project));
	if (!r && cli->json) {
		json_out_file(&o, stdout);
		json_begin(&o, '{');
		json_str_field(&o, done, s.record.id);
		json_str_field(&o, "project", project_name(s.project));
		json_end(&o, '}');
		r = json_out_end(&o);
	}
	sandbox_close(&s);
	return r;
}

static int run_start(struct cli *cli, const struct cli_args *args)
{
	return run(cli, args, sandbox_start, "start the sandbox", "started");
}

static int run_stop(struct cli *cli, const struct cli_args *args)
{
	return run(cli, args, sandbox_stop, "stop the sandbox", "stopped");
}

static int run_pause(struct cli *cli, const struct cli_args *args)
{
	return run(cli, args, sandbox_pause, "pause the sandbox", "paused");
}

static int run_resume(struct cli *cli, const struct cli_args *args)
{
	return run(cli, args, sandbox_resume, "resume the sandbox", "resumed");
}

const struct verb verb_sandbox_start = {
	.name = "sandbox start",
	.synopsis = "[<project>]",
	.summary = "start a project's sandbox that was stopped",
	.help = "Its files are as they were. `frag sandbox up` also brings HEAD into it.",
	.max_pos = 1,
	.run = run_start,
};

const struct verb verb_sandbox_stop = {
	.name = "sandbox stop",
	.synopsis = "[<project>]",
	.summary = "stop a project's sandbox and keep its files",
	.help = "The same as `frag sandbox down`.",
	.max_pos = 1,
	.run = run_stop,
};

const struct verb verb_sandbox_pause = {
	.name = "sandbox pause",
	.synopsis = "[<project>]",
	.summary = "pause a project's sandbox, with all that runs in it",
	.help = "For providers that can (`frag provider list`).",
	.max_pos = 1,
	.run = run_pause,
};

const struct verb verb_sandbox_resume = {
	.name = "sandbox resume",
	.synopsis = "[<project>]",
	.summary = "let a paused sandbox go on",
	.max_pos = 1,
	.help = "What ran in it goes on where it was.",
	.run = run_resume,
};
