/* A commit out of a snapshot.
 *
 * Its parent is where the work tree stood, not where the branch is by now: a branch that somebody pushed to meanwhile is told,
 * since a commit on top would take back what was pushed.
 */
#include "store/commit_work.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "store/fragment.h"
#include "store/refresh.h"
#include "store/worktree_index.h"

enum { PARENTS_MAX = 17, MERGE_HEAD_MAX = PARENTS_MAX * (OID_HEX_LEN + 1) };

struct parents {
	struct oid all[PARENTS_MAX];
	size_t n;
};

/* HEAD's commit, and what a merge of git's or ours has written down. */
static int gather(const struct worktree *t, struct parents *ret)
{
	CLEANUP(buf_deinit) struct buf b;
	const char *line;
	int r;

	ret->n = 0;
	if (!oid_is_zero(&t->head.commit))
		ret->all[ret->n++] = t->head.commit;
	buf_init(&b, MERGE_HEAD_MAX);
	r = io_slurp(t->admin_fd, "MERGE_HEAD", &b);
	if (r)
		return r == IO_MISSING ? 0 : r;
	for (line = b.data; *line && ret->n < PARENTS_MAX; line++) {
		size_t len = strcspn(line, "\n");

		if (len >= OID_HEX_LEN && oid_parse(line, OID_HEX_LEN, &ret->all[ret->n]))
			ret->n++;
		line += len;
		if (!*line)
			break;
	}
	return 0;
}

static int check(const struct worktree *t)
{
	int n;

	if (t->busy && strcmp(t->busy, "a merge") != 0)
		return WORKTREE_UNFINISHED;
	if (!oid_is_zero(&t->stood) && !oid_eq(&t->stood, &t->head.commit))
		return WORKTREE_MOVED;
	if (!t->busy)
		return 0;
	n = worktree_index_unmerged(t->admin_fd);
	return n > 0 ? (int)WORKTREE_UNMERGED : n;
}

static int write_commit(struct worktree *t, const struct commit_work_spec *spec)
{
	struct parents parents;
	struct commit_spec c = {
		.author = spec->author, .committer = spec->committer, .message = spec->message};
	int r = gather(t, &parents);

	if (r)
		return r;
	c.parents = parents.all;
	c.n_parents = parents.n;
	return commit_write_tree(t->project, &t->op.after.tree, &c, &t->op.after.commit);
}

static void plan(struct worktree *t, const struct commit_work_spec *spec)
{
	const char *what = spec->what ? spec->what : spec->message;
	struct oplog_op *op = &t->op;

	op->kind = spec->restore ? OPLOG_RESTORE : OPLOG_COMMIT;
	op->switches = spec->restore != NULL;
	op->after.tree = spec->restore ? *spec->restore : op->before.tree;
	(void)snprintf(op->after.branch, sizeof(op->after.branch), "%s", t->head.branch);
	(void)snprintf(op->what, sizeof(op->what), "%.*s", (int)strcspn(what, "\n"), what);
}

static void number(struct worktree *t, struct commit_work_result *ret)
{
	struct refresh_result res;
	struct fragment f;

	if (!refresh_project(t->project, NULL, NULL, &res) &&
	    !fragment_by_commit(t->project, &ret->commit, &f))
		ret->seq = f.seq;
}

int commit_work(struct work *w, const struct commit_work_spec *spec,
		struct commit_work_result *ret)
{
	CLEANUP(worktree_end) struct worktree t = {0};
	int r = worktree_begin(w, &t);

	t.left_out = spec->left_out;
	t.left_out_arg = spec->left_out_arg;
	if (!r)
		r = check(&t);
	if (!r)
		r = worktree_snapshot(&t);
	if (r)
		return r;
	plan(&t, spec);
	if (!t.busy && !spec->allow_empty && oid_eq(&t.op.after.tree, &t.head_tree))
		return WORKTREE_NOTHING;
	r = write_commit(&t, spec);
	if (r)
		return r;
	if (*t.head.branch) {
		(void)snprintf(t.op.ref, sizeof(t.op.ref), "%s", t.head.branch);
		t.op.ref_from = t.head.commit;
		t.op.ref_to = t.op.after.commit;
	}
	r = worktree_run(&t, spec->moved, spec->moved_arg);
	if (r)
		return r;
	worktree_forget_merge(&t);
	*ret = (struct commit_work_result){.op = t.op.id,
					   .commit = t.op.after.commit,
					   .tree = t.op.after.tree,
					   .was_dirty = worktree_is_dirty(&t)};
	number(&t, ret);
	return 0;
}
