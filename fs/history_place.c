/* fs/history_place.c - .frag/file/<path…>/<seq>: one file through time.
 *
 * Below the path of a file, a number is that file as the fragment of that number has it: the very inode that
 * fragments/ shows; listed are those in which it changed. Any other name goes one directory deeper, as long as
 * some fragment has something there.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "fs/app.h"
#include "fs/dirbuf.h"
#include "fs/fs_private.h"
#include "fs/listing.h"
#include "fs/names.h"
#include "fs/place.h"
#include "fs/tree_place.h"
#include "store/fragment.h"
#include "store/history.h"
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

static int stop(const struct history_change *c, void *arg)
{
	return 1;
}

/* Whether any fragment has something at `path`: the newest is asked first. */
static int ever_was(struct project *p, const char *path)
{
	struct tree_entry e;
	struct fragment f;
	uint32_t last;
	int r = fragment_last(p, &last);

	if (!r && !fragment_get(p, last, &f) && !tree_lookup(p, &f.tree, path, &e))
		return 1;
	return r ? r : history_each(p, path, stop, NULL);
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

static int gather(const struct history_change *c, void *arg)
{
	char name[16];

	snprintf(name, sizeof(name), "%u", c->seq);
	if (c->mode == MODE_FILE || c->mode == MODE_EXEC || c->mode == MODE_LINK)
		names_add(arg, name, c->mode == MODE_LINK ? S_IFLNK : S_IFREG, c->seq);
	return 0;
}

/* The versions of the file, gathered once for all pieces of a listing. */
static int versions(struct fs *fs, struct node *dir, struct project *p, uint64_t from,
		    struct names **ret)
{
	struct names *ns = from ? names_kept(&fs->history_names, dir->id) : NULL;
	int r = 0;

	if (!ns) {
		ns = names_new();
		r = history_each(p, dir->extra, gather, ns);
		names_sort(ns);
		names_keep(&fs->history_names, dir->id, ns);
	}
	*ret = ns;
	return r;
}

/* False when the answer is full. */
static bool list_version(struct fs *fs, struct node *dir, struct project *p,
			 const struct name *n, uint64_t cookie, struct dirbuf *out)
{
	struct tree_entry e;
	struct fragment f;
	struct node want;
	bool more;

	if (fragment_get(p, n->tag, &f) || file_in(p, &f, dir->extra, &e))
		return true;
	want = tree_place_blob(fs, dir->app, &e);
	more = dirbuf_add(out, n->text, want.ident.ino, want.mode, cookie);
	place_release(&want);
	return more;
}

/* The fragments in which the file is another than in the one before. */
static int list_versions(struct fs *fs, struct node *dir, struct project *p, uint64_t from,
			 struct dirbuf *out)
{
	struct names *ns;
	int r = versions(fs, dir, p, from, &ns);

	for (size_t i = names_after(ns, from); !r && i < ns->order->n; i++)
		if (!list_version(fs, dir, p, names_at(ns, i), names_cookie(ns, i), out))
			break;
	names_put(ns);
	return r;
}

/* The names that the newest fragment has there. */
static int list_names(struct fs *fs, struct node *dir, struct project *p, uint64_t from,
		      struct dirbuf *out)
{
	CLEANUP(listing_putp) const struct tree_list *l = NULL;
	struct tree_entry e;
	struct fragment f;
	uint32_t last;
	int r = fragment_last(p, &last);

	if (r || fragment_get(p, last, &f) || tree_lookup(p, &f.tree, dir->extra, &e) ||
	    e.mode != MODE_TREE)
		return r;
	r = listing_get(p, &e.oid, &l);
	for (size_t i = from; !r && i < l->n; i++) {
		const struct tree_entry *at = &l->entries[i];
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
