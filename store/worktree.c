/* The steps of a transaction, each of which may be repeated.
 *
 *	keep      refs on trees that no commit has; the record, open
 *	ref       compare-and-swap: who lost is told, and nothing was changed
 *	content   work_switch(), or work_rebase() when it stays
 *	HEAD      under git's lock
 *	index     under git's lock, if git does not hold it
 *	record    done
 *
 * Running them again after any of them is harmless, so finishing what a kill interrupted is running them all.
 */
#include "store/worktree.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/gitignore.h"
#include "base/io.h"
#include "base/log.h"
#include "store/commit.h"
#include "store/project_private.h"
#include "store/ref.h"
#include "store/worktree_git.h"
#include "store/worktree_index.h"

enum { IGNORE_MAX = 1 << 20, INDEX_TRIES = 50, INDEX_WAIT_MS = 10, RECENT_MAX = 256 };

DEFINE_CLEANUP(struct commit *, commit_free)

int worktree_tree_of(struct project *p, const struct oid *commit, struct oid *ret)
{
	CLEANUP(commit_freep) struct commit *c = NULL;
	int r;

	*ret = (struct oid){{0}};
	if (oid_is_zero(commit))
		return 0;
	r = commit_read(p, commit, &c);
	if (r)
		return r < 0 ? r : (int)WORKTREE_GONE;
	*ret = c->tree;
	return 0;
}

/* ---- what is ignored ---- */

/* The inode of `path`, held. 0, an errno, or a fault. */
static int walk_to(struct work *w, const char *path, uint64_t *ret)
{
	uint64_t at = WORK_ROOT_INO;
	int r = 0;

	work_hold(w, at);
	while (!r && *path) {
		CLEANUP(free_p) char *name = alloc_copy(path, strcspn(path, "/"));
		struct work_attr a;
		uint64_t above = at;

		r = work_lookup(w, at, name, &a);
		at = a.ino;
		work_release(w, above, 1);
		path += strlen(name);
		path += *path == '/';
	}
	if (!r)
		*ret = at;
	return r;
}

static char *read_file(struct work *w, uint64_t ino, size_t *len)
{
	CLEANUP(free_p) char *text = NULL;
	struct work_attr a;
	size_t at = 0;

	/* A link would lead out of the tree; git does not follow it either. */
	if (work_getattr(w, ino, &a) || !S_ISREG(a.mode) || a.size > IGNORE_MAX)
		return NULL;
	text = alloc_zero(a.size + 1);
	while (at < a.size) {
		struct work_bytes b = {.fd = -1};
		ssize_t n;

		if (work_read(w, ino, at, a.size - at, &b))
			return NULL;
		n = b.data ? (ssize_t)b.len : pread(b.fd, text + at, b.len, (off_t)b.fd_off);
		if (b.data)
			memcpy(text + at, b.data, b.len);
		work_bytes_done(w, &b);
		if (n <= 0)
			break;
		at += (size_t)n;
	}
	*len = at;
	return TAKE(text);
}

static char *read_ignore(const char *dir, size_t *len, void *arg)
{
	CLEANUP(free_p) char *path = alloc_fmt("%s%s.gitignore", dir, *dir ? "/" : "");
	struct work *w = arg;
	uint64_t ino;
	char *text;

	if (walk_to(w, path, &ino))
		return NULL;
	text = read_file(w, ino, len);
	work_release(w, ino, 1);
	return text;
}

static struct gitignore *ignore_of(struct work *w)
{
	CLEANUP(buf_deinit) struct buf b;
	CLEANUP(close_p) int dir = project_dir_open(work_project(w));

	buf_init(&b, IGNORE_MAX);
	if (dir >= 0)
		(void)io_slurp(dir, "info/exclude", &b);
	(void)buf_str(&b, "\n/.git\n");
	return gitignore_new(b.data, b.len, read_ignore, w);
}

/* ---- the file that leads git to the admin directory ---- */

static int put_git_file(struct worktree *t)
{
	CLEANUP(free_p) char *text = worktree_git_text(t->project, t->name);
	struct work_attr root, a;
	struct work_caller who;
	size_t done;
	int r = work_lookup(t->work, WORK_ROOT_INO, ".git", &a);

	if (!r)
		work_release(t->work, a.ino, 1);
	if (r != ENOENT)
		return r < 0 ? r : 0;
	r = work_getattr(t->work, WORK_ROOT_INO, &root);
	who = (struct work_caller){root.uid, root.gid};
	if (!r)
		r = work_create_file(t->work, WORK_ROOT_INO, ".git", 0644, &who, &a);
	if (r)
		return r < 0 ? r : fail(-EIO, "make .git in work tree '%s'", t->name);
	r = work_write(t->work, a.ino, 0, text, strlen(text), &done);
	work_release(t->work, a.ino, 1);
	return r > 0 ? fail(-EIO, "write .git in work tree '%s'", t->name) : r;
}

/* ---- beginning ---- */

static int make_admin(struct worktree *t)
{
	struct project_head h;
	bool is_live = !strcmp(t->name, WORKTREE_LIVE);
	int r = project_head(t->project, &h);

	if (r)
		return r < 0 ? r : (int)WORKTREE_GONE;
	/* A detached HEAD needs a commit; without one the branch that is to be is all there is. */
	r = worktree_git_make(
		t->project, t->name,
		*h.branch && (is_live || oid_is_zero(&h.commit)) ? h.branch : NULL, &h.commit);
	return r == WORKTREE_EXISTS ? 0 : r;
}

static int open_admin(struct worktree *t)
{
	int r = worktree_git_open(t->project, t->name, &t->admin_fd);

	if (r != WORKTREE_MISSING)
		return r;
	r = make_admin(t);
	if (!r)
		r = worktree_git_open(t->project, t->name, &t->admin_fd);
	return r > 0 ? (int)WORKTREE_GONE : r;
}

static int look(struct worktree *t)
{
	int r = worktree_git_head(t->project, t->name, &t->head);

	if (!r)
		r = worktree_tree_of(t->project, &t->head.commit, &t->head_tree);
	worktree_git_stood(t->project, t->name, &t->stood);
	t->busy = worktree_git_busy(t->admin_fd);
	return r == WORKTREE_MISSING ? (int)WORKTREE_GONE : r;
}

struct seek {
	uint64_t work_id;
	unsigned n;
	struct oplog_op open;
};

static int is_open(const struct oplog_op *op, void *arg)
{
	struct seek *s = arg;

	if (op->work_id != s->work_id || op->phase != OPLOG_OPEN)
		return ++s->n > RECENT_MAX;
	s->open = *op;
	return 1;
}

static int run(struct worktree *t, work_moved_fn moved, void *arg);

/* Whether the step that decides was made. */
static int was_decided(struct worktree *t, bool *ret)
{
	struct oid at;
	int r;

	if (!*t->op.ref) {
		work_base(t->work, &at);
		*ret = oid_eq(&at, &t->op.after.tree);
		return 0;
	}
	r = ref_value(t->project, t->op.ref, &at);
	if (r < 0)
		return r;
	if (r)
		at = (struct oid){{0}};
	*ret = oid_eq(&at, &t->op.ref_to);
	return 0;
}

static int recover(struct worktree *t, work_moved_fn moved, void *arg)
{
	struct seek s = {.work_id = work_info(t->work)->id};
	bool decided = false;
	int r = oplog_each(project_store(t->project), project_id(t->project), is_open, &s);

	if (r < 0 || !s.open.id)
		return r < 0 ? r : 0;
	t->op = s.open;
	worktree_index_unlock(t->admin_fd);
	r = was_decided(t, &decided);
	if (r)
		return r;
	log_info("work tree '%s' of project '%s': %s an interrupted %s", t->name,
		 project_name(t->project), decided ? "finishing" : "forgetting",
		 oplog_kind_name(t->op.kind));
	if (decided)
		return run(t, moved, arg);
	if (t->op.kind == OPLOG_MERGE)
		worktree_forget_merge(t);
	t->op.phase = OPLOG_FAILED;
	return oplog_put(project_store(t->project), &t->op);
}

static int begin(struct work *w, struct worktree *t, work_moved_fn moved, void *arg)
{
	int r;

	*t = (struct worktree){.work = w,
			       .project = work_project(w),
			       .name = work_info(w)->name,
			       .admin_fd = -1,
			       .lock_fd = -1};
	r = project_lock_file(t->project, "fragfs.work.lock", "changing a work tree", true,
			      &t->lock_fd);
	if (!r)
		r = open_admin(t);
	if (r)
		return r < 0 ? r : (int)WORKTREE_GONE;
	r = put_git_file(t);
	if (r)
		return r;
	t->ignore = ignore_of(w);
	r = recover(t, moved, arg);
	if (!r)
		r = look(t);
	if (r)
		return r;
	t->op = (struct oplog_op){.project_id = project_id(t->project),
				  .work_id = work_info(w)->id,
				  .time = time(NULL)};
	(void)snprintf(t->op.work, sizeof(t->op.work), "%s", t->name);
	return 0;
}

int worktree_begin(struct work *w, struct worktree *ret)
{
	return begin(w, ret, NULL, NULL);
}

int worktree_recover(struct work *w, work_moved_fn moved, void *arg)
{
	CLEANUP(worktree_end) struct worktree t = {.admin_fd = -1, .lock_fd = -1};
	int r = begin(w, &t, moved, arg);

	return r < 0 ? r : 0;
}

void worktree_end(struct worktree *t)
{
	if (!t->work)
		return;
	gitignore_free(t->ignore);
	close_p(&t->admin_fd);
	close_p(&t->lock_fd);
	*t = (struct worktree){.admin_fd = -1, .lock_fd = -1};
}

/* ---- looking ---- */

int worktree_snapshot(struct worktree *t)
{
	struct work_snapshot shot;
	int r = work_snapshot(t->work, t->ignore, t->left_out, t->left_out_arg, &shot);

	if (r)
		return r < 0 ? r : fail(-EIO, "snapshot work tree '%s'", t->name);
	t->op.before.tree = shot.tree;
	t->op.before.commit = t->head.commit;
	(void)snprintf(t->op.before.branch, sizeof(t->op.before.branch), "%s", t->head.branch);
	t->has_snapshot = true;
	return 0;
}

bool worktree_is_same_tree(const struct oid *a, const struct oid *b)
{
	static const struct oid empty = {{0x4b, 0x82, 0x5d, 0xc6, 0x42, 0xcb, 0x6e,
					  0xb9, 0xa0, 0x60, 0xe5, 0x4b, 0xf8, 0xd6,
					  0x92, 0x88, 0xfb, 0xee, 0x49, 0x04}};
	bool a_empty = oid_is_zero(a) || oid_eq(a, &empty);

	return a_empty ? oid_is_zero(b) || oid_eq(b, &empty) : oid_eq(a, b);
}

bool worktree_is_dirty(const struct worktree *t)
{
	return !worktree_is_same_tree(&t->op.before.tree, &t->head_tree);
}

/* ---- doing ---- */

int worktree_write_index(struct worktree *t)
{
	struct worktree_index_spec spec = {0};
	struct oid tree;
	int r = worktree_tree_of(t->project, &t->op.after.commit, &tree);

	if (r)
		return r;
	spec.tree = &tree;
	r = worktree_index_write(t->work, t->admin_fd, &spec);
	/* git holds it for a moment; when it works on, its own refresh sees what changed. */
	for (int i = 0; r == WORKTREE_INDEX_BUSY && i < INDEX_TRIES; i++) {
		(void)poll(NULL, 0, INDEX_WAIT_MS);
		r = worktree_index_write(t->work, t->admin_fd, &spec);
	}
	if (r == WORKTREE_INDEX_BUSY)
		log_warn("work tree '%s' of project '%s': git holds its index, ignoring it",
			 t->name, project_name(t->project));
	return r < 0 ? r : 0;
}

static int move_ref(struct worktree *t)
{
	const struct oplog_op *op = &t->op;
	struct oid at;
	int r;

	if (!*op->ref)
		return 0;
	r = oid_is_zero(&op->ref_to)
		    ? ref_delete(t->project, op->ref, &op->ref_from)
		    : ref_advance(t->project, op->ref, &op->ref_from, &op->ref_to, op->what);
	if (r <= 0)
		return r;
	/* Made already, by a run that was interrupted. */
	if (r == REF_MISSING && oid_is_zero(&op->ref_to))
		return 0;
	if (r == REF_MOVED && !ref_value(t->project, op->ref, &at) && oid_eq(&at, &op->ref_to))
		return 0;
	return WORKTREE_MOVED;
}

static int move_content(struct worktree *t, work_moved_fn moved, void *arg)
{
	int r = t->op.switches ? work_switch(t->work, &t->op.after.tree, t->ignore, moved, arg)
			       : work_rebase(t->work, &t->op.after.tree);

	if (r)
		return r > 0 ? fail(-EIO, "switch work tree '%s'", t->name) : r;
	return put_git_file(t);
}

static int move_head(struct worktree *t)
{
	const struct oplog_side *to = &t->op.after;
	const char *branch = *to->branch ? to->branch : NULL;
	struct project_head now;
	int r = worktree_git_head(t->project, t->name, &now);

	if (r)
		return r < 0 ? r : (int)WORKTREE_GONE;
	if (!strcmp(now.branch, to->branch) && (branch || oid_eq(&now.commit, &to->commit))) {
		if (!oid_eq(&t->stood, &to->commit) && !oid_is_zero(&to->commit))
			worktree_git_note(t->project, t->name, &t->op.before.commit,
					  &to->commit, t->op.what);
		return 0;
	}
	if (strcmp(t->name, WORKTREE_LIVE) != 0)
		return worktree_git_set_head(t->project, t->name, branch, &to->commit,
					     t->op.what);
	r = project_set_head(t->project, branch, &to->commit);
	return r > 0 ? (int)WORKTREE_GONE : r;
}

/* All steps after the intent. */
static int run(struct worktree *t, work_moved_fn moved, void *arg)
{
	int r = move_ref(t);

	if (!r)
		r = move_content(t, moved, arg);
	if (!r)
		r = move_head(t);
	if (!r)
		r = worktree_write_index(t);
	if (r)
		return r;
	t->op.phase = OPLOG_DONE;
	return oplog_put(project_store(t->project), &t->op);
}

static int keep(struct worktree *t)
{
	const struct oplog_op *op = &t->op;
	struct oid tree;
	int r = 0;

	if (worktree_is_dirty(t))
		r = oplog_keep(t->project, op->id, 0, &op->before.tree);
	if (!r)
		r = worktree_tree_of(t->project, &op->after.commit, &tree);
	if (!r && !worktree_is_same_tree(&op->after.tree, &tree))
		r = oplog_keep(t->project, op->id, 1, &op->after.tree);
	return r;
}

int worktree_run(struct worktree *t, work_moved_fn moved, void *arg)
{
	struct store *st = project_store(t->project);
	int r = t->has_snapshot ? 0 : worktree_snapshot(t);

	t->op.phase = OPLOG_OPEN;
	if (!r)
		r = oplog_begin(st, &t->op);
	if (r)
		return r;
	r = keep(t);
	if (!r)
		r = run(t, moved, arg);
	if (r == WORKTREE_MOVED || r == WORKTREE_GONE) {
		t->op.phase = OPLOG_FAILED;
		(void)oplog_put(st, &t->op);
	}
	return r;
}

void worktree_forget_merge(struct worktree *t)
{
	static const char *const files[] = {"MERGE_HEAD", "MERGE_MSG", "MERGE_MODE",
					    "AUTO_MERGE"};

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		(void)unlinkat(t->admin_fd, files[i], 0);
}
