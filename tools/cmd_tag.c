/* frag tag: what it names and in which words; the work is tools/pointer.c's.
 *
 * `frag tag list|create|delete`, and as git has it: `frag tag P` lists, `frag tag P NAME [REV]` creates, -d deletes.
 */
#include <stddef.h>

#include "tools/cli.h"
#include "tools/pointer.h"
#include "tools/verbs.h"

static int run_list(struct cli *cli, const struct cli_args *args)
{
	return pointer_list(cli, args, &pointer_tag);
}

const struct verb verb_tag_list = {
	.name = "tag list",
	.synopsis = "[<project>]",
	.summary = "list the tags of a project",
	.help = "With --json an array of objects: name, commit, seq, time, title.",
	.max_pos = 1,
	.run = run_list,
};

enum { CREATE_FORCE, CREATE_MESSAGE };

static int run_create(struct cli *cli, const struct cli_args *args)
{
	const struct pointer_create how = {
		.force = args->values[CREATE_FORCE] != NULL,
		.message = args->values[CREATE_MESSAGE],
	};

	return pointer_create(cli, args, &pointer_tag, &how);
}

static const struct cli_option create_options[] = {
	[CREATE_FORCE] = {'f', "force", NULL, "move it if it is there"},
	[CREATE_MESSAGE] = {'m', "message", "TEXT", "make a tag object with this message"},
	{0, NULL, NULL, NULL},
};

const struct verb verb_tag_create = {
	.name = "tag create",
	.synopsis = "[<project>] <name> [<revision>]",
	.summary = "make a tag at a fragment",
	.help = "At HEAD when no revision is named. With -m the tag is an object of its own, "
		"with a message, "
		"a date and your name as git knows it ($GIT_COMMITTER_NAME, user.name).",
	.options = create_options,
	.min_pos = 1,
	.max_pos = 3,
	.run = run_create,
};

static int run_delete(struct cli *cli, const struct cli_args *args)
{
	return pointer_delete(cli, args, &pointer_tag);
}

const struct verb verb_tag_delete = {
	.name = "tag delete",
	.synopsis = "[<project>] <name>",
	.summary = "delete a tag",
	.help = "No fragment is lost by it: each is kept by its number.",
	.min_pos = 1,
	.max_pos = 2,
	.run = run_delete,
};

enum { SHORT_DELETE = 2 };

static int run_short(struct cli *cli, const struct cli_args *args)
{
	if (args->values[SHORT_DELETE])
		return run_delete(cli, args);
	return args->n_pos < 2 ? run_list(cli, args) : run_create(cli, args);
}

static const struct cli_option short_options[] = {
	[CREATE_FORCE] = {'f', "force", NULL, "move it if it is there"},
	[CREATE_MESSAGE] = {'m', "message", "TEXT", "make a tag object with this message"},
	[SHORT_DELETE] = {'d', "delete", NULL, "delete it"},
	{0, NULL, NULL, NULL},
};

const struct verb verb_tag = {
	.name = "tag",
	.synopsis = "[<project>] [<name> [<revision>]] [-d <name>]",
	.summary = "the same in git's words: list, create, delete",
	.options = short_options,
	.max_pos = 3,
	.run = run_short,
	.hidden = true,
};
