/* frag merge: another branch or fragment into a work tree, and the way back. */
#include <stdio.h>

#include "base/cleanup.h"
#include "store/project.h"
#include "tools/exact.h"
#include "tools/verbs.h"
#include "tools/work_client.h"

enum { MERGE_ABORT };

static int print(const struct work_call *c, const char *rev)
{
	long long n = work_call_int(c, "conflicts");

	if (c->cli->json)
		work_call_print(c);
	else if (n)
		printf("%s:%s: %lld conflict%s with %s\n", project_name(c->project), c->work, n,
		       n == 1 ? "" : "s", rev);
	else
		printf("%s:%s: merged %s (%.12s)%s\n", project_name(c->project), c->work, rev,
		       work_call_str(c, "commit"),
		       work_call_bool(c, "fastForward") ? ", fast-forward" : "");
	if (!c->cli->json && work_call_bool(c, "setAside"))
		printf("what was uncommitted did not fit and is kept: `frag op log`\n");
	if (n)
		return cli_refuse(
			"edit them, `git add` each and `frag commit`; or `frag merge --abort`",
			"the merge has conflicts");
	return CLI_DONE;
}

static int give_up(struct work_call *c)
{
	int r;

	work_call_begin(c, "abort");
	r = work_call_run(c);
	if (!r)
		r = work_call_outcome(c, "give up", NULL);
	if (r)
		return r;
	cli_changed(c->cli, project_name(c->project));
	if (c->cli->json)
		work_call_print(c);
	else
		printf("%s:%s: as it was before the merge\n", project_name(c->project),
		       c->work);
	return CLI_DONE;
}

static int run(struct cli *cli, const struct cli_args *args)
{
	CLEANUP(work_call_deinit) struct work_call c = {0};
	bool nothing = false;
	struct oid theirs;
	int r = work_call_init(&c, cli, args);

	if (r)
		return r;
	if (args->n_pos != c.used + !args->values[MERGE_ABORT])
		return cli_usage("frag merge wants a project and a version, or --abort");
	if (args->values[MERGE_ABORT])
		return give_up(&c);
	r = cli_revision(c.project, args->pos[c.used], &theirs);
	if (r)
		return r;
	work_call_begin(&c, "merge");
	exact_oid_field(&c.out, "commit", &theirs);
	json_str_field(&c.out, "name", args->pos[c.used]);
	work_call_author(&c);
	r = work_call_run(&c);
	if (!r)
		r = work_call_outcome(&c, "merge", &nothing);
	if (r)
		return r;
	cli_changed(cli, project_name(c.project));
	if (!nothing || cli->json)
		return print(&c, args->pos[c.used]);
	printf("%s:%s: has all of %s already\n", project_name(c.project), c.work,
	       args->pos[c.used]);
	return CLI_DONE;
}

static const struct cli_option options[] = {
	[MERGE_ABORT] = {0, "abort", NULL, "give an unfinished merge up"},
	{0, NULL, NULL, NULL},
};

const struct verb verb_merge = {
	.name = "merge",
	.synopsis = "[<project>[:<work>]] <branch|fragment|revision>, or --abort",
	.summary = "merge a version into a work tree",
	.help = "Three-way. Without conflicts it is a fragment with two parents, at once. "
		"Conflicts "
		"stand in the files as git shows them, and git's own commands finish or give "
		"up the "
		"merge as well; the exit status is 1. What is uncommitted is carried over "
		"where it "
		"fits, and kept in the operation log in any case.",
	.options = options,
	.max_pos = 2,
	.run = run,
};
