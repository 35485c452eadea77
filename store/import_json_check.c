/* Comparing a document with the fragment it became.
 *
 * The files of a document are sorted so that what lies in one directory is one run; the walk takes one
 * listing per directory, finds each name of the run in it, and then the counts must agree: so
 * nothing is missing, nothing is more, nothing is of another type.
 */
#include "store/import_json_check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "store/blob.h"
#include "store/commit.h"
#include "store/fragment.h"
#include "store/tree.h"

DEFINE_CLEANUP(const struct tree_list *, tree_list_unref)
DEFINE_CLEANUP(struct commit *, commit_free)

struct check {
	struct project *p;
	const struct import_json_doc *doc;
	char *why;
	struct buf content;
	int depth;
};

__attribute__((format(printf, 2, 3))) static int differs(char *why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(why, IMPORT_JSON_WHY_MAX, fmt, ap);
	va_end(ap);
	return IMPORT_JSON_DIFFERS;
}

static int check_file(struct check *c, const struct tree_entry *e,
		      const struct import_json_file *f)
{
	int r;

	if (e->verdict || e->mode != MODE_FILE)
		return differs(c->why, "'%.200s' is not a plain file in the fragment", f->path);
	if (e->size != f->len)
		return differs(c->why,
			       "'%.200s' has %llu bytes in the fragment, %zu in the document",
			       f->path, (unsigned long long)e->size, f->len);
	buf_clear(&c->content);
	r = blob_read(c->p, &e->oid, &c->content);
	if (r < 0)
		return r;
	if (r)
		return differs(c->why, "the content of '%.200s' is missing", f->path);
	if (c->content.len != f->len || memcmp(c->content.data, f->data, f->len) != 0)
		return differs(c->why, "'%.200s' has another content in the fragment", f->path);
	return 0;
}

static int check_dir(struct check *c, const struct oid *tree, size_t from, size_t to,
		     size_t skip);

/* One name of a directory: the run of files from `at` on that share it. `next` is behind them. */
static int check_name(struct check *c, const struct tree_list *list, size_t at, size_t to,
		      size_t skip, size_t *next)
{
	const struct import_json_file *files = c->doc->files;
	const char *name = files[at].path + skip;
	size_t len = strcspn(name, "/");
	const struct tree_entry *e;
	char text[256];

	*next = at + 1;
	(void)snprintf(text, sizeof(text), "%.*s", (int)len, name);
	e = tree_list_find(list, text);
	if (!e)
		return differs(c->why, "'%.200s' is missing in the fragment", files[at].path);
	if (!name[len])
		return check_file(c, e, &files[at]);
	while (*next < to && !strncmp(files[*next].path + skip, name, len + 1))
		(*next)++;
	if (e->verdict || e->mode != MODE_TREE)
		return differs(c->why, "'%.200s' lies in no directory in the fragment",
			       files[at].path);
	return check_dir(c, &e->oid, at, *next, skip + len + 1);
}

static int check_dir(struct check *c, const struct oid *tree, size_t from, size_t to,
		     size_t skip)
{
	CLEANUP(tree_list_unrefp) const struct tree_list *list = NULL;
	size_t n = 0;
	int r = tree_list(c->p, tree, &list);

	if (r)
		return r < 0 ? r : differs(c->why, "a directory of the fragment is damaged");
	for (size_t i = from; !r && i < to; n++)
		r = check_name(c, list, i, to, skip, &i);
	if (!r && n != list->n)
		r = differs(c->why, "the fragment has %zu names where the document has %zu",
			    list->n, n);
	return r;
}

static int check_message(struct check *c, const struct oid *commit)
{
	CLEANUP(commit_freep) struct commit *got = NULL;
	CLEANUP(buf_deinit) struct buf want;
	int r = commit_read(c->p, commit, &got);

	buf_init(&want, 4 << 20);
	if (r)
		return r < 0 ? r : differs(c->why, "its commit is missing");
	r = import_json_doc_message(c->doc, &want);
	if (r)
		return r;
	return strcmp(got->message, want.data) != 0
		       ? differs(c->why, "its title or description is another in the fragment")
		       : 0;
}

int import_json_check(struct project *p, const struct oid *commit,
		      const struct import_json_doc *d, char why[IMPORT_JSON_WHY_MAX])
{
	struct check c = {.p = p, .doc = d, .why = why};
	struct fragment f;
	int r = fragment_by_commit(p, commit, &f);

	if (!r)
		r = fragment_get(p, f.seq, &f);
	if (r)
		return r < 0 ? r : differs(why, "its commit has no fragment number");
	if (!oid_eq(&f.commit, commit))
		return differs(why, "its fragment %u is another commit", f.seq);
	buf_init(&c.content, IMPORT_JSON_DOC_MAX);
	r = check_message(&c, commit);
	if (!r)
		r = check_dir(&c, &f.tree, 0, d->n_files, 0);
	buf_deinit(&c.content);
	return r;
}
