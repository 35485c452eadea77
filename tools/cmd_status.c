/* frag status: where a work tree stands and what differs. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "store/project.h"
#include "tools/verbs.h"
#include "tools/work_client.h"

static void print_changes(const struct work_call *c)
{
	const struct json *list, *e;

	if (json_get(c->answer, "changes", &list))
		return;
	for (e = json_first(list); e; e = json_next(e)) {
		const char *path = "", *status = "";

		(void)json_get_str(e, "path", &path);
		(void)json_get_str(e, "status", &status);
		printf("  %-9s %s\n", status, path);
	}
	if (json_get(c->answer, "leftOut", &list))
		return;
	for (e = json_first(list); e; e = json_next(e)) {
		const char *path = "", *why = "";

		(void)json_get_str(e, "path", &path);
		(void)json_get_str(e, "why", &why);
		printf("  %-9s %s (%s)\n", "left out", path, why);
	}
}

static void print_words(const struct work_call *c)
{
	const char *branch = work_call_str(c, "branch"), *busy = work_call_str(c, "unfinished");
	long long n = work_call_int(c, "nChanges");

	printf("%s:%s at fragment %lld (%.12s)%s%s, %lld change%s\n", project_name(c->project),
	       c->work, (long long)work_call_int(c, "seq"), work_call_str(c, "commit"),
	       *branch ? " on " : "",
	       !strncmp(branch, "refs/heads/", 11) ? branch + 11 : branch, n,
	       n == 1 ? "" : "s");
	if (*busy)
		printf("  %s is unfinished\n", busy);
	if (work_call_bool(c, "behind"))
		printf("  its branch was moved by somebody else\n");
	print_changes(c);
}

static int run(struct cli *cli, const struct cli_args *args)
{
	CLEANUP(work_call_deinit) struct work_call c = {0};
	int r = work_call_init(&c, cli, args);

	if (r)
		return r;
	if (args->n_pos != c.used)
		return cli_usage("frag status wants a project at most");
	work_call_begin(&c, "status");
	r = work_call_run(&c);
	if (!r)
		r = work_call_outcome(&c, "show", NULL);
	if (r)
		return r;
	if (cli->json)
		work_call_print(&c);
	else
		print_words(&c);
	return CLI_DONE;
}

const struct verb verb_status = {
	.name = "status",
	.synopsis = "[<project>[:<work>]]",
	.summary = "show where a work tree stands and what is uncommitted",
	.help = "Costs what changed, whatever the size of the tree. `git status` inside the "
		"work tree "
		"says the same in git's words.",
	.max_pos = 1,
	.run = run,
};
