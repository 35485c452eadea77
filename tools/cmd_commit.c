/* frag commit and frag restore: what a work tree holds, or an old version, made a fragment.
 *
 * Both end in a commit on the branch that the work tree stands on. What git cannot store stays where it is and is named.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "store/commit.h"
#include "store/fragment.h"
#include "store/project.h"
#include "tools/exact.h"
#include "tools/verbs.h"
#include "tools/work_client.h"

DEFINE_CLEANUP(struct commit *, commit_free)

static void print_left_out(const struct work_call *c)
{
	const struct json *list, *e;

	if (json_get(c->answer, "leftOut", &list))
		return;
	for (e = json_first(list); e; e = json_next(e)) {
		const char *path = "", *why = "";

		(void)json_get_str(e, "path", &path);
		(void)json_get_str(e, "why", &why);
		fprintf(stderr, "left out: '%s': %s\n", path, why);
	}
}

static int finish(struct work_call *c, const char *verb)
{
	bool nothing = false;
	int r = work_call_outcome(c, verb, &nothing);

	if (r)
		return r;
	if (!nothing)
		cli_changed(c->cli, project_name(c->project));
	if (c->cli->json) {
		work_call_print(c);
		return CLI_DONE;
	}
	print_left_out(c);
	if (nothing)
		printf("%s: nothing to %s, '%s' is as its fragment\n", project_name(c->project),
		       verb, c->work);
	else
		printf("%s: fragment %lld (%.12s)\n", project_name(c->project),
		       (long long)work_call_int(c, "seq"), work_call_str(c, "commit"));
	return CLI_DONE;
}

enum { COMMIT_MESSAGE, COMMIT_EMPTY };

static int run_commit(struct cli *cli, const struct cli_args *args)
{
	CLEANUP(work_call_deinit) struct work_call c = {0};
	const char *message = args->values[COMMIT_MESSAGE];
	int r = work_call_init(&c, cli, args);

	if (r)
		return r;
	if (args->n_pos != c.used)
		return cli_usage(
			"frag commit wants a project at most, and the message after -m");
	work_call_begin(&c, "commit");
	json_str_field(&c.out, "message", message ? message : "Work in progress");
	json_bool_field(&c.out, "allowEmpty", args->values[COMMIT_EMPTY] != NULL);
	work_call_author(&c);
	r = work_call_run(&c);
	return r ? r : finish(&c, "commit");
}

static const struct cli_option commit_options[] = {
	[COMMIT_MESSAGE] = {'m', "message", "TEXT",
			    "what the fragment says (Work in progress)"},
	[COMMIT_EMPTY] = {0, "allow-empty", NULL, "also when nothing changed"},
	{0, NULL, NULL, NULL},
};

const struct verb verb_commit = {
	.name = "commit",
	.synopsis = "[<project>[:<work>]] [-m <text>]",
	.summary = "make a fragment of what a work tree holds",
	.help = "Everything that git does not ignore becomes a commit on the branch that the "
		"work "
		"tree stands on, durably; there is no staging. What git cannot store (a name "
		"that is "
		"a spelling of .git, a socket) stays in the work tree and is named. When "
		"somebody "
		"else moved the branch meanwhile nothing is done, and said.\n"
		"\n"
		"Plain `git commit` inside the work tree does as well.",
	.options = commit_options,
	.max_pos = 1,
	.run = run_commit,
};

/* ---- restore ---- */

enum { RESTORE_MESSAGE };

static char *restore_message(const struct work_call *c, const struct oid *commit,
			     const char *title)
{
	char hex[OID_HEX_LEN + 1];
	struct fragment f;

	if (fragment_by_commit(c->project, commit, &f))
		return alloc_fmt("Restore %.12s: %s", oid_hex(commit, hex), title);
	return alloc_fmt("Restore fragment %u: %s", f.seq, title);
}

static int run_restore(struct cli *cli, const struct cli_args *args)
{
	CLEANUP(work_call_deinit) struct work_call c = {0};
	CLEANUP(commit_freep) struct commit *of = NULL;
	CLEANUP(free_p) char *message = NULL;
	struct oid commit;
	int r = work_call_init(&c, cli, args);

	if (r)
		return r;
	if (args->n_pos != c.used + 1)
		return cli_usage("frag restore wants a project and one version");
	r = cli_revision(c.project, args->pos[c.used], &commit);
	if (r)
		return r;
	if (commit_read(c.project, &commit, &of))
		return cli_refuse("`frag fsck` says more", "that version's commit is missing");
	message = args->values[RESTORE_MESSAGE] ? alloc_str(args->values[RESTORE_MESSAGE])
						: restore_message(&c, &commit, of->title);
	work_call_begin(&c, "commit");
	json_str_field(&c.out, "message", message);
	exact_oid_field(&c.out, "restore", &of->tree);
	work_call_author(&c);
	r = work_call_run(&c);
	return r ? r : finish(&c, "restore");
}

static const struct cli_option restore_options[] = {
	[RESTORE_MESSAGE] = {'m', "message", "TEXT", "what the fragment says"},
	{0, NULL, NULL, NULL},
};

const struct verb verb_restore = {
	.name = "restore",
	.synopsis = "[<project>[:<work>]] <fragment|branch|revision>",
	.summary = "make a new fragment with the files of an old one",
	.help = "Nothing of the history is lost or moved: the branch goes on, with the old "
		"files. "
		"What is uncommitted is kept for `frag undo`.",
	.options = restore_options,
	.min_pos = 1,
	.max_pos = 2,
	.run = run_restore,
};
