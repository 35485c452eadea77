/* fs/naming.c - names that are made, moved and taken away.
 *
 * In a work tree they are what store/work.h does with them. Three synthetic directories take a few of them too:
 *
 *	mkdir <mnt>/<name>              makes a project
 *	mkdir <mnt>/<project>/work/<x>  makes a session, rmdir drops it
 *
 * The kernel has checked permissions, types and loops, and locked the directories; what was made is the
 * caller's, as stat will say.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "fs/app.h"
#include "fs/door.h"
#include "fs/trees.h"
#include "fs/work_place.h"
#include "store/project.h"

/* Answers with the inode that was made in `dir`, and gives `dir` back. */
static void reply_made(fuse_req_t req, struct node *dir, int r, const struct work_attr *attr)
{
	struct fs *fs = door_fs(req);
	struct found f = {.entry_ttl = PLACE_ALWAYS};

	if (!r)
		f.node = work_place_node(fs, dir->app, work_place_work(dir), attr, &f.stat);
	if (r)
		fuse_reply_err(req, door_work_errno(r));
	else
		door_found(req, fs, &f);
	node_put(fs->nodes, dir);
}

void naming_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t dev)
{
	struct node *dir = door_enter_work(req, parent, TALLY_MKNOD);
	struct work_caller who = door_caller(req);
	struct work_attr attr;
	int r;

	if (!dir)
		return;
	r = work_mknod(work_place_work(dir), work_place_number(dir), name, mode, &who, &attr);
	reply_made(req, dir, r, &attr);
}

void naming_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	struct node *dir = door_enter_work(req, parent, TALLY_SYMLINK);
	struct work_caller who = door_caller(req);
	struct work_attr attr;
	int r;

	if (!dir)
		return;
	r = work_symlink(work_place_work(dir), work_place_number(dir), name, target, &who,
			 &attr);
	reply_made(req, dir, r, &attr);
}

void naming_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name)
{
	struct fs *fs = door_fs(req);
	struct node *dir = door_enter_work(req, parent, TALLY_LINK), *n;
	struct work_attr attr;
	int r = EXDEV;

	if (!dir)
		return;
	n = node_get(fs->nodes, ino);
	if (n && n->kind == PLACE_WORK && work_place_work(n) == work_place_work(dir))
		r = work_link(work_place_work(n), work_place_number(n), work_place_number(dir),
			      name, &attr);
	node_put(fs->nodes, n);
	reply_made(req, dir, r, &attr);
}

static int make_project(struct fs *fs, const char *name, struct found *ret)
{
	CLEANUP(project_unrefp) struct project *p = NULL;
	int r = project_create(fs->store, name, &p);

	if (r == PROJECT_EXISTS || r == PROJECT_BROKEN)
		return EEXIST;
	if (r == PROJECT_BAD_NAME)
		return EINVAL;
	return r ? r : place_root.lookup(fs, NULL, name, ret);
}

static int make_session(fuse_req_t req, struct node *dir, const char *name, struct found *ret)
{
	CLEANUP(work_unrefp) struct work *w = NULL;
	struct work_caller who = door_caller(req);
	int r = trees_make(door_fs(req), dir->app, name, &who, &w);

	return r ? r : place_works.lookup(door_fs(req), dir, name, ret);
}

/* mkdir where no work tree is. */
static void make_special(fuse_req_t req, struct node *dir, const char *name)
{
	struct fs *fs = door_fs(req);
	struct found f = {.entry_ttl = PLACE_ALWAYS};
	int r = door_refusal(dir);

	if (dir->kind == PLACE_ROOT)
		r = make_project(fs, name, &f);
	else if (dir->kind == PLACE_WORKS)
		r = make_session(req, dir, name, &f);
	else
		tally_add(&fs->tally, TALLY_REFUSED, 1);
	if (r)
		fuse_reply_err(req, door_work_errno(r));
	else
		door_found(req, fs, &f);
	node_put(fs->nodes, dir);
}

void naming_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	struct node *dir = door_enter(req, parent, TALLY_MKDIR);
	struct work_caller who = door_caller(req);
	struct work_attr attr;
	int r;

	if (!dir)
		return;
	if (dir->kind != PLACE_WORK) {
		make_special(req, dir, name);
		return;
	}
	r = work_mkdir(work_place_work(dir), work_place_number(dir), name, mode, &who, &attr);
	reply_made(req, dir, r, &attr);
}

void naming_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct node *dir = door_enter_work(req, parent, TALLY_UNLINK);
	int r;

	if (!dir)
		return;
	r = work_unlink(work_place_work(dir), work_place_number(dir), name);
	door_done(req, dir, door_work_errno(r));
}

void naming_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fs *fs = door_fs(req);
	struct node *dir = door_enter(req, parent, TALLY_RMDIR);
	int r;

	if (!dir)
		return;
	if (dir->kind == PLACE_WORK)
		r = work_rmdir(work_place_work(dir), work_place_number(dir), name);
	else if (dir->kind == PLACE_WORKS)
		r = trees_drop(fs, dir->app, name);
	else
		r = door_refusal(dir);
	door_done(req, dir, door_work_errno(r));
}

static int move(struct node *from, const char *name, struct node *to, const char *new_name,
		unsigned flags)
{
	if (from->kind != PLACE_WORK || to->kind != PLACE_WORK)
		return door_refusal(from->kind == PLACE_WORK ? to : from);
	if (work_place_work(from) != work_place_work(to))
		return EXDEV;
	return work_rename(work_place_work(from), work_place_number(from), name,
			   work_place_number(to), new_name, flags);
}

void naming_rename(fuse_req_t req, fuse_ino_t from, const char *name, fuse_ino_t to,
		   const char *new_name, unsigned flags)
{
	struct fs *fs = door_fs(req);
	struct node *dir = door_enter(req, from, TALLY_RENAME), *to_dir;
	int r;

	if (!dir)
		return;
	to_dir = node_get(fs->nodes, to);
	r = to_dir ? move(dir, name, to_dir, new_name, flags) : ESTALE;
	node_put(fs->nodes, to_dir);
	door_done(req, dir, door_work_errno(r));
}
