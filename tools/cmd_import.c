/* frag import: brings versions in, from git or from JSON documents.
 *
 * What the source is, is seen by looking (store/import.h) or said with --format. A report at the end says
 * what came in and what did not; anything that was left out makes the exit status 1, except what
 * the source itself lacks.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/utf8.h"
#include "store/import.h"
#include "store/import_git.h"
#include "store/import_json.h"
#include "store/store.h"
#include "tools/cli.h"
#include "tools/verbs.h"

DEFINE_CLEANUP(struct store *, store_close)
DEFINE_CLEANUP(struct progress *, progress_free)

extern char **environ;

/* One run. */
struct run {
	struct cli *cli;
	struct progress *progress;
	struct import_json_problem *problems; /* for the JSON report */
	size_t n, cap;
	int64_t start;
};

static void show(const char *phase, uint64_t done, uint64_t total, void *arg)
{
	struct run *r = arg;

	progress_at(r->progress, phase, done, total);
}

static double seconds(const struct run *r)
{
	return (double)(clock_ns() - r->start) / 1e9;
}

static void put_seconds(const struct run *r, struct json_out *o)
{
	json_int_field(o, "milliseconds", (int64_t)(seconds(r) * 1e3));
}

static int print_git_json(const struct run *r, const struct import_git_report *g)
{
	struct json_out o;

	json_out_file(&o, stdout);
	json_begin(&o, '{');
	json_str_field(&o, "project", g->name);
	json_str_field(&o, "format", "git");
	json_bool_field(&o, "created", g->created);
	json_bool_field(&o, "resumed", g->resumed);
	json_bool_field(&o, "shallow", g->shallow);
	json_int_field(&o, "fragments", g->fragments);
	json_int_field(&o, "new", g->n_new);
	json_int_field(&o, "refs", g->n_refs);
	json_int_field(&o, "brokenRefs", g->n_broken);
	json_int_field(&o, "movedRefs", g->n_moved);
	json_int_field(&o, "addedRefs", g->n_added);
	json_int_field(&o, "diverged", g->n_diverged);
	json_int_field(&o, "clashedTags", g->n_clashed);
	json_int_field(&o, "refusedEntries", (int64_t)g->n_refused);
	json_int_field(&o, "damagedObjects", (int64_t)g->n_damaged);
	json_int_field(&o, "missingContents", (int64_t)g->n_missing);
	json_int_field(&o, "bytes", (int64_t)g->bytes);
	put_seconds(r, &o);
	json_end(&o, '}');
	return json_out_end(&o);
}

static int print_git(const struct run *r, const struct import_git_report *g)
{
	if (r->cli->json)
		return print_git_json(r, g);
	(void)printf("%s: %" PRIu32 " fragments, %" PRIu32 " new, in %.1f s\n", g->name,
		     g->fragments, g->n_new, seconds(r));
	if (!g->created)
		(void)printf("  refs: %" PRIu32 " moved, %" PRIu32 " added\n", g->n_moved,
			     g->n_added);
	if (g->n_diverged)
		(void)printf("  %" PRIu32 " branches changed here and there: theirs are under "
			     "refs/remotes/origin/\n",
			     g->n_diverged);
	if (g->n_clashed)
		(void)printf("  %" PRIu32 " tags differ from the source's: ours were kept\n",
			     g->n_clashed);
	if (g->n_broken)
		(void)printf("  %" PRIu32 " refs of the source point at nothing: left out\n",
			     g->n_broken);
	if (g->n_refused)
		(void)printf("  %" PRIu64
			     " names or modes are refused (hostile or broken trees): "
			     "they show as errors, the rest is served\n",
			     g->n_refused);
	if (g->n_damaged || g->n_missing)
		(void)printf("  the source lacks, or has damaged: %" PRIu64
			     " commits and trees, "
			     "%" PRIu64 " file contents\n",
			     g->n_damaged, g->n_missing);
	if (g->shallow)
		(void)printf("  the source's history is cut off (a shallow clone)\n");
	return 0;
}

static void say(const struct import_json_problem *p)
{
	CLEANUP(buf_deinit) struct buf line;

	buf_init(&line, 16 << 10);
	if (isatty(STDERR_FILENO)) /* a progress bar may stand there */
		(void)buf_str(&line, "\r\033[K");
	(void)utf8_printable(&line, p->file, strlen(p->file));
	(void)buf_fmt(&line, ":%" PRIu32 ": %s: ", p->line,
		      p->mismatch ? "MISMATCH" : "refused");
	(void)utf8_printable(&line, p->why, strlen(p->why));
	(void)fprintf(stderr, "%s\n", line.data);
}

/* Said at once; kept for the JSON report. */
static void hear(const struct import_json_problem *p, void *arg)
{
	struct run *r = arg;

	if (!r->cli->json) {
		say(p);
		return;
	}
	alloc_grow(&r->problems, &r->cap, r->n + 1, sizeof(*r->problems));
	r->problems[r->n++] = (struct import_json_problem){.file = alloc_str(p->file),
							   .line = p->line,
							   .id = alloc_str(p->id),
							   .why = alloc_str(p->why),
							   .mismatch = p->mismatch};
}

static void put_problems(struct json_out *o, const struct run *r, bool mismatch)
{
	json_begin(o, '[');
	for (size_t i = 0; i < r->n; i++) {
		const struct import_json_problem *p = &r->problems[i];

		if (p->mismatch != mismatch)
			continue;
		json_begin(o, '{');
		json_str_field(o, "file", p->file);
		json_int_field(o, "line", p->line);
		json_str_field(o, "id", p->id);
		json_str_field(o, "reason", p->why);
		json_end(o, '}');
	}
	json_end(o, ']');
}

static int print_json_json(const struct run *r, const struct import_json_report *j)
{
	struct json_out o;

	json_out_file(&o, stdout);
	json_begin(&o, '{');
	json_str_field(&o, "project", j->name);
	json_str_field(&o, "format", "json");
	json_bool_field(&o, "created", j->created);
	json_int_field(&o, "documents", (int64_t)j->documents);
	json_int_field(&o, "imported", (int64_t)j->imported);
	json_int_field(&o, "known", (int64_t)j->known);
	json_key_out(&o, "refused");
	put_problems(&o, r, false);
	json_int_field(&o, "validated", (int64_t)j->validated);
	json_int_field(&o, "mismatches", (int64_t)j->mismatches);
	json_key_out(&o, "mismatched");
	put_problems(&o, r, true);
	json_bool_field(&o, "chain", j->chain);
	json_int_field(&o, "branches", j->n_branches);
	json_bool_field(&o, "headStayed", j->head_stayed);
	json_int_field(&o, "fragments", j->fragments);
	put_seconds(r, &o);
	json_end(&o, '}');
	return json_out_end(&o);
}

static int print_json(const struct run *r, const struct import_json_report *j)
{
	if (r->cli->json)
		return print_json_json(r, j);
	(void)printf("%s: %" PRIu64 " documents, %" PRIu64 " imported, %" PRIu64
		     " known before, "
		     "%" PRIu64 " refused, in %.1f s\n",
		     j->name, j->documents, j->imported, j->known, j->refused, seconds(r));
	(void)printf("  validated byte by byte: %" PRIu64 ", mismatches: %" PRIu64 "\n",
		     j->validated, j->mismatches);
	if (j->chain && j->imported > 1)
		(void)printf("  no document names a parent: they are one line, in the order of "
			     "createdAt\n");
	if (j->n_branches)
		(void)printf("  %" PRIu32 " ends of side lines have a branch fragment/<id>\n",
			     j->n_branches);
	if (j->head_stayed)
		(void)printf(
			"  HEAD stayed where it was: its branch has commits that the newest "
			"document does not follow\n");
	return 0;
}

static int import_git_verb(struct run *r, struct store *st, const struct import_request *q)
{
	struct import_git_report report;
	int err = import_git(st, q, &report);

	progress_free(TAKE(r->progress));
	if (err)
		return err;
	cli_changed(r->cli, report.name);
	return print_git(r, &report);
}

static int import_json_verb(struct run *r, struct store *st, const struct import_request *q)
{
	struct import_json_report report;
	int err = import_json(st, q, hear, r, &report);

	progress_free(TAKE(r->progress));
	if (err)
		return err;
	if (report.imported)
		cli_changed(r->cli, report.name);
	err = print_json(r, &report);
	if (err)
		return err;
	return report.refused || report.mismatches ? CLI_FAILED : CLI_DONE;
}

/* Which kind it is: said, or seen. */
static int settle_kind(const struct cli_args *args, const struct import_request *q,
		       enum import_kind *ret)
{
	const char *format = args->values[1];

	if (format && strcmp(format, "git") != 0 && strcmp(format, "json") != 0)
		return cli_usage("--format is git or json, not '%s'", format);
	if (format)
		*ret = !strcmp(format, "git") ? IMPORT_KIND_GIT : IMPORT_KIND_JSON;
	else
		*ret = import_look(q);
	return 0;
}

static void run_deinit(struct run *r)
{
	for (size_t i = 0; i < r->n; i++) {
		free((void *)(uintptr_t)r->problems[i].file);
		free((void *)(uintptr_t)r->problems[i].id);
		free((void *)(uintptr_t)r->problems[i].why);
	}
	free(r->problems);
	progress_free(r->progress);
}

static int run(struct cli *cli, const struct cli_args *args)
{
	CLEANUP(run_deinit) struct run r = {.cli = cli, .start = clock_ns()};
	CLEANUP(store_closep) struct store *st = NULL;
	struct import_no no = {"", ""};
	const char *source = args->n_pos ? args->pos[0] : args->n_rest ? args->rest[0] : NULL;
	struct import_request q = {.source = source,
				   .name = args->values[0],
				   .env = (const char *const *)environ,
				   .may_prompt = isatty(STDIN_FILENO) && isatty(STDERR_FILENO),
				   .progress = show,
				   .arg = &r,
				   .no = &no};
	enum import_kind kind;
	int err;

	if (args->n_pos + args->n_rest != 1)
		return cli_usage("import takes one source");
	err = settle_kind(args, &q, &kind);
	if (err)
		return err;
	if (kind == IMPORT_KIND_UNKNOWN)
		return cli_refuse(no.hint, "%s", no.why);
	err = cli_open_store(cli, &st);
	if (err)
		return err;
	r.progress = progress_new(cli, "import");
	err = kind == IMPORT_KIND_GIT ? import_git_verb(&r, st, &q)
				      : import_json_verb(&r, st, &q);
	if (err == IMPORT_REFUSED && *no.why)
		return cli_refuse(*no.hint ? no.hint : NULL, "%s", no.why);
	return err;
}

static const struct cli_option options[] = {
	{'n', "name", "NAME", "the project's name; otherwise made from the source's"},
	{0, "format", "git|json", "what the source is; otherwise seen by looking"},
	{0, NULL, NULL, NULL},
};

const struct verb verb_import = {
	.name = "import",
	.synopsis = "<git URL or path, or JSON file or folder>",
	.summary = "bring in a git repository, or versions kept as JSON documents",
	.help = "A git repository becomes a project with its branches, tags, remote-tracking "
		"branches and HEAD; every commit they reach is a fragment. The source may be a "
		"path (a repository, a work tree, a bundle) or an address that git fetches "
		"from "
		"(https, http, ssh, git, file). Nothing in the source is run. A password in a "
		"URL "
		"is used and never kept.\n"
		"\n"
		"The same import again brings what is new: branches that only moved at the "
		"source "
		"follow, also when they were rewritten; those that only moved here stay; those "
		"that "
		"moved on both sides are fast-forwarded, or stay and have the source's side at "
		"refs/remotes/origin/<branch>. Nothing that was deleted at the source is "
		"deleted "
		"here. An import that was interrupted shows nothing and is taken up again by "
		"the "
		"same call: of a path, with the pack file it was at; of an address, after the "
		"last "
		"step that was complete (repositories with many tags come in several).\n"
		"\n"
		"A JSON document is {\"id\", \"title\", \"description\"?, \"files\": "
		"{\"<path>\": "
		"\"<content>\"}, \"createdAt\"?, \"parentId\"?, \"author\"?}. A file holds one "
		"per "
		"line, one array of them, or several after each other; a folder holds such "
		"files "
		"(.json, .jsonl, .ndjson). createdAt is an ISO 8601 time or seconds or "
		"milliseconds "
		"since 1970; author is \"Name <mail>\" or {\"name\", \"email\"}. If no "
		"document "
		"names a parent they are one line of versions in the order of createdAt (one "
		"without it has the date of the one before it, or of the file), on top of what "
		"HEAD has; "
		"otherwise "
		"those without parentId are beginnings. A document that is wrong anywhere is "
		"refused "
		"whole, by file and line, with its reason; the others go on, and the exit "
		"status is "
		"1. Documents imported before (known by their id, which is in the commit) are "
		"not "
		"imported again. At the end every document is read back through the store and "
		"compared byte by byte.\n",
	.options = options,
	.min_pos = 0,
	.max_pos = 1,
	.run = run,
};
