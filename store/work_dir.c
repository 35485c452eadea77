/* What a name means, and what a directory holds.
 *
 * A directory is its base tree and, over it, the names of its table: explicit ones, whiteouts, and clean ones
 * that are known because somebody holds them. The table is asked first, so a name that was looked up once
 * costs one probe; the listing of the base comes from store/tree.h, which keeps it in memory.
 *
 * The number of a clean entry is a function of its directory's number and its name, so that it is the same every time it
 * is asked for and nothing need be kept. Should two of those meet (2^-63 for a pair), the second is
 * made explicit under a counted number.
 */
#include "store/work_private.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "store/project.h"

static bool has_listing(const struct work_node *dir)
{
	return !(dir->r.flags & WORK_GITLINK) && !oid_is_zero(&dir->r.oid);
}

static int listing_of(struct work *w, const struct oid *tree, const struct tree_list **ret)
{
	int r = tree_list(w->project, tree, ret);

	/* A tree that is missing or damaged was said; it must not look empty. */
	return r > 0 ? EIO : r;
}

int work_listing(struct work *w, const struct work_node *dir, const struct tree_list **ret)
{
	*ret = NULL;
	return has_listing(dir) ? listing_of(w, &dir->r.oid, ret) : 0;
}

void work_warm(struct work *w, uint64_t ino)
{
	const struct tree_list *l = NULL;
	const struct work_node *dir;
	struct oid tree = {{0}};

	pthread_mutex_lock(&w->lock);
	dir = work_node_find(w, ino);
	if (dir && work_is_dir(dir) && has_listing(dir))
		tree = dir->r.oid;
	pthread_mutex_unlock(&w->lock);
	if (!oid_is_zero(&tree) && !tree_list(w->project, &tree, &l))
		tree_list_unref(l);
}

static uint64_t mix(uint64_t h)
{
	h ^= h >> 30;
	h *= 0xbf58476d1ce4e5b9;
	h ^= h >> 27;
	h *= 0x94d049bb133111eb;
	return h ^ h >> 31;
}

uint64_t work_derive(uint64_t dir, const char *name)
{
	uint64_t h = mix(dir);

	for (size_t i = 0; name[i]; i++)
		h = mix(h ^ (unsigned char)name[i]);
	return mix(h) | WORK_DERIVED;
}

static bool is_dir_mode(uint32_t mode)
{
	return mode == MODE_TREE || mode == MODE_GITLINK;
}

int work_count_dirs(struct work *w, const struct oid *tree, uint32_t *ret)
{
	const struct tree_list *l = NULL;
	uint32_t n = 0;
	int r = oid_is_zero(tree) ? 0 : listing_of(w, tree, &l);

	if (r)
		return r;
	for (size_t i = 0; l && i < l->n; i++)
		n += !l->entries[i].verdict && is_dir_mode(l->entries[i].mode);
	tree_list_unref(l);
	*ret = n;
	return 0;
}

void work_clean_rec(const struct work *w, const struct work_node *dir,
		    const struct tree_entry *e, struct work_rec *ret)
{
	int64_t stamp = (int64_t)dir->r.size;

	*ret = (struct work_rec){.uid = w->root->r.uid,
				 .gid = w->root->r.gid,
				 .nlink = 1,
				 .oid = e->oid,
				 .atime = stamp,
				 .mtime = stamp,
				 .ctime = stamp,
				 .size = e->size};
	switch (e->mode) {
	case MODE_EXEC:
		ret->mode = S_IFREG | 0755;
		break;
	case MODE_LINK:
		ret->mode = S_IFLNK | 0777;
		break;
	case MODE_GITLINK:
		ret->flags = WORK_GITLINK;
		__attribute__((fallthrough));
	case MODE_TREE:
		ret->mode = S_IFDIR | 0755;
		ret->size = (uint64_t)stamp;
		ret->nlink = 2;
		break;
	default:
		ret->mode = S_IFREG | 0644;
	}
}

/* Two clean things with one number: the newcomer is written down under another. */
static int number_explicitly(struct work *w, struct work_node *dir, const char *name,
			     const struct work_rec *rec, struct work_node **ret)
{
	struct work_txn t;
	struct work_rec *r;
	uint64_t ino;
	int e;

	if (dir->staged)
		return fail(-EIO, "number '%s' of work tree '%s' in the middle of a change",
			    name, w->info.name);
	work_txn_init(&t, w);
	(void)work_txn_rec(&t, dir);
	r = work_txn_new(&t);
	ino = r->ino;
	*r = *rec;
	r->ino = ino;
	work_txn_name(&t, dir, name, ino);
	e = work_txn_commit(&t);
	work_txn_deinit(&t);
	if (!e)
		*ret = work_node_find(w, ino);
	return e;
}

int work_derived(struct work *w, struct work_node *dir, const struct tree_entry *e,
		 struct work_node **ret)
{
	struct work_rec rec;
	struct work_node *n;
	uint32_t subdirs = 0;
	int r = 0;

	if (e->verdict)
		return EIO;
	work_clean_rec(w, dir, e, &rec);
	if (e->mode == MODE_TREE)
		r = work_count_dirs(w, &e->oid, &subdirs);
	if (r)
		return r;
	rec.nlink += subdirs;
	rec.ino = work_derive(dir->r.ino, e->name);
	if (work_node_find(w, rec.ino))
		return number_explicitly(w, dir, e->name, &rec, ret);
	n = work_node_add(w, rec.ino);
	n->r = rec;
	work_name_set(w, dir, e->name, e->name_len, n);
	*ret = n;
	return 0;
}

int work_step(struct work *w, struct work_node *dir, const char *name, struct work_node **ret)
{
	const struct tree_list *l = NULL;
	const struct work_name *known = work_name_find(dir, name, strlen(name));
	const struct tree_entry *e;
	int r;

	if (known) {
		*ret = known->node;
		return known->node ? 0 : ENOENT;
	}
	r = work_listing(w, dir, &l);
	if (r)
		return r;
	e = l ? tree_list_find(l, name) : NULL;
	r = e ? work_derived(w, dir, e, ret) : ENOENT;
	tree_list_unref(l);
	return r;
}

int work_dir_node(struct work *w, uint64_t ino, struct work_node **ret)
{
	struct work_node *n = work_node_find(w, ino);

	if (!n)
		return ESTALE;
	if (!work_is_dir(n))
		return ENOTDIR;
	*ret = n;
	return n->is_orphan ? ENOENT : 0;
}

int work_is_empty(struct work *w, struct work_node *dir)
{
	const struct work_names *t = dir->kids;
	const struct tree_list *l = NULL;
	size_t hidden = 0;
	int r;

	for (uint32_t i = 0; t && i < t->cap; i++) {
		if (t->slots[i] && t->slots[i]->node)
			return ENOTEMPTY;
		hidden += t->slots[i] != NULL;
	}
	r = work_listing(w, dir, &l);
	/* A whiteout is only ever made over an entry of the base. */
	if (!r && l && l->n > hidden)
		r = ENOTEMPTY;
	tree_list_unref(l);
	return r;
}

/* ---- for callers ---- */

void work_hold(struct work *w, uint64_t ino)
{
	struct work_node *n;

	LOCKED(&w->lock);
	n = work_node_find(w, ino);
	if (n)
		n->holds++;
}

void work_release(struct work *w, uint64_t ino, uint64_t n)
{
	struct work_node *node;

	LOCKED(&w->lock);
	node = work_node_find(w, ino);
	if (!node)
		return;
	node->holds -= n < node->holds ? (uint32_t)n : node->holds;
	if (!node->holds)
		work_node_settle(w, node);
}

int work_lookup(struct work *w, uint64_t ino, const char *name, struct work_attr *ret)
{
	struct work_node *dir, *n = NULL;
	int r;

	if (strlen(name) > 255)
		return ENAMETOOLONG;
	work_warm(w, ino);
	LOCKED(&w->lock);
	r = work_dir_node(w, ino, &dir);
	if (!r)
		r = work_step(w, dir, name, &n);
	if (r)
		return r;
	r = work_attr_of(w, n, ret);
	if (!r)
		n->holds++;
	else
		work_node_settle(w, n);
	return r;
}

int work_parent(struct work *w, uint64_t ino, uint64_t *ret)
{
	struct work_node *dir;
	int r;

	LOCKED(&w->lock);
	r = work_dir_node(w, ino, &dir);
	if (r)
		return r;
	*ret = dir->names ? dir->names->dir->r.ino : dir->r.ino;
	return 0;
}
