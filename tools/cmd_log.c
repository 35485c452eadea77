/* frag log: the fragments of a project, newest first.
 *
 * One fragment is held at a time, whatever the length of the history: the walk asks the index downwards (tools/reach.c) and
 * each commit is read, written and forgotten.
 */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "store/commit.h"
#include "store/fragment.h"
#include "store/project.h"
#include "store/store.h"
#include "tools/cli.h"
#include "tools/describe.h"
#include "tools/reach.h"
#include "tools/term.h"
#include "tools/touched.h"
#include "tools/verbs.h"

DEFINE_CLEANUP(struct commit *, commit_free)
DEFINE_CLEANUP(struct project *, project_unref)
DEFINE_CLEANUP(struct store *, store_close)

enum { LOG_ENOUGH = 1 };

struct log {
	struct project *project;
	struct describe_refs refs;
	struct term term;
	struct json_out *json; /* NULL: for people */
	int64_t left;          /* how many more */
	const char *const *paths;
	size_t n_paths;
};

static int show(const struct fragment *f, void *arg)
{
	CLEANUP(commit_freep) struct commit *c = NULL;
	struct log *l = arg;
	bool shown = true;

	if (l->left <= 0)
		return LOG_ENOUGH;
	/* A commit that is gone or damaged was said to be so; the rest of the list stands. */
	(void)commit_read(l->project, &f->commit, &c);
	if (l->n_paths && c) {
		int r = touched(l->project, c, l->paths, l->n_paths, &shown);

		if (r || !shown)
			return r;
	}
	l->left--;
	if (l->json) {
		json_begin(l->json, '{');
		describe_json(l->json, f, c, &l->refs);
		json_end(l->json, '}');
	} else {
		describe_line(&l->term, f, c, &l->refs);
	}
	/* Whoever reads may have had enough. */
	return ferror(stdout) ? LOG_ENOUGH : 0;
}

static int walk(struct log *l, const char *from)
{
	struct oid start;
	int r = from ? cli_revision(l->project, from, &start) : CLI_DONE;

	if (r)
		return r;
	r = reach_each(l->project, from ? &start : NULL, show, l);
	return r < 0 ? CLI_FAILED : CLI_DONE;
}

static int print(struct cli *cli, struct log *l, const char *from)
{
	struct json_out o;
	int r = describe_refs_load(l->project, &l->refs);

	term_init(&l->term);
	if (cli->json && !r) {
		json_out_file(&o, stdout);
		json_begin(&o, '[');
		l->json = &o;
	}
	if (!r)
		r = walk(l, from);
	if (cli->json && !r) {
		json_end(&o, ']');
		r = json_out_end(&o);
	}
	describe_refs_free(&l->refs);
	return r;
}

static int run(struct cli *cli, const struct cli_args *args)
{
	CLEANUP(store_closep) struct store *st = NULL;
	CLEANUP(project_unrefp) struct project *p = NULL;
	struct log l = {.left = INT64_MAX};
	const char *from = args->values[1];
	size_t used = 0;
	int r;

	if (args->values[0] && !cli_number("-n", args->values[0], 0, INT64_MAX, &l.left))
		return CLI_USAGE;
	r = cli_open_store(cli, &st);
	if (!r)
		r = cli_project_arg(cli, st, args, &p, &used);
	if (r)
		return r;
	if (args->n_pos > used + 1)
		return cli_usage("one argument too many: '%s'", args->pos[used + 1]);
	if (args->n_pos > used && from)
		return cli_usage("either --from or '%s'", args->pos[used]);
	if (args->n_pos > used)
		from = args->pos[used];
	for (size_t i = 0; i < args->n_rest; i++) {
		if (!touched_path_ok(args->rest[i]))
			return cli_usage("'%s' is not a path inside a project", args->rest[i]);
	}
	l.paths = args->rest;
	l.n_paths = args->n_rest;
	l.project = p;
	return print(cli, &l, from);
}

static const struct cli_option options[] = {
	{'n', "number", "N", "at most N of them"},
	{0, "from", "REVISION", "only that fragment and its ancestors"},
	{0, NULL, NULL, NULL},
};

const struct verb verb_log = {
	.name = "log",
	.synopsis = "[<project>] [<revision>] [-n N] [-- <path>...]",
	.summary = "list fragments, newest first",
	.help = "All fragments of a project, of every branch; with a revision only those it "
		"reaches; after -- only "
		"those that changed one of the paths. A revision is a fragment's number, a "
		"branch, a tag, a hash, a "
		"date, or anything git understands.\n"
		"\n"
		"With --json an array of objects: seq, commit, tree, name, time, unix, "
		"parents, title, author, "
		"author_name, author_email, authored, refs. A text that is not UTF-8 has its "
		"bytes in hexadecimal beside it, "
		"as title_hex and so on.\n"
		"\n"
		"In a mounted project its name may be left out.",
	.options = options,
	.max_pos = 2,
	.run = run,
};
