/* fs/fragments_place.c - fragments/: one directory per fragment, under its one exact name.
 *
 * A fragment's number is its cookie: the listing goes on at the right place whatever was added, and one of two hundred
 * thousand reads the index once from end to end. The kernel gets names and numbers only; making an
 * inode of each would cost it a gigabyte nobody asked for.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/app.h"
#include "fs/dirbuf.h"
#include "fs/fs_private.h"
#include "fs/place.h"
#include "fs/tree_place.h"
#include "store/fragment.h"

static int lookup(struct fs *fs, struct node *dir, const char *name, struct found *ret)
{
	CLEANUP(project_unrefp) struct project *p = NULL;
	uint32_t seq = fragment_seq_of_name(name);
	char exact[FRAGMENT_NAME_MAX];
	struct fragment f;
	struct node want;
	int r;

	if (!seq)
		return PLACE_NO_ENTRY;
	r = app_use(fs, dir->app, &p);
	if (!r)
		r = fragment_get(p, seq, &f);
	if (r)
		return r < 0 ? r : PLACE_NO_ENTRY;
	fragment_name(&f, exact);
	if (strcmp(name, exact) != 0)
		return PLACE_NO_ENTRY;
	want = tree_place_fragment(fs, dir, &f, VIEW_FRAGMENT);
	ret->node = place_node(fs, &want);
	ret->entry_ttl = PLACE_ALWAYS;
	return 0;
}

struct lister {
	struct fs *fs;
	struct ident_scope scope;
	struct dirbuf *out;
};

static int list_one(const struct fragment *f, void *arg)
{
	const struct lister *l = arg;
	char name[FRAGMENT_NAME_MAX];
	struct ident id = ident_numbered(&l->fs->secret, &l->scope, SORT_FRAGMENT, f->seq);

	fragment_name(f, name);
	return !dirbuf_add(l->out, name, id.ino, S_IFDIR, f->seq);
}

static int list(struct fs *fs, struct node *dir, uint64_t from, struct dirbuf *out)
{
	CLEANUP(project_unrefp) struct project *p = NULL;
	struct lister l = {.fs = fs, .out = out};
	int r = app_use(fs, dir->app, &p);

	if (r)
		return r < 0 ? r : -EIO;
	if (from >= UINT32_MAX)
		return 0;
	l.scope = app_scope(dir->app);
	r = fragment_each(p, (uint32_t)from + 1, list_one, &l);
	return r < 0 ? r : 0;
}

const struct place_ops place_fragments = {
	.lookup = lookup,
	.list = list,
};
