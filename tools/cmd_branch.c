/* frag branch: what it names and in which words; the work is tools/pointer.c's.
 *
 * `frag branch list|create|delete`, and as git has it: `frag branch P` lists, `frag branch P NAME [REV]` creates, -d deletes.
 */
#include <stddef.h>

#include "tools/cli.h"
#include "tools/pointer.h"
#include "tools/verbs.h"

static int run_list(struct cli *cli, const struct cli_args *args)
{
	return pointer_list(cli, args, &pointer_branch);
}

const struct verb verb_branch_list = {
	.name = "branch list",
	.synopsis = "[<project>]",
	.summary = "list the branches of a project",
	.help = "HEAD's is marked. With --json an array of objects: name, commit, seq, time, "
		"title, head.",
	.max_pos = 1,
	.run = run_list,
};

enum { CREATE_FORCE };

static int run_create(struct cli *cli, const struct cli_args *args)
{
	const struct pointer_create how = {
		.force = args->values[CREATE_FORCE] != NULL,
	};

	return pointer_create(cli, args, &pointer_branch, &how);
}

static const struct cli_option create_options[] = {
	[CREATE_FORCE] = {'f', "force", NULL, "move it if it is there"},
	{0, NULL, NULL, NULL},
};

const struct verb verb_branch_create = {
	.name = "branch create",
	.synopsis = "[<project>] <name> [<revision>]",
	.summary = "make a branch at a fragment",
	.help = "At HEAD when no revision is named.",
	.options = create_options,
	.min_pos = 1,
	.max_pos = 3,
	.run = run_create,
};

static int run_delete(struct cli *cli, const struct cli_args *args)
{
	return pointer_delete(cli, args, &pointer_branch);
}

const struct verb verb_branch_delete = {
	.name = "branch delete",
	.synopsis = "[<project>] <name>",
	.summary = "delete a branch",
	.help = "No fragment is lost by it: each is kept by its number.",
	.min_pos = 1,
	.max_pos = 2,
	.run = run_delete,
};

enum { SHORT_DELETE = 1 };

static int run_short(struct cli *cli, const struct cli_args *args)
{
	if (args->values[SHORT_DELETE])
		return run_delete(cli, args);
	return args->n_pos < 2 ? run_list(cli, args) : run_create(cli, args);
}

static const struct cli_option short_options[] = {
	[CREATE_FORCE] = {'f', "force", NULL, "move it if it is there"},
	[SHORT_DELETE] = {'d', "delete", NULL, "delete it"},
	{0, NULL, NULL, NULL},
};

const struct verb verb_branch = {
	.name = "branch",
	.synopsis = "[<project>] [<name> [<revision>]] [-d <name>]",
	.summary = "the same in git's words: list, create, delete",
	.options = short_options,
	.max_pos = 3,
	.run = run_short,
	.hidden = true,
};
