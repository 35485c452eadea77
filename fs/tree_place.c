/* fs/tree_place.c - directories and files that come out of git trees.
 *
 * A directory is one inode per view and path, because the kernel allows a directory one name only. A blob is one inode
 * for all fragments and reviews of a project: one copy in the page cache, and `diff -r` knows equal files
 * without reading them. live/ has inodes of its own, since times there say when live/ changed.
 *
 * Entries the judge refused are listed, and looking one up is EIO. So is a blob that is gone from the object
 * store: an empty file in its place would be a lie.
 */
#include "fs/tree_place.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/log.h"
#include "fs/app.h"
#include "fs/dirbuf.h"
#include "fs/fs_private.h"
#include "fs/listing.h"
#include "fs/review.h"
#include "store/blob.h"
#include "store/tree.h"

static struct node tree_root(struct node *dir, enum tree_view view)
{
	return (struct node){.kind = PLACE_TREE,
			     .view = view,
			     .depth = dir->depth + 1,
			     .mode = S_IFDIR | 0755,
			     .size = dir->ident.ino,
			     .app = app_ref(dir->app)};
}

struct node tree_place_fragment(struct fs *fs, struct node *dir, const struct fragment *f,
				enum tree_view view)
{
	struct node n = tree_root(dir, view);
	struct ident_scope scope = app_scope(dir->app);

	n.ident = ident_numbered(&fs->secret, &scope,
				 view == VIEW_REVIEW ? SORT_REVIEW : SORT_FRAGMENT, f->seq);
	n.oid = f->tree;
	n.seq = f->seq;
	n.mtime = f->time;
	return n;
}

struct node tree_place_commit(struct fs *fs, struct node *dir, const struct oid *commit,
			      const struct oid *tree, int64_t time)
{
	struct node n = tree_root(dir, VIEW_COMMIT);
	struct ident_scope scope = app_scope(dir->app);

	n.ident = ident_blob(&fs->secret, &scope, commit, S_IFDIR);
	n.oid = *tree;
	n.mtime = time;
	return n;
}

struct node tree_place_blob(struct fs *fs, struct app *app, const struct tree_entry *e)
{
	struct ident_scope scope = app_scope(app);
	struct node n = {.kind = PLACE_BLOB,
			 .oid = e->oid,
			 .size = e->size,
			 .mtime = e->first_seen,
			 .app = app_ref(app)};

	n.mode = e->mode == MODE_LINK ? S_IFLNK | 0777u : e->mode;
	n.ident = ident_blob(&fs->secret, &scope, &e->oid, n.mode);
	return n;
}

static struct node child_dir(struct fs *fs, struct node *dir, const struct tree_entry *e)
{
	struct node n = {.kind = PLACE_TREE,
			 .view = dir->view,
			 .depth = dir->depth + 1,
			 .mode = S_IFDIR | 0755,
			 .seq = dir->seq,
			 .mtime = dir->mtime,
			 .mtime_ns = dir->mtime_ns,
			 .size = dir->ident.ino,
			 .app = app_ref(dir->app)};

	/* A submodule's directory is empty: its id is a commit of another repository. */
	if (e->mode == MODE_TREE)
		n.oid = e->oid;
	n.ident = ident_child(&fs->secret, &dir->ident, e->name, e->name_len);
	return n;
}

static struct node child(struct fs *fs, struct node *dir, const struct tree_entry *e)
{
	if (e->mode == MODE_TREE || e->mode == MODE_GITLINK)
		return child_dir(fs, dir, e);
	return tree_place_blob(fs, dir->app, e);
}

static bool is_empty_blob(const struct oid *oid)
{
	static const struct oid empty = {{0xe6, 0x9d, 0xe2, 0x9b, 0xb2, 0xd1, 0xd6,
					  0x43, 0x4b, 0x8b, 0x29, 0xae, 0x77, 0x5a,
					  0xd8, 0xc2, 0xe4, 0x8c, 0x53, 0x91}};

	return oid_eq(oid, &empty);
}

/* A size of 0 is what the store says of a blob that it does not have. */
static bool may_be_missing(const struct tree_entry *e)
{
	bool has_bytes = e->mode == MODE_FILE || e->mode == MODE_EXEC || e->mode == MODE_LINK;

	return has_bytes && e->size == 0 && !is_empty_blob(&e->oid);
}

static int check_there(struct project *p, const struct tree_entry *e)
{
	char hex[OID_HEX_LEN + 1];
	uint64_t size;
	int r;

	if (!may_be_missing(e))
		return 0;
	r = blob_size(p, &e->oid, &size);
	if (r == BLOB_MISSING)
		return fail(-EIO, "project '%s': '%s': its content %s is missing",
			    project_name(p), e->name, oid_hex(&e->oid, hex));
	return r;
}

static int find_entry(struct fs *fs, struct node *dir, const char *name, struct found *ret)
{
	CLEANUP(project_unrefp) struct project *p = NULL;
	CLEANUP(listing_putp) const struct tree_list *l = NULL;
	const struct tree_entry *e;
	struct node want;
	int r = app_use(fs, dir->app, &p);

	if (!r)
		r = listing_get(p, &dir->oid, &l);
	if (r)
		return r == PLACE_NO_ENTRY ? -EIO : r;
	ret->entry_ttl = PLACE_ALWAYS;
	e = listing_find(l, name);
	if (!e)
		return PLACE_NO_ENTRY;
	if (e->verdict)
		return fail(-EIO, "project '%s', fragment %u: '%s' is refused: %s",
			    project_name(p), dir->seq, e->name, judge_words(e->verdict));
	r = check_there(p, e);
	if (r)
		return r;
	want = child(fs, dir, e);
	ret->node = place_node(fs, &want);
	return 0;
}

static int tree_lookup_name(struct fs *fs, struct node *dir, const char *name,
			    struct found *ret)
{
	if (dir->view == VIEW_REVIEW && !strcmp(name, ".git")) {
		int r = review_gitfile(fs, dir, ret);

		if (r != PLACE_NO_ENTRY)
			return r;
	}
	return find_entry(fs, dir, name, ret);
}

static uint32_t shown_mode(const struct tree_entry *e)
{
	if (e->mode == MODE_TREE || e->mode == MODE_GITLINK)
		return S_IFDIR;
	return e->mode == MODE_LINK ? S_IFLNK : S_IFREG;
}

/* False when the answer is full. */
static bool list_entry(struct fs *fs, struct node *dir, const struct tree_entry *e,
		       uint64_t cookie, struct dirbuf *out)
{
	struct node want = child(fs, dir, e);
	bool more;

	/* What looking it up would refuse, the kernel learns by name and type only. */
	if (e->verdict || may_be_missing(e)) {
		more = dirbuf_add(out, e->name, want.ident.ino, shown_mode(e), cookie);
		place_release(&want);
		return more;
	}
	if (!dirbuf_wants_nodes(out)) {
		more = dirbuf_add(out, e->name, want.ident.ino, want.mode, cookie);
		place_release(&want);
		return more;
	}
	more = dirbuf_add_node(out, e->name, &want, PLACE_ALWAYS, cookie);
	if (!more)
		place_release(&want);
	return more;
}

static int tree_list_dir(struct fs *fs, struct node *dir, uint64_t from, struct dirbuf *out)
{
	CLEANUP(project_unrefp) struct project *p = NULL;
	CLEANUP(listing_putp) const struct tree_list *l = NULL;
	int r = app_use(fs, dir->app, &p);

	if (!r)
		r = listing_get(p, &dir->oid, &l);
	if (r)
		return r == PLACE_NO_ENTRY ? -EIO : r;
	for (size_t i = from; i < l->n; i++)
		if (!list_entry(fs, dir, &l->entries[i], i + 1, out))
			break;
	return 0;
}

const struct place_ops place_tree = {
	.lookup = tree_lookup_name,
	.list = tree_list_dir,
};
