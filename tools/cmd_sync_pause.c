/* frag sync pause, frag sync resume: leave a sandbox as it is for a while.
 *
 * The pause stands in the sandbox's record, so it holds for the daemon and for every command, and over restarts.
 */
#include <stdio.h>

#include "base/cleanup.h"
#include "store/project.h"
#include "sync/mirror.h"
#include "tools/cli.h"
#include "tools/sandbox.h"
#include "tools/verbs.h"

enum { PATIENCE_MS = 30000 };

static int set(struct cli *cli, const struct cli_args *args, bool pause)
{
	CLEANUP(sandbox_close) struct sandbox s = {0};
	size_t used;
	int r = sandbox_open_existing(&s, cli, args, &used);

	if (r)
		return r;
	if (args->n_pos != used)
		return cli_usage("it takes one project");
	r = mirror_pause(s.store, s.project, pause, PATIENCE_MS);
	if (r == MIRROR_LATE)
		return cli_refuse("`frag sync status` says what it is about; try again",
				  "somebody has been at the sandbox for half a minute");
	if (r)
		return CLI_FAILED;
	cli_changed(cli, project_name(s.project));
	if (!cli->quiet && !cli->json)
		printf("%s: the sandbox %s\n", project_name(s.project),
		       pause ? "stays as it is from now on" : "follows again");
	return CLI_DONE;
}

static int run_pause(struct cli *cli, const struct cli_args *args)
{
	return set(cli, args, true);
}

static int run_resume(struct cli *cli, const struct cli_args *args)
{
	return set(cli, args, false);
}

const struct verb verb_sync_pause = {
	.name = "sync pause",
	.synopsis = "[<project>]",
	.summary = "leave the sandbox as it is until `frag sync resume`",
	.help = "Checkouts and commits go on; the sandbox does not follow, and what it changes "
		"stays in "
		"it. The "
		"pause outlives the daemon.",
	.max_pos = 1,
	.run = run_pause,
};

const struct verb verb_sync_resume = {
	.name = "sync resume",
	.synopsis = "[<project>]",
	.summary = "let the sandbox follow again",
	.help = "Where a daemon runs it goes on at once; else the next checkout, or `frag sync "
		"wait`, "
		"does.",
	.max_pos = 1,
	.run = run_resume,
};
