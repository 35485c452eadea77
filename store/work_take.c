/* Taking over what a sandbox changed, while somebody works in the same tree.
 *
 * A file is written under a name of its own beside its place and renamed over it, so a reader has the old bytes or the new. It
 * keeps the owner of what it replaces, else it belongs to the owner of the root. The look whether a path is still as in the base
 * and the rename are two steps: who saves a file in between loses the race as against any other program that saves it; the
 * loser's bytes are in no snapshot then, which is why a caller takes one right before.
 */
#include "store/work_take.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/judge.h"
#include "store/blob.h"
#include "store/project.h"
#include "store/tree.h"

struct taking {
	struct work *w;
	const struct oid *base;
	work_moved_fn moved;
	void *arg;
	struct work_caller owner; /* of the root */
};

/* Splits "a/b/c" into "a/b" (malloc'ed) and "c". */
static char *dir_of(const char *path, const char **name)
{
	const char *slash = strrchr(path, '/');

	*name = slash ? slash + 1 : path;
	return alloc_copy(path, slash ? (size_t)(slash - path) : 0);
}

static bool is_as_in_base(const struct taking *t, const char *path, const struct work_attr *is,
			  bool there)
{
	struct tree_entry was = {0};
	int r = oid_is_zero(t->base) ? (int)TREE_NO_ENTRY
				     : tree_lookup(work_project(t->w), t->base, path, &was);

	if (r || !there)
		return (r == TREE_NO_ENTRY || r == TREE_MISSING) && !there;
	/* What was written to since the last snapshot has no id. */
	return !oid_is_zero(&is->oid) && oid_eq(&is->oid, &was.oid);
}

static void tell(const struct taking *t, uint64_t dir, const char *name)
{
	t->moved(dir, name, t->arg);
}

static int step_down(const struct taking *t, uint64_t dir, const char *name, bool make,
		     struct work_attr *ret)
{
	int r = work_lookup(t->w, dir, name, ret);

	if (r != ENOENT || !make)
		return r;
	r = work_mkdir(t->w, dir, name, 0755, &t->owner, ret);
	if (!r)
		tell(t, dir, name);
	return r;
}

/* The directory `path`, held; with `make` it is made, and those above it, where they are missing. 0, ENOENT, ENOTDIR, or a
 * fault. */
static int hold_dir(const struct taking *t, const char *path, bool make, uint64_t *ret)
{
	CLEANUP(free_p) char *copy = alloc_str(path);
	uint64_t dir = WORK_ROOT_INO;
	char *save = NULL;

	work_hold(t->w, dir);
	for (char *name = strtok_r(copy, "/", &save); name; name = strtok_r(NULL, "/", &save)) {
		struct work_attr attr;
		int r = step_down(t, dir, name, make, &attr);

		work_release(t->w, dir, 1);
		if (r)
			return r;
		dir = attr.ino;
		if (S_ISDIR(attr.mode))
			continue;
		work_release(t->w, dir, 1);
		return ENOTDIR;
	}
	*ret = dir;
	return 0;
}

/* Directories that became empty go, as with git. */
static void prune(const struct taking *t, const char *path)
{
	CLEANUP(free_p) char *dir = alloc_str(path);

	while (*dir) {
		const char *name;
		CLEANUP(free_p) char *above = dir_of(dir, &name);
		uint64_t ino;
		int r = hold_dir(t, above, false, &ino);

		if (r)
			return;
		r = work_rmdir(t->w, ino, name);
		if (!r)
			tell(t, ino, name);
		work_release(t->w, ino, 1);
		if (r)
			return;
		free(dir);
		dir = TAKE(above);
	}
}

static int fill(const struct taking *t, uint64_t ino, const struct work_take *f)
{
	CLEANUP(buf_deinit) struct buf bytes;
	const char *data = f->data;
	size_t len = f->len, done = 0;
	int r = 0;

	buf_init(&bytes, BLOB_SIZE_MAX);
	if (!data) {
		r = blob_read(work_project(t->w), &f->oid, &bytes);
		data = bytes.data;
		len = bytes.len;
	}
	if (r > 0)
		return fail(-ENOENT, "read a blob for work tree '%s'", work_info(t->w)->name);
	return r || !len ? r : work_write(t->w, ino, 0, data, len, &done);
}

static int make_link(const struct taking *t, uint64_t dir, const char *name,
		     const struct work_take *f, const struct work_caller *who)
{
	CLEANUP(buf_deinit) struct buf target;
	struct work_attr attr;
	int r = 0;

	buf_init(&target, 4096);
	r = f->data ? buf_add(&target, f->data, f->len)
		    : blob_read(work_project(t->w), &f->oid, &target);
	if (!r)
		r = work_symlink(t->w, dir, name, target.data, who, &attr);
	if (!r)
		work_release(t->w, attr.ino, 1);
	return r;
}

static int make_file(const struct taking *t, uint64_t dir, const char *name,
		     const struct work_take *f, const struct work_caller *who)
{
	mode_t mode = f->mode == MODE_EXEC ? 0755 : 0644;
	struct work_attr attr;
	int r = work_create_file(t->w, dir, name, mode, who, &attr);

	if (r)
		return r;
	r = fill(t, attr.ino, f);
	if (!r)
		r = work_fsync(t->w, attr.ino, true);
	work_release(t->w, attr.ino, 1);
	return r;
}

/* 0, a positive errno when the place is not free for it, or a fault. */
static int put(const struct taking *t, const struct work_take *f, const struct work_attr *was)
{
	const char *name;
	CLEANUP(free_p) char *above = dir_of(f->path, &name);
	struct work_caller who = was ? (struct work_caller){was->uid, was->gid} : t->owner;
	char aside[64];
	uint64_t dir;
	int r = hold_dir(t, above, true, &dir);

	if (r)
		return r;
	(void)snprintf(aside, sizeof(aside), ".frag-%.20s.tmp", name);
	/* Left by one that was killed here. */
	(void)work_unlink(t->w, dir, aside);
	r = f->mode == MODE_LINK ? make_link(t, dir, aside, f, &who)
				 : make_file(t, dir, aside, f, &who);
	if (!r)
		r = work_rename(t->w, dir, aside, dir, name, 0);
	if (r)
		(void)work_unlink(t->w, dir, aside);
	else
		tell(t, dir, name);
	work_release(t->w, dir, 1);
	return r;
}

static int drop(const struct taking *t, const char *path)
{
	const char *name;
	CLEANUP(free_p) char *above = dir_of(path, &name);
	uint64_t dir;
	int r = hold_dir(t, above, false, &dir);

	if (r)
		return r;
	r = work_unlink(t->w, dir, name);
	if (!r)
		tell(t, dir, name);
	work_release(t->w, dir, 1);
	if (!r)
		prune(t, above);
	return r;
}

static int take_one(const struct taking *t, const struct work_take *f, bool *taken)
{
	struct work_attr is;
	int r = work_resolve(t->w, f->path, &is);
	bool there = !r;

	if (r < 0)
		return r;
	if ((there && S_ISDIR(is.mode)) || (r == ENOTDIR && f->mode) ||
	    !is_as_in_base(t, f->path, &is, there))
		return 0;
	r = f->mode ? put(t, f, there ? &is : NULL) : there ? drop(t, f->path) : 0;
	*taken = !r;
	return r < 0 ? r : 0;
}

int work_take(struct work *w, const struct oid *base, const struct work_take *files, size_t n,
	      work_moved_fn moved, void *arg, size_t *n_taken)
{
	struct taking t = {.w = w, .base = base, .moved = moved, .arg = arg};
	struct work_attr root;
	int r = work_getattr(w, WORK_ROOT_INO, &root);

	*n_taken = 0;
	if (r)
		return r > 0 ? fail(-EIO, "look at the root of work tree '%s'",
				    work_info(w)->name)
			     : r;
	t.owner = (struct work_caller){root.uid, root.gid};
	for (size_t pass = 0; pass < 2; pass++)
		/* Removals first: a file may have become a directory. */
		for (size_t i = 0; i < n && r >= 0; i++) {
			bool taken = false;

			if ((pass == 0) != (files[i].mode == 0))
				continue;
			if (judge_path(files[i].path, strlen(files[i].path)) == JUDGE_FINE)
				r = take_one(&t, &files[i], &taken);
			*n_taken += taken;
		}
	return r < 0 ? r : work_fsync(w, WORK_ROOT_INO, false);
}
