/* fs/history_place.c - .frag/file/<path…>/<seq>: one file through time.
 *
 * Below the path of a file, a number is that file as the fragment of that number has it: the very inode that
 * fragments/ shows. Any other name goes one directory deeper, as long as HEAD or the newest fragment has something there.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "fs/app.h"
#include "fs/dirbuf.h"
#include "fs/fs_private.h"
#include "fs/listing.h"
#include "fs/place.h"
#include "fs/tree_place.h"
#include "store/fragment.h"
#include "store/tree.h"

static bool is_file(const struct tree_entry *e)
{
	return e->mode == MODE_FILE || e->mode == MODE_EXEC || e->mode == MODE_LINK;
}

/* The file at `path` in fragment `f`. 0, PLACE_NO_ENTRY, or a fault. */
static int file_in(struct project *p, const struct fragment *f, const char *path,
		   struct tree_entry *ret)
{
	int r = tree_lookup(p, &f->tree, path, ret);

	if (r < 0)
		return r;
	return r || !is_file(ret) ? PLACE_NO_ENTRY : 0;
}

static int find_version(struct fs *fs, struct node *dir, struct project *p, uint32_t seq,
			struct found *ret)
{
	struct tree_entry e;
	struct fragment f;
	struct node want;
	int r = fragment_get(p, seq, &f);

	if (!r)
		r = file_in(p, &f, dir->extra, &e);
	if (r)
		return r < 0 ? r : PLACE_NO_ENTRY;
	want = tree_place_blob(fs, dir->app, &e);
	ret->node = place_node(fs, &want);
	ret->entry_ttl = PLACE_ALWAYS;
	return 0;
}

struct search {
	struct project *p;
	const char *path;
	struct oid last_tree, last_oid;
	bool found;
	int (*fn)(const struct search *s, const struct fragment *f, const struct tree_entry *e);
	void *arg;
};

static int search_one(const struct fragment *f, void *arg)
{
	struct search *s = arg;
	struct tree_entry e;
	int r;

	if (oid_eq(&f->tree, &s->last_tree))
		return 0;
	s->last_tree = f->tree;
	r = tree_lookup(s->p, &f->tree, s->path, &e);
	if (r || oid_eq(&e.oid, &s->last_oid))
		return r < 0 ? r : 0;
	s->last_oid = e.oid;
	return s->fn(s, f, &e);
}

static int stop(const struct search *s, const struct fragment *f, const struct tree_entry *e)
{
	return 1;
}

/* Whether any fragment has something at `path`: the newest is asked first. */
static int ever_was(struct project *p, const char *path)
{
	struct search s = {.p = p, .path = path, .fn = stop};
	struct tree_entry e;
	struct fragment f;
	uint32_t last;
	int r = fragment_last(p, &last);

	if (!r && !fragment_get(p, last, &f) && !tree_lookup(p, &f.tree, path, &e))
		return 1;
	return r ? r : fragment_each(p, 1, search_one, &s);
}

static int lookup(struct fs *fs, struct node *dir, const char *name, struct found *ret)
{
	CLEANUP(project_unrefp) struct project *p = NULL;
	const char *path = dir->extra;
	CLEANUP(free_p) char *below = alloc_fmt("%s%s%s", path, *path ? "/" : "", name);
	bool is_number = strspn(name, "0123456789") == strlen(name);
	struct node want;
	int r = app_use(fs, dir->app, &p);

	if (r)
		return r;
	if (is_number && *path) {
		r = find_version(fs, dir, p, fragment_seq_of_name(name), ret);
		if (r != PLACE_NO_ENTRY)
			return r;
	}
	r = ever_was(p, below);
	if (r <= 0)
		return r < 0 ? r : PLACE_NO_ENTRY;
	want = place_subdir(fs, dir, name, PLACE_HISTORY);
	want.extra = TAKE(below);
	ret->node = place_node(fs, &want);
	return 0;
}

struct lister {
	struct fs *fs;
	struct node *dir;
	struct dirbuf *out;
};

static int list_version(const struct search *s, const struct fragment *f,
			const struct tree_entry *e)
{
	const struct lister *l = s->arg;
	struct node want;
	char name[16];
	bool more;

	if (!is_file(e))
		return 0;
	want = tree_place_blob(l->fs, l->dir->app, e);
	snprintf(name, sizeof(name), "%u", f->seq);
	more = dirbuf_add(l->out, name, want.ident.ino, want.mode, f->seq);
	place_release(&want);
	return !more;
}

/* The fragments, in order of their numbers, in which the file is another than in the one before. */
static int list_versions(struct fs *fs, struct node *dir, struct project *p, uint64_t from,
			 struct dirbuf *out)
{
	struct lister l = {fs, dir, out};
	struct search s = {.p = p, .path = dir->extra, .fn = list_version, .arg = &l};
	struct fragment f;
	struct tree_entry e;
	int r;

	if (from >= UINT32_MAX)
		return 0;
	if (from && !fragment_get(p, (uint32_t)from, &f) && !file_in(p, &f, dir->extra, &e))
		s.last_oid = e.oid;
	r = fragment_each(p, (uint32_t)from + 1, search_one, &s);
	return r < 0 ? r : 0;
}

/* The names that the newest fragment has there. */
static int list_names(struct fs *fs, struct node *dir, struct project *p, uint64_t from,
		      struct dirbuf *out)
{
	CLEANUP(listing_putp) struct listing *l = NULL;
	struct tree_entry e;
	struct fragment f;
	uint32_t last;
	int r = fragment_last(p, &last);

	if (r || fragment_get(p, last, &f) || tree_lookup(p, &f.tree, dir->extra, &e) ||
	    e.mode != MODE_TREE)
		return r;
	r = listing_get(fs->listings, p, &e.oid, &l);
	for (size_t i = from; !r && i < l->list->n; i++) {
		const struct tree_entry *at = &l->list->entries[i];
		struct ident id = ident_child(&fs->secret, &dir->ident, at->name, at->name_len);

		if (!at->verdict && !dirbuf_add(out, at->name, id.ino, S_IFDIR, i + 1))
			break;
	}
	return r;
}

static int list(struct fs *fs, struct node *dir, uint64_t from, struct dirbuf *out)
{
	CLEANUP(project_unrefp) struct project *p = NULL;
	struct tree_entry e;
	struct fragment f;
	uint32_t last = 0;
	int r = app_use(fs, dir->app, &p);

	if (!r)
		r = fragment_last(p, &last);
	if (r)
		return r < 0 ? r : -EIO;
	if (!fragment_get(p, last, &f) && !tree_lookup(p, &f.tree, dir->extra, &e) &&
	    e.mode == MODE_TREE)
		return list_names(fs, dir, p, from, out);
	return list_versions(fs, dir, p, from, out);
}

const struct place_ops place_history = {
	.lookup = lookup,
	.list = list,
};
