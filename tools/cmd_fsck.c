/* frag fsck: proof that git and the index agree and that every byte is what it was.
 *
 * Exit status 0 only when all is well; notes are told but are no problem. With --json the findings are an array in the one
 * document, whose "problems" is the number that decides.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "store/fsck.h"
#include "store/project.h"
#include "store/store.h"
#include "tools/cli.h"
#include "tools/exact.h"
#include "tools/term.h"
#include "tools/verbs.h"

DEFINE_CLEANUP(struct project *, project_unref)
DEFINE_CLEANUP(struct store *, store_close)

struct check {
	struct term term;
	struct json_out *json; /* NULL: for people */
};

static void found(const struct fsck_finding *f, void *arg)
{
	static const char *const levels[] = {"note", "problem"};
	struct check *c = arg;

	if (c->json) {
		json_begin(c->json, '{');
		json_str_field(c->json, "level", levels[f->level]);
		json_str_field(c->json, "project", f->project);
		exact_field(c->json, "words", f->words, strlen(f->words));
		json_end(c->json, '}');
		return;
	}
	term_put(&c->term, f->level == FSCK_PROBLEM ? TERM_RED : TERM_DIM, levels[f->level]);
	(void)printf(": %s%s", f->project ? f->project : "", f->project ? ": " : "");
	term_put(&c->term, TERM_PLAIN, f->words);
	(void)putchar('\n');
}

static void show(const char *phase, uint64_t done, uint64_t total, void *arg)
{
	progress_at(arg, phase, done, total);
}

static int report(struct check *c, const struct fsck_result *result)
{
	struct json_out *o = c->json;
	int status = result->n_problems ? CLI_FAILED : CLI_DONE, r;

	if (!o) {
		(void)printf("%" PRIu64 " fragments, %" PRIu64 " directories, %" PRIu64
			     " files, %" PRIu64 " bytes: ",
			     result->n_fragments, result->n_trees, result->n_blobs,
			     result->n_bytes);
		if (result->n_problems)
			(void)printf("%" PRIu64 " problem%s\n", result->n_problems,
				     result->n_problems == 1 ? "" : "s");
		else
			(void)puts("all is well");
		return status;
	}
	json_end(o, ']');
	json_int_field(o, "problems", (int64_t)result->n_problems);
	json_int_field(o, "notes", (int64_t)result->n_notes);
	json_int_field(o, "fragments", (int64_t)result->n_fragments);
	json_int_field(o, "trees", (int64_t)result->n_trees);
	json_int_field(o, "blobs", (int64_t)result->n_blobs);
	json_int_field(o, "bytes", (int64_t)result->n_bytes);
	json_end(o, '}');
	r = json_out_end(o);
	return r ? r : status;
}

static int check(struct cli *cli, struct store *st, struct project *p, bool quick)
{
	struct fsck_result result = {0};
	struct check c = {0};
	struct fsck how = {.fn = found, .arg = &c, .progress = show, .quick = quick};
	struct progress *bar = progress_new(cli, "fsck");
	struct json_out o;
	int r;

	term_init(&c.term);
	how.progress_arg = bar;
	if (cli->json) {
		json_out_file(&o, stdout);
		json_begin(&o, '{');
		json_key_out(&o, "findings");
		json_begin(&o, '[');
		c.json = &o;
	}
	r = p ? fsck_project(p, &how, &result) : fsck_store(st, &how, &result);
	progress_free(bar);
	if (r == PROJECT_GONE)
		return cli_refuse("`frag project list` shows those there are",
				  "the repository has just vanished");
	return r ? CLI_FAILED : report(&c, &result);
}

static int run(struct cli *cli, const struct cli_args *args)
{
	CLEANUP(store_closep) struct store *st = NULL;
	CLEANUP(project_unrefp) struct project *p = NULL;
	int r = cli_open_store(cli, &st);

	if (!r && args->n_pos)
		r = cli_open_project(cli, st, args->pos[0], &p);
	return r ? r : check(cli, st, p, args->values[0] != NULL);
}

static const struct cli_option options[] = {
	{0, "quick", NULL, "refs, records and commits only: no directories, no files"},
	{0, NULL, NULL, NULL},
};

const struct verb verb_fsck = {
	.name = "fsck",
	.synopsis = "[<project>] [--quick]",
	.summary = "prove that git and the index agree and nothing is damaged",
	.help = "Looks once at every ref, record, commit, directory and file that a fragment "
		"reaches. Exit status 0 only when "
		"there is no problem; notes (refused names, left-over locks) are none.\n"
		"\n"
		"With --json an object: findings (level, project, words), problems, notes, "
		"fragments, trees, blobs, bytes.",
	.options = options,
	.max_pos = 1,
	.run = run,
};
