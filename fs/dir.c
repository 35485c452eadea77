/* fs/dir.c - listings.
 *
 * The kernel is asked to send READDIRPLUS always (no AUTO): it is the place that decides, name by name, whether an inode
 * comes along. Directories of trees give one with every name, so that a walk costs one request per
 * directory; the long lists of fragments give names only.
 *
 * "." and ".." have the cookies 1 and 2; a place's cookies follow, moved up by 2.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "fs/ahead.h"
#include "fs/dirbuf.h"
#include "fs/door.h"
#include "fs/work_place.h"

enum { DOTS = 2 };

struct dirbuf {
	fuse_req_t req;
	struct fs *fs;
	char *data;
	size_t len, size;
	bool plus;
	uint64_t *
		told; /* nodes the kernel learns of, to be taken back if it never gets the answer */
	size_t n_told, cap_told;
	uint64_t *fresh; /* those of them that it did not know */
	size_t n_fresh, cap_fresh;
};

bool dirbuf_wants_nodes(const struct dirbuf *d)
{
	return d->plus;
}

bool dirbuf_add(struct dirbuf *d, const char *name, uint64_t ino, uint32_t mode,
		uint64_t cookie)
{
	struct fuse_entry_param e = {.attr = {.st_ino = ino, .st_mode = mode}};
	size_t left = d->size - d->len, need;

	if (d->plus)
		need = fuse_add_direntry_plus(d->req, d->data + d->len, left, name, &e,
					      (off_t)(cookie + DOTS));
	else
		need = fuse_add_direntry(d->req, d->data + d->len, left, name, &e.attr,
					 (off_t)(cookie + DOTS));
	if (need > left)
		return false;
	d->len += need;
	return true;
}

bool dirbuf_fits(const struct dirbuf *d, const char *name)
{
	size_t need = d->plus ? fuse_add_direntry_plus(d->req, NULL, 0, name, NULL, 0)
			      : fuse_add_direntry(d->req, NULL, 0, name, NULL, 0);

	return need <= d->size - d->len;
}

bool dirbuf_add_known(struct dirbuf *d, const char *name, struct node *n, const struct stat *st,
		      double ttl, uint64_t cookie)
{
	struct fuse_entry_param e = {
		.ino = n->id, .attr = *st, .attr_timeout = PLACE_ALWAYS, .entry_timeout = ttl};
	size_t left = d->size - d->len;

	if (!dirbuf_fits(d, name))
		return false;
	if (node_remember(d->fs->nodes, n)) {
		alloc_grow(&d->fresh, &d->cap_fresh, d->n_fresh + 1, sizeof(*d->fresh));
		d->fresh[d->n_fresh++] = n->id;
	}
	d->len += fuse_add_direntry_plus(d->req, d->data + d->len, left, name, &e,
					 (off_t)(cookie + DOTS));
	alloc_grow(&d->told, &d->cap_told, d->n_told + 1, sizeof(*d->told));
	d->told[d->n_told++] = n->id;
	return true;
}

bool dirbuf_add_node(struct dirbuf *d, const char *name, struct node *want, double ttl,
		     uint64_t cookie)
{
	struct stat st;
	struct node *n;

	if (!dirbuf_fits(d, name))
		return false;
	n = place_node(d->fs, want);
	place_stat(d->fs, n, &st);
	dirbuf_add_known(d, name, n, &st, ttl, cookie);
	node_put(d->fs->nodes, n);
	return true;
}

/* The inode number of "..". */
static uint64_t parent_ino(struct fs *fs, const struct node *dir)
{
	if (dir->kind == PLACE_WORK)
		return work_place_parent_ino(fs, dir);
	return dir->size ? dir->size : dir->ident.ino;
}

/* The dots, without the shift. */
static bool add_dot(struct dirbuf *d, struct node *dir, uint64_t which)
{
	uint64_t ino = which == 1 ? dir->ident.ino : parent_ino(d->fs, dir);

	return dirbuf_add(d, which == 1 ? "." : "..", ino, S_IFDIR, which - DOTS);
}

static int fill(struct dirbuf *d, struct node *dir, uint64_t off)
{
	const struct place_ops *ops = place_ops_of(dir);

	if (!ops)
		return -ENOTDIR;
	for (; off < DOTS; off++)
		if (!add_dot(d, dir, off + 1))
			return 0;
	return ops->list ? ops->list(d->fs, dir, off - DOTS, d) : 0;
}

static void take_back(struct dirbuf *d)
{
	for (size_t i = 0; i < d->n_told; i++)
		node_forget(d->fs->nodes, d->told[i], 1);
}

static void list(fuse_req_t req, struct node *dir, uint64_t off, struct dirbuf *d)
{
	int r = fill(d, dir, off);

	/* What fits before a fault is shown; the fault comes with the next piece. */
	if (r && !d->len)
		fuse_reply_err(req, door_errno(r));
	else if (fuse_reply_buf(req, d->data, d->len))
		take_back(d);
}

static void serve(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, bool plus)
{
	struct node *dir = door_enter(req, ino, plus ? TALLY_READDIRPLUS : TALLY_READDIR);
	struct dirbuf d = {.req = req, .fs = door_fs(req), .size = size, .plus = plus};

	if (!dir)
		return;
	d.data = malloc(size);
	if (d.data)
		list(req, dir, (uint64_t)off, &d);
	else
		fuse_reply_err(req, ENOMEM);
	ahead_listed(d.fs->ahead, d.fresh, d.n_fresh);
	free(d.fresh);
	free(d.told);
	free(d.data);
	node_put(d.fs->nodes, dir);
}

void dir_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		 struct fuse_file_info *fi)
{
	serve(req, ino, size, off, false);
}

void dir_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		     struct fuse_file_info *fi)
{
	serve(req, ino, size, off, true);
}
