/* Changes between two trees, in the forms that verbs offer.
 *
 * Names and JSON stream one change at a time; a patch is built in memory and has a ceiling, beyond which the
 * other forms are the answer.
 */
#include "tools/changes.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "store/diff.h"
#include "store/tree.h"
#include "tools/cli.h"
#include "tools/diffstat.h"
#include "tools/exact.h"
#include "tools/term.h"

#define PATCH_MAX ((size_t)256 << 20)
enum { BAR_MAX = 40, CHANGES_ENOUGH = 100 };

static int settle(int r)
{
	switch (r) {
	case 0:
	case CHANGES_ENOUGH:
		return CLI_DONE;
	case TREE_MISSING:
	case TREE_CORRUPT:
		return cli_refuse("`frag fsck` says more",
				  "a directory of it is missing or damaged");
	case -E2BIG:
		return cli_refuse("--stat, --name-only or --json have no such limit",
				  "the patch is larger than 256 MiB");
	default:
		return CLI_FAILED;
	}
}

struct names {
	struct term term;
	bool only;
};

static int print_name(const struct diff_change *c, void *arg)
{
	static const char letters[] = "ADM";
	static const enum term_colour colours[] = {TERM_GREEN, TERM_RED, TERM_YELLOW};
	const struct names *n = arg;

	if (!n->only) {
		term_putn(&n->term, colours[c->kind], &letters[c->kind], 1);
		(void)fputs("  ", stdout);
	}
	term_put(&n->term, TERM_PLAIN, c->path);
	(void)putchar('\n');
	return ferror(stdout) ? CHANGES_ENOUGH : 0;
}

int changes_print_names(const struct changes *c, bool only_names)
{
	struct names n = {.only = only_names};

	term_init(&n.term);
	return settle(diff_trees(c->project, &c->from, &c->to, print_name, &n));
}

static void mode_field(struct json_out *o, const char *key, uint32_t mode)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%06" PRIo32, mode);
	json_str_field(o, key, mode ? text : NULL);
}

static int put_change(const struct diff_change *c, void *arg)
{
	static const char *const words[] = {"added", "deleted", "modified"};
	struct json_out *o = arg;

	json_begin(o, '{');
	json_str_field(o, "status", words[c->kind]);
	exact_field(o, "path", c->path, strlen(c->path));
	mode_field(o, "old_mode", c->old_mode);
	mode_field(o, "new_mode", c->new_mode);
	exact_oid_field(o, "old_oid", &c->old_oid);
	exact_oid_field(o, "new_oid", &c->new_oid);
	json_end(o, '}');
	return ferror(stdout) ? CHANGES_ENOUGH : 0;
}

int changes_json(const struct changes *c, struct json_out *o)
{
	int r;

	json_begin(o, '[');
	r = diff_trees(c->project, &c->from, &c->to, put_change, o);
	json_end(o, ']');
	return settle(r);
}

int changes_print_patch(const struct changes *c)
{
	CLEANUP(buf_deinit) struct buf patch;
	struct term t;
	int r;

	term_init(&t);
	buf_init(&patch, PATCH_MAX);
	r = diff_patch(c->project, &c->from, &c->to, &patch);
	if (!r)
		term_put_patch(&t, patch.data, patch.len);
	return settle(r);
}

int changes_json_patch(const struct changes *c, struct json_out *o)
{
	CLEANUP(buf_deinit) struct buf patch;
	int r;

	buf_init(&patch, PATCH_MAX);
	r = diff_patch(c->project, &c->from, &c->to, &patch);
	if (!r)
		exact_field(o, "patch", patch.data, patch.len);
	return settle(r);
}

struct stat_sum {
	struct term term;
	uint64_t files, added, deleted, most;
	size_t width;
};

static int measure(const struct diffstat_file *f, void *arg)
{
	struct stat_sum *s = arg;

	s->files++;
	s->added += f->added;
	s->deleted += f->deleted;
	if (f->added + f->deleted > s->most)
		s->most = f->added + f->deleted;
	if (f->path_len > s->width)
		s->width = f->path_len < 60 ? f->path_len : 60;
	return 0;
}

static void put_bar(const struct stat_sum *s, enum term_colour colour, char sign, uint64_t n)
{
	uint64_t len = s->most > BAR_MAX ? (n * BAR_MAX + s->most - 1) / s->most : n;
	char bar[BAR_MAX + 1];

	memset(bar, sign, sizeof(bar));
	term_putn(&s->term, colour, bar, len < BAR_MAX ? len : BAR_MAX);
}

static int print_stat(const struct diffstat_file *f, void *arg)
{
	const struct stat_sum *s = arg;

	(void)putchar(' ');
	term_putn(&s->term, TERM_PLAIN, f->path, f->path_len);
	if (f->path_len < s->width)
		(void)printf("%*s", (int)(s->width - f->path_len), "");
	if (f->binary) {
		(void)fputs(" | binary\n", stdout);
		return 0;
	}
	(void)printf(" | %5" PRIu64 " ", f->added + f->deleted);
	put_bar(s, TERM_GREEN, '+', f->added);
	put_bar(s, TERM_RED, '-', f->deleted);
	(void)putchar('\n');
	return 0;
}

int changes_print_stat(const struct changes *c)
{
	CLEANUP(buf_deinit) struct buf patch;
	struct stat_sum s = {0};
	int r;

	term_init(&s.term);
	buf_init(&patch, PATCH_MAX);
	r = diff_patch(c->project, &c->from, &c->to, &patch);
	if (r)
		return settle(r);
	(void)diffstat_each(patch.data, patch.len, measure, &s);
	(void)diffstat_each(patch.data, patch.len, print_stat, &s);
	(void)printf(
		" %" PRIu64 " file%s changed, %" PRIu64 " line%s added, %" PRIu64 " deleted\n",
		s.files, s.files == 1 ? "" : "s", s.added, s.added == 1 ? "" : "s", s.deleted);
	return CLI_DONE;
}
