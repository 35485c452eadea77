/* fs/work_place.c - directories and files of a work tree, and the directory of sessions.
 *
 * Names of a work tree, and that there are none, are remembered by the kernel for ever: all changes go through it,
 * and what a switch changes it is told (fs/moves.h).
 *
 * Listings look each name up, because that is what takes a hold: an inode nobody holds may be gone before the
 * kernel has the answer.
 */
#include "fs/work_place.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "fs/app.h"
#include "fs/dirbuf.h"
#include "fs/fs_private.h"
#include "fs/trees.h"

struct ident work_place_ident(struct fs *fs, uint64_t work, uint64_t number)
{
	struct ident_scope scope = {work, work};
	struct ident ret = ident_numbered(&fs->secret, &scope, SORT_WORK, number);

	/* git's index keeps 32 bits, which store/worktree_index.h writes without knowing of mounts. */
	ret.ino = (ret.ino & ~(uint64_t)UINT32_MAX) | (number & UINT32_MAX);
	return ret;
}

static struct ident ident_in(struct fs *fs, const struct work *w, uint64_t number)
{
	return work_place_ident(fs, work_info(w)->id, number);
}

void work_place_fill(const struct node *n, const struct work_attr *attr, struct stat *st)
{
	*st = (struct stat){.st_ino = n->ident.ino,
			    .st_mode = attr->mode,
			    .st_nlink = attr->nlink,
			    .st_uid = attr->uid,
			    .st_gid = attr->gid,
			    .st_size = (off_t)attr->size,
			    .st_blocks = (blkcnt_t)attr->blocks,
			    .st_blksize = 4096,
			    .st_atim = attr->atime,
			    .st_mtim = attr->mtime,
			    .st_ctim = attr->ctime};
}

int work_place_stat(const struct node *n, struct stat *st)
{
	struct work_attr attr;
	int r = work_getattr(work_place_work(n), work_place_number(n), &attr);

	if (!r)
		work_place_fill(n, &attr, st);
	return r;
}

struct node *work_place_node(struct fs *fs, struct app *app, struct work *w,
			     const struct work_attr *attr, struct stat *st)
{
	struct node want = {.kind = PLACE_WORK,
			    .ident = ident_in(fs, w, attr->ino),
			    .mode = attr->mode,
			    .size = attr->ino,
			    .extra = work_ref(w),
			    .app = app_ref(app)};
	struct node *n = place_node(fs, &want);

	work_place_fill(n, attr, st);
	return n;
}

void work_place_release(struct node *n)
{
	struct work *w = n->extra;

	work_release(w, n->size, 1);
	work_unref(w);
	n->extra = NULL;
}

static int outcome(int r)
{
	return r == ENOENT ? PLACE_NO_ENTRY : r > 0 ? -r : r;
}

static int lookup(struct fs *fs, struct node *dir, const char *name, struct found *ret)
{
	struct work *w = work_place_work(dir);
	struct work_attr attr;
	int r = work_lookup(w, work_place_number(dir), name, &attr);

	ret->entry_ttl = PLACE_ALWAYS;
	if (r)
		return outcome(r);
	ret->node = work_place_node(fs, dir->app, w, &attr, &ret->stat);
	return 0;
}

struct listing_job {
	struct fs *fs;
	struct node *dir;
	struct dirbuf *out;
};

static bool add_with_node(struct listing_job *j, const char *name, uint64_t cookie,
			  const struct work_attr *shown)
{
	struct work *w = work_place_work(j->dir);
	struct work_attr attr;
	struct stat st;
	struct node *n;
	bool more;

	/* Gone meanwhile, or refused: the kernel learns its name and type only. */
	if (work_lookup(w, work_place_number(j->dir), name, &attr))
		return dirbuf_add(j->out, name, ident_in(j->fs, w, shown->ino).ino, shown->mode,
				  cookie);
	n = work_place_node(j->fs, j->dir->app, w, &attr, &st);
	more = dirbuf_add_known(j->out, name, n, &st, PLACE_ALWAYS, cookie);
	node_put(j->fs->nodes, n);
	return more;
}

static int add_entry(const char *name, uint64_t cookie, const struct work_attr *attr, void *arg)
{
	struct listing_job *j = arg;
	struct work *w = work_place_work(j->dir);

	if (!dirbuf_fits(j->out, name))
		return 1;
	if (dirbuf_wants_nodes(j->out))
		return !add_with_node(j, name, cookie, attr);
	return !dirbuf_add(j->out, name, ident_in(j->fs, w, attr->ino).ino, attr->mode, cookie);
}

static int list(struct fs *fs, struct node *dir, uint64_t from, struct dirbuf *out)
{
	struct listing_job j = {fs, dir, out};
	int r = work_readdir(work_place_work(dir), work_place_number(dir), from, false,
			     add_entry, &j);

	return r == 1 ? 0 : outcome(r);
}

const struct place_ops place_work = {
	.lookup = lookup,
	.list = list,
};

uint64_t work_place_parent_ino(struct fs *fs, const struct node *dir)
{
	struct work *w = work_place_work(dir);
	struct ident project;
	uint64_t up;

	if (work_parent(w, work_place_number(dir), &up))
		return dir->ident.ino;
	if (work_place_number(dir) != WORK_ROOT_INO)
		return ident_in(fs, w, up).ino;
	project = app_ident(fs, dir->app);
	if (!strcmp(work_info(w)->name, TREES_LIVE))
		return project.ino;
	return ident_child(&fs->secret, &project, "work", 4).ino;
}

int work_place_root(struct fs *fs, struct app *app, const char *name, struct found *ret)
{
	CLEANUP(work_unrefp) struct work *w = NULL;
	struct work_attr attr;
	int r = trees_get(fs, app, name, &w);

	if (r)
		return r;
	work_hold(w, WORK_ROOT_INO);
	r = work_getattr(w, WORK_ROOT_INO, &attr);
	if (r) {
		work_release(w, WORK_ROOT_INO, 1);
		return outcome(r);
	}
	ret->node = work_place_node(fs, app, w, &attr, &ret->stat);
	return 0;
}
