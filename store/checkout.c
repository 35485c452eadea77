/* Which state a work tree is to be in next; how it gets there is store/worktree.c's.
 *
 * A branch that is moved by others while a work tree stands on it is told by git's reflog of that work tree: its last line
 * is where this tree was brought to, by us or by git inside it.
 */
#include "store/checkout.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "store/ref.h"
#include "store/worktree_git.h"

static void set_branch(char ret[OPLOG_BRANCH_MAX + 1], const char *branch)
{
	(void)snprintf(ret, OPLOG_BRANCH_MAX + 1, "%s", branch ? branch : "");
}

static const char *short_name(const char *branch)
{
	return !strncmp(branch, "refs/heads/", 11) ? branch + 11 : branch;
}

static void tell(const struct worktree *t, struct checkout_result *ret)
{
	*ret = (struct checkout_result){.op = t->op.id,
					.was_dirty = worktree_is_dirty(t),
					.before = t->op.before.tree,
					.after = t->op.after.tree};
}

/* A merge is only given up, since all of it is in the log; a rebase has a todo list that is nowhere else. */
static bool is_unfinished(const struct worktree *t)
{
	return t->busy && strcmp(t->busy, "a merge") != 0;
}

int checkout_run(struct work *w, const struct checkout_spec *spec, struct checkout_result *ret)
{
	CLEANUP(worktree_end) struct worktree t = {0};
	char hex[OID_HEX_LEN + 1];
	int r = worktree_begin(w, &t);

	if (!r && is_unfinished(&t))
		r = WORKTREE_UNFINISHED;
	if (!r)
		r = worktree_snapshot(&t);
	if (!r)
		r = worktree_tree_of(t.project, &spec->commit, &t.op.after.tree);
	if (r)
		return r;
	t.op.kind = OPLOG_CHECKOUT;
	t.op.switches = true;
	t.op.after.commit = spec->commit;
	set_branch(t.op.after.branch, spec->branch);
	(void)snprintf(t.op.what, sizeof(t.op.what), "checkout %s",
		       spec->branch ? short_name(spec->branch) : oid_hex(&spec->commit, hex));
	if (spec->prepare)
		r = spec->prepare(&t.op, spec->prepare_arg);
	if (!r)
		r = worktree_run(&t, spec->moved, spec->moved_arg);
	if (r)
		return r;
	worktree_forget_merge(&t);
	tell(&t, ret);
	return 0;
}

/* ---- undo ---- */

struct last {
	uint64_t work_id;
	struct oplog_op op;
};

static int is_last(const struct oplog_op *op, void *arg)
{
	struct last *l = arg;

	if (op->work_id != l->work_id || op->phase != OPLOG_DONE || op->kind == OPLOG_SESSION ||
	    op->kind == OPLOG_REMOVE)
		return 0;
	l->op = *op;
	return 1;
}

static int find(const struct worktree *t, uint64_t id, struct oplog_op *ret)
{
	struct last l = {.work_id = t->op.work_id};
	int r;

	if (id)
		r = oplog_get(project_store(t->project), t->op.project_id, id, &l.op);
	else
		r = oplog_each(project_store(t->project), t->op.project_id, is_last, &l);
	if (r < 0)
		return r;
	if (!l.op.id || l.op.phase != OPLOG_DONE)
		return WORKTREE_NOTHING;
	*ret = l.op;
	return 0;
}

/* The branch that the operation moved goes back; one that others moved meanwhile is left where it is. */
static int plan_ref(struct worktree *t, const struct oplog_op *of, bool after)
{
	const struct oid *to = after ? &of->ref_to : &of->ref_from;
	struct oplog_side *side = &t->op.after;
	struct oid at;
	int r;

	if (*of->ref) {
		r = ref_value(t->project, of->ref, &at);
		if (r < 0)
			return r;
		if (r)
			at = (struct oid){{0}};
		if (oid_eq(&at, to))
			return 0;
		if (!after && !oid_eq(&at, &of->ref_to))
			return WORKTREE_MOVED;
		set_branch(t->op.ref, of->ref);
		t->op.ref_from = at;
		t->op.ref_to = *to;
		return 0;
	}
	if (!*side->branch)
		return 0;
	r = ref_read(t->project, side->branch, &at);
	if (r < 0)
		return r;
	if (!oid_is_zero(&side->commit) && (r || !oid_eq(&at, &side->commit)))
		*side->branch = '\0';
	return 0;
}

int checkout_undo(struct work *w, const struct checkout_undo *spec, struct oplog_op *undone,
		  struct checkout_result *ret)
{
	CLEANUP(worktree_end) struct worktree t = {0};
	struct oplog_op of;
	int r = worktree_begin(w, &t);

	if (!r && is_unfinished(&t))
		r = WORKTREE_UNFINISHED;
	if (!r)
		r = find(&t, spec->id, &of);
	if (!r)
		r = worktree_snapshot(&t);
	if (r)
		return r;
	t.op.kind = OPLOG_UNDO;
	t.op.switches = true;
	t.op.undoes = of.id;
	t.op.after = spec->after ? of.after : of.before;
	(void)snprintf(t.op.sandbox, sizeof(t.op.sandbox), "%s", of.sandbox);
	(void)snprintf(t.op.what, sizeof(t.op.what), "%s %llu: %.150s",
		       spec->after ? "restore" : "undo", (unsigned long long)of.id, of.what);
	r = plan_ref(&t, &of, spec->after);
	if (!r)
		r = worktree_run(&t, spec->moved, spec->moved_arg);
	if (r)
		return r;
	worktree_forget_merge(&t);
	tell(&t, ret);
	if (undone)
		*undone = of;
	return 0;
}

/* ---- following ---- */

/* git holds HEAD's lock while it moves a branch that HEAD names. With it in our hand nobody is in between. */
static int hold_head(const struct worktree *t)
{
	int fd =
		openat(t->admin_fd, "HEAD.lock", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static bool was_moved(struct worktree *t)
{
	struct project_head now;
	struct oid stood, base;
	bool ret = false;

	if (!hold_head(t))
		return false;
	worktree_git_stood(t->project, t->name, &stood);
	if (!worktree_git_head(t->project, t->name, &now) && *now.branch &&
	    !oid_is_zero(&now.commit)) {
		t->head = now;
		t->stood = stood;
		/* One that stood nowhere, for want of a first commit, goes along as well. */
		work_base(t->work, &base);
		ret = !oid_eq(&stood, &now.commit) &&
		      (!oid_is_zero(&stood) || oid_is_zero(&base));
	}
	(void)unlinkat(t->admin_fd, "HEAD.lock", 0);
	return ret;
}

int checkout_follow(struct work *w, work_moved_fn moved, void *arg)
{
	CLEANUP(worktree_end) struct worktree t = {0};
	struct oid tree;
	int r = worktree_begin(w, &t);

	if (r)
		return r == WORKTREE_GONE ? (int)WORKTREE_NOTHING : r;
	if (t.busy || !was_moved(&t))
		return WORKTREE_NOTHING;
	r = worktree_snapshot(&t);
	if (!r)
		r = worktree_tree_of(t.project, &t.stood, &tree);
	if (!r)
		r = worktree_tree_of(t.project, &t.head.commit, &t.op.after.tree);
	if (r)
		return r < 0 ? r : (int)WORKTREE_NOTHING;
	if (!worktree_is_same_tree(&tree, &t.op.before.tree))
		return WORKTREE_MOVED;
	t.op.kind = OPLOG_CHECKOUT;
	t.op.switches = true;
	t.op.before.commit = t.stood;
	t.op.after.commit = t.head.commit;
	set_branch(t.op.after.branch, t.head.branch);
	(void)snprintf(t.op.what, sizeof(t.op.what), "follow %.180s",
		       short_name(t.head.branch));
	r = worktree_run(&t, moved, arg);
	return r == WORKTREE_GONE ? (int)WORKTREE_NOTHING : r;
}
