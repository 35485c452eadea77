/* frag diff: what lies between two fragments.
 *
 * Two revisions, or `a..b`; with one the other is HEAD. The trees are compared, not the histories, so any two
 * fragments of a project can be.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "store/commit.h"
#include "store/project.h"
#include "store/store.h"
#include "tools/changes.h"
#include "tools/cli.h"
#include "tools/verbs.h"

DEFINE_CLEANUP(struct commit *, commit_free)
DEFINE_CLEANUP(struct project *, project_unref)
DEFINE_CLEANUP(struct store *, store_close)

enum { OPTION_STAT, OPTION_NAME_ONLY, OPTION_NAME_STATUS };

static int tree_of(struct project *p, const char *rev, struct oid *ret)
{
	CLEANUP(commit_freep) struct commit *c = NULL;
	struct oid id;
	int r = cli_revision(p, *rev ? rev : "HEAD", &id);

	if (r)
		return r;
	r = commit_read(p, &id, &c);
	if (r == COMMIT_MISSING)
		return cli_refuse("`frag fsck` says more", "commit '%s' is missing", rev);
	if (r)
		return CLI_FAILED;
	*ret = c->tree;
	return CLI_DONE;
}

static int read_trees(const char *const *revs, size_t n, struct changes *c)
{
	const char *dots = n == 1 ? strstr(revs[0], "..") : NULL;
	CLEANUP(free_p) char *first = NULL;
	const char *second = dots ? dots + 2 : n > 1 ? revs[1] : "HEAD";
	int r;

	first = dots ? alloc_copy(revs[0], (size_t)(dots - revs[0])) : alloc_str(revs[0]);
	if (dots && *second == '.')
		return cli_refuse("write a..b", "'%s' is not understood here", revs[0]);
	r = tree_of(c->project, first, &c->from);
	return r ? r : tree_of(c->project, second, &c->to);
}

static int print_json(const struct changes *c)
{
	struct json_out o;
	int r;

	json_out_file(&o, stdout);
	r = changes_json(c, &o);
	return r ? r : json_out_end(&o);
}

static int run(struct cli *cli, const struct cli_args *args)
{
	CLEANUP(store_closep) struct store *st = NULL;
	CLEANUP(project_unrefp) struct project *p = NULL;
	struct changes c = {0};
	size_t used = 0;
	int r = cli_open_store(cli, &st);

	if (!r)
		r = cli_project_arg(cli, st, args, &p, &used);
	if (r)
		return r;
	if (args->n_pos == used || args->n_pos > used + 2)
		return cli_usage("frag diff wants a project and one or two revisions");
	c.project = p;
	r = read_trees(args->pos + used, args->n_pos - used, &c);
	if (r)
		return r;
	if (cli->json)
		return print_json(&c);
	if (args->values[OPTION_STAT])
		return changes_print_stat(&c);
	if (args->values[OPTION_NAME_ONLY] || args->values[OPTION_NAME_STATUS])
		return changes_print_names(&c, args->values[OPTION_NAME_ONLY] != NULL);
	return changes_print_patch(&c);
}

static const struct cli_option options[] = {
	[OPTION_STAT] = {0, "stat", NULL, "count lines instead of showing them"},
	[OPTION_NAME_ONLY] = {0, "name-only", NULL, "only the paths"},
	[OPTION_NAME_STATUS] = {0, "name-status", NULL, "A, D or M and the path"},
	{0, NULL, NULL, NULL},
};

const struct verb verb_diff = {
	.name = "diff",
	.synopsis = "[<project>] <revision> [<revision>]",
	.summary = "show what changed between two fragments",
	.help = "Prints a patch that `git apply` takes. With one revision the other is HEAD; "
		"a..b means both.\n"
		"\n"
		"With --json an array of objects: status (added, deleted, modified), path, "
		"old_mode, new_mode, old_oid, "
		"new_oid.\n"
		"\n"
		"  frag diff shop 41 42 --stat",
	.options = options,
	.min_pos = 1,
	.max_pos = 3,
	.run = run,
};
