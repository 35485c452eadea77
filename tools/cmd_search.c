/* frag search: a pattern over every version of every project.
 *
 * Each distinct content is read once (store/search.h); what is printed is the file, the fragments that have it, and its matching
 * lines. Exit status 1 when nothing matched would be grep's way; here 1 means a failure, so no match is 0 and silence.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "store/commit.h"
#include "store/fragment.h"
#include "store/project.h"
#include "store/refresh.h"
#include "store/search.h"
#include "store/store.h"
#include "tools/cli.h"
#include "tools/exact.h"
#include "tools/term.h"
#include "tools/verbs.h"

DEFINE_CLEANUP(struct commit *, commit_free)
DEFINE_CLEANUP(struct project *, project_unref)
DEFINE_CLEANUP(struct store *, store_close)

enum {
	OPTION_PROJECT,
	OPTION_ALL,
	OPTION_LITERAL,
	OPTION_CASE,
	OPTION_BELOW,
	OPTION_FROM,
	OPTION_TO,
	OPTION_FILES,
	OPTION_BINARY,
	OPTION_THREADS,
};
enum { SEARCH_ENOUGH = 100, RANGES_MAX = 1 << 20, THREADS_MAX = 256 };

struct search {
	struct cli *cli;
	struct store *store;
	const struct cli_args *args;
	struct search_options how;
	struct term term;
	struct json_out *json; /* NULL: for people */
	const char *project;
	uint32_t head; /* searched alone; 0: all fragments */
	struct search_stats sum;
};

static void put_lines_json(struct json_out *o, const struct search_file *f)
{
	json_key_out(o, "lines");
	json_begin(o, '[');
	for (size_t i = 0; i < f->n_lines; i++) {
		const struct search_line *l = &f->lines[i];

		json_begin(o, '{');
		json_int_field(o, "line", l->line);
		json_int_field(o, "column", l->column);
		exact_field(o, "text", l->text, l->len);
		json_end(o, '}');
	}
	json_end(o, ']');
}

static void put_ranges_json(struct json_out *o, const struct search *s,
			    const struct search_file *f)
{
	json_key_out(o, "fragments");
	json_begin(o, '[');
	for (size_t i = 0; i < f->n_ranges; i++) {
		json_begin(o, '[');
		json_put_int(o, f->ranges[i].from);
		json_put_int(o, f->ranges[i].to);
		json_end(o, ']');
	}
	if (!f->n_ranges && s->head) {
		json_begin(o, '[');
		json_put_int(o, s->head);
		json_put_int(o, s->head);
		json_end(o, ']');
	}
	json_end(o, ']');
}

static int file_json(const struct search_file *f, struct search *s)
{
	json_begin(s->json, '{');
	json_str_field(s->json, "project", s->project);
	exact_field(s->json, "path", f->path, strlen(f->path));
	exact_oid_field(s->json, "oid", &f->blob);
	put_ranges_json(s->json, s, f);
	put_lines_json(s->json, f);
	json_end(s->json, '}');
	return ferror(stdout) ? SEARCH_ENOUGH : 0;
}

static void put_head(const struct search *s, const struct search_file *f)
{
	CLEANUP(buf_deinit) struct buf ranges;

	buf_init(&ranges, RANGES_MAX);
	if (f->n_ranges)
		(void)search_ranges_text(f->ranges, f->n_ranges, &ranges);
	else
		(void)buf_fmt(&ranges, "%" PRIu32, s->head);
	term_put(&s->term, TERM_BOLD, s->project);
	(void)putchar(' ');
	term_put(&s->term, TERM_YELLOW, ranges.data);
	(void)putchar(' ');
	term_put(&s->term, TERM_CYAN, f->path);
}

static void put_line(const struct search *s, const struct search_line *l)
{
	size_t at = l->column ? l->column - 1 : 0, len = l->match_len;

	at = at < l->len ? at : l->len;
	len = len < l->len - at ? len : l->len - at;
	(void)printf(":%" PRIu32 ": ", l->line);
	term_put_text(&s->term, TERM_PLAIN, l->text, at);
	term_put_text(&s->term, TERM_RED, l->text + at, len);
	term_put_text(&s->term, TERM_PLAIN, l->text + at + len, l->len - at - len);
	(void)putchar('\n');
}

static int file_text(const struct search_file *f, struct search *s)
{
	if (s->args->values[OPTION_FILES]) {
		put_head(s, f);
		(void)putchar('\n');
	}
	for (size_t i = 0; !s->args->values[OPTION_FILES] && i < f->n_lines; i++) {
		put_head(s, f);
		put_line(s, &f->lines[i]);
	}
	return ferror(stdout) ? SEARCH_ENOUGH : 0;
}

static int show(const struct search_file *f, void *arg)
{
	struct search *s = arg;

	return s->json ? file_json(f, s) : file_text(f, s);
}

static void add_stats(struct search_stats *sum, const struct search_stats *one)
{
	sum->n_fragments += one->n_fragments;
	sum->n_blobs += one->n_blobs;
	sum->n_bytes += one->n_bytes;
	sum->n_files += one->n_files;
	sum->n_lines += one->n_lines;
	sum->n_large += one->n_large;
	sum->n_costly += one->n_costly;
	sum->n_unread += one->n_unread;
	sum->cut |= one->cut;
}

/* HEAD's tree, unless all fragments or a range of them are asked for. 0, SEARCH_ENOUGH when there is nothing, or a fault. */
static int head_tree(struct search *s, struct project *p, struct oid *tree)
{
	CLEANUP(commit_freep) struct commit *c = NULL;
	struct project_head head;
	struct fragment f;
	int r = project_head(p, &head);

	s->head = 0;
	if (r)
		return r;
	if (oid_is_zero(&head.commit))
		return SEARCH_ENOUGH;
	r = commit_read(p, &head.commit, &c);
	if (r)
		return r < 0 ? r : SEARCH_ENOUGH;
	if (!fragment_by_commit(p, &head.commit, &f))
		s->head = f.seq;
	*tree = c->tree;
	return 0;
}

static int search_project(struct search *s, struct project *p)
{
	const struct cli_args *a = s->args;
	bool all = a->values[OPTION_ALL] || a->values[OPTION_FROM] || a->values[OPTION_TO];
	struct search_stats stats = {0};
	struct oid tree;
	int r = all ? 0 : head_tree(s, p, &tree);

	s->project = project_name(p);
	if (r)
		return r == SEARCH_ENOUGH ? CLI_DONE : CLI_FAILED;
	s->how.tree = all ? NULL : &tree;
	r = search_run(p, &s->how, show, s, &stats);
	s->how.tree = NULL;
	add_stats(&s->sum, &stats);
	if (r == SEARCH_BAD_PATTERN)
		return cli_refuse("-F takes it as plain text",
				  "the pattern is not a regular "
				  "expression: %s",
				  stats.why);
	return r && r != SEARCH_ENOUGH ? CLI_FAILED : CLI_DONE;
}

static int search_named(const char *name, void *arg)
{
	CLEANUP(project_unrefp) struct project *p = NULL;
	struct search *s = arg;
	struct refresh_result now;

	/* A damaged project was said to be so; it must not hide the others. */
	if (project_open(s->store, name, &p) || refresh_project(p, NULL, NULL, &now))
		return ferror(stdout) ? CLI_FAILED : CLI_DONE;
	return search_project(s, p);
}

static void warn_of_gaps(const struct search *s)
{
	const struct search_stats *t = &s->sum;

	if (t->cut)
		(void)cli_refuse("--below, --from and --to narrow it",
				 "too many lines match: not all are shown");
	if (t->n_large)
		(void)cli_refuse(NULL, "%" PRIu64 " files larger than 16 MiB were not searched",
				 t->n_large);
	if (t->n_costly || t->n_unread)
		(void)cli_refuse(NULL,
				 "%" PRIu64 " files took the pattern too long, %" PRIu64
				 " could not be read",
				 t->n_costly, t->n_unread);
}

static int search(struct search *s, struct project *only)
{
	struct json_out o;
	int r;

	term_init(&s->term);
	if (s->cli->json) {
		json_out_file(&o, stdout);
		json_begin(&o, '[');
		s->json = &o;
	}
	r = only ? search_project(s, only) : project_each(s->store, search_named, s);
	if (r)
		return r < 0 ? CLI_FAILED : r;
	if (s->json) {
		json_end(&o, ']');
		r = json_out_end(&o);
	}
	warn_of_gaps(s);
	return r;
}

static bool read_options(struct search *s)
{
	const char *const *v = s->args->values;
	int64_t from = 0, to = 0, threads = 0;

	if ((v[OPTION_FROM] && !cli_number("--from", v[OPTION_FROM], 1, UINT32_MAX, &from)) ||
	    (v[OPTION_TO] && !cli_number("--to", v[OPTION_TO], 1, UINT32_MAX, &to)) ||
	    (v[OPTION_THREADS] &&
	     !cli_number("--threads", v[OPTION_THREADS], 1, THREADS_MAX, &threads)))
		return false;
	s->how = (struct search_options){
		.pattern = s->args->pos[0],
		.literal = v[OPTION_LITERAL] != NULL,
		.ignore_case = v[OPTION_CASE] != NULL,
		.binary = v[OPTION_BINARY] != NULL,
		.below = v[OPTION_BELOW],
		.from = (uint32_t)from,
		.to = v[OPTION_FROM] && !to ? UINT32_MAX : (uint32_t)to,
		.n_threads = (unsigned)threads,
	};
	if (s->how.to && !s->how.from)
		s->how.from = 1;
	return true;
}

static int run(struct cli *cli, const struct cli_args *args)
{
	CLEANUP(store_closep) struct store *st = NULL;
	CLEANUP(project_unrefp) struct project *p = NULL;
	CLEANUP(free_p) char *here = NULL;
	struct search s = {.cli = cli, .args = args};
	const char *name = args->values[OPTION_PROJECT];
	int r;

	if (!read_options(&s))
		return CLI_USAGE;
	r = cli_open_store(cli, &st);
	if (!r && !name)
		name = here = cli_project_here(cli);
	if (!r && name)
		r = cli_open_project(cli, st, name, &p);
	s.store = st;
	return r ? r : search(&s, p);
}

static const struct cli_option options[] = {
	[OPTION_PROJECT] = {'p', "project", "PROJECT",
			    "only this one (default: where you are, or all)"},
	[OPTION_ALL] = {'a', "all-fragments", NULL, "every version (default: HEAD's)"},
	[OPTION_LITERAL] = {'F', "literal", NULL, "the pattern is plain text"},
	[OPTION_CASE] = {'i', "ignore-case", NULL, "upper and lower case are alike"},
	[OPTION_BELOW] = {0, "below", "PATH", "only files at or below this path"},
	[OPTION_FROM] = {0, "from", "NUMBER", "from this fragment on"},
	[OPTION_TO] = {0, "to", "NUMBER", "up to this fragment"},
	[OPTION_FILES] = {'l', "files", NULL, "only the files, not the lines"},
	[OPTION_BINARY] = {0, "binary", NULL, "also in binary files"},
	[OPTION_THREADS] = {0, "threads", "N",
			    "how many (default: one a processor, at most 16)"},
	{0, NULL, NULL, NULL},
};

const struct verb verb_search = {
	.name = "search",
	.synopsis = "<pattern> [--project PROJECT] [--all-fragments]",
	.summary = "find a pattern in every version at once",
	.help = "A Perl-compatible pattern, matched line by line. Each distinct content is "
		"read once, however many "
		"fragments hold it; a match is printed as project, fragments (\"3-17,20\"), "
		"path, line number and line.\n"
		"\n"
		"With --json an array of objects: project, path, oid, fragments (pairs of "
		"first and last), lines (line, "
		"column, text).\n"
		"\n"
		"  frag search 'TODO|FIXME' --project shop --all-fragments",
	.options = options,
	.min_pos = 1,
	.max_pos = 1,
	.run = run,
};
