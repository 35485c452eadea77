/* Listing a tree, depth first, one directory's listing held per level.
 *
 * A tree of twelve objects can hold ten thousand million paths, so the walk has a ceiling on entries and on depth and says when
 * it met one. A refused entry is listed with the reason: hiding it would make the list a lie.
 */
#include "tools/files.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/judge.h"
#include "store/tree.h"
#include "tools/cli.h"
#include "tools/exact.h"
#include "tools/term.h"

enum {
	DEPTH_MAX = 128,
	ENTRIES_MAX = 10000000,
	FILES_ENOUGH = 100,
	FILES_TOO_MANY = 101,
};

DEFINE_CLEANUP(const struct tree_list *, tree_list_unref)

struct files {
	struct project *project;
	struct term term;
	struct json_out *json; /* NULL: for people */
	struct buf path;
	uint64_t n;
	bool deep;
};

static const char *type_of(uint32_t mode)
{
	switch (mode) {
	case MODE_TREE:
		return "directory";
	case MODE_LINK:
		return "link";
	case MODE_GITLINK:
		return "submodule";
	default:
		return "file";
	}
}

void files_entry_json(struct json_out *o, const struct tree_entry *e)
{
	char mode[16];

	(void)snprintf(mode, sizeof(mode), "%06" PRIo32, e->mode);
	json_str_field(o, "mode", mode);
	json_str_field(o, "type", type_of(e->mode));
	exact_oid_field(o, "oid", &e->oid);
	json_int_field(o, "size", (int64_t)e->size);
	if (e->verdict != JUDGE_FINE)
		json_str_field(o, "refused", judge_words(e->verdict));
}

static void put_entry(struct files *f, const struct tree_entry *e)
{
	if (f->json) {
		json_begin(f->json, '{');
		exact_field(f->json, "path", f->path.data, f->path.len);
		files_entry_json(f->json, e);
		json_end(f->json, '}');
		return;
	}
	(void)printf("%06" PRIo32 " %10" PRIu64 "  ", e->mode, e->size);
	term_putn(&f->term, e->mode == MODE_TREE ? TERM_CYAN : TERM_PLAIN, f->path.data,
		  f->path.len);
	if (e->mode == MODE_TREE)
		(void)putchar('/');
	if (e->verdict != JUDGE_FINE) {
		term_put(&f->term, TERM_RED, "  refused: ");
		term_put(&f->term, TERM_RED, judge_words(e->verdict));
	}
	(void)putchar('\n');
}

static int walk(struct files *f, const struct oid *tree, int depth);

static int visit(struct files *f, const struct tree_entry *e, int depth)
{
	size_t len = f->path.len;
	int r = 0;

	if (++f->n > ENTRIES_MAX)
		return FILES_TOO_MANY;
	if (buf_fmt(&f->path, "%s%s", len ? "/" : "", e->name))
		return FILES_TOO_MANY;
	if (f->deep && e->mode == MODE_TREE && e->verdict == JUDGE_FINE)
		r = walk(f, &e->oid, depth + 1);
	else
		put_entry(f, e);
	f->path.len = len;
	f->path.data[len] = '\0';
	return r ? r : ferror(stdout) ? FILES_ENOUGH : 0;
}

static int walk(struct files *f, const struct oid *tree, int depth)
{
	CLEANUP(tree_list_unrefp) const struct tree_list *l = NULL;
	int r = depth < DEPTH_MAX ? tree_list(f->project, tree, &l) : FILES_TOO_MANY;

	for (size_t i = 0; !r && i < l->n; i++)
		r = visit(f, &l->entries[i], depth);
	return r;
}

static int settle(int r)
{
	switch (r) {
	case 0:
	case FILES_ENOUGH:
		return CLI_DONE;
	case TREE_MISSING:
	case TREE_CORRUPT:
		return cli_refuse("`frag fsck` says more", "a directory is missing or damaged");
	case FILES_TOO_MANY:
		return cli_refuse("name a directory of it with :path",
				  "the tree is deeper than %d or has more than %d entries",
				  (int)DEPTH_MAX, (int)ENTRIES_MAX);
	default:
		return CLI_FAILED;
	}
}

static int run(struct files *f, const struct oid *tree)
{
	int r;

	term_init(&f->term);
	buf_init(&f->path, 1 << 16);
	if (f->json)
		json_begin(f->json, '[');
	r = walk(f, tree, 0);
	if (f->json)
		json_end(f->json, ']');
	buf_deinit(&f->path);
	return settle(r);
}

int files_print(struct project *p, const struct oid *tree)
{
	struct files f = {.project = p, .deep = true};

	return run(&f, tree);
}

int files_print_directory(struct project *p, const struct oid *tree)
{
	struct files f = {.project = p};

	return run(&f, tree);
}

int files_json(struct project *p, const struct oid *tree, struct json_out *o)
{
	struct files f = {.project = p, .deep = true, .json = o};

	return run(&f, tree);
}
