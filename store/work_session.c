/* Making one writes a ref, an admin directory and a record, in that order: what shows it to people is the record, so what a kill
 * leaves is a branch, or a directory that the next one of that name takes over.
 */
#include "store/work_session.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "store/ref.h"
#include "store/worktree_git.h"

static int make_branch(struct project *p, const char *branch, const struct oid *from,
		       struct oid *ret)
{
	int r = ref_read(p, branch, ret);

	if (r != REF_MISSING || oid_is_zero(from))
		return r == REF_BAD_NAME ? (int)WORK_BAD_NAME : r == REF_MISSING ? 0 : r;
	r = ref_advance(p, branch, &(struct oid){{0}}, from, "work tree made");
	if (r > 0)
		return r == REF_BAD_NAME ? (int)WORK_BAD_NAME : (int)WORKTREE_MOVED;
	*ret = *from;
	return r;
}

static int take_name(struct project *p, const char *name, const char *branch,
		     const struct oid *commit)
{
	int r = worktree_git_make(p, name, branch, commit);

	if (r != WORKTREE_EXISTS)
		return r;
	r = worktree_git_remove(p, name);
	return r ? r : worktree_git_make(p, name, branch, commit);
}

static int note(struct project *p, const struct work_info *info, const struct oplog_side *side,
		enum oplog_kind kind)
{
	struct oplog_op op = {.project_id = project_id(p),
			      .work_id = info->id,
			      .kind = kind,
			      .phase = OPLOG_DONE,
			      .time = time(NULL),
			      .before = *side,
			      .after = *side};

	(void)snprintf(op.work, sizeof(op.work), "%s", info->name);
	(void)snprintf(op.what, sizeof(op.what), "%s %s", oplog_kind_name(kind), info->name);
	return oplog_begin(project_store(p), &op);
}

int work_session_create(struct project *p, const struct work_session_spec *spec,
			struct work_info *ret)
{
	CLEANUP(free_p) char *own = alloc_fmt("refs/heads/%s", spec->name);
	const char *branch = spec->branch ? spec->branch : own;
	struct work_spec work = {.name = spec->name, .uid = spec->uid, .gid = spec->gid};
	struct oplog_side side = {0};
	struct project_head head;
	struct work_info there;
	int r = project_name_ok(spec->name) ? work_find(p, spec->name, &there)
					    : (int)WORK_BAD_NAME;

	if (r != WORK_MISSING)
		return r ? r : (int)WORK_EXISTS;
	r = project_head(p, &head);
	if (!r)
		r = make_branch(p, branch, spec->commit ? spec->commit : &head.commit,
				&side.commit);
	if (!r)
		r = worktree_tree_of(p, &side.commit, &work.tree);
	if (r)
		return r == PROJECT_GONE ? (int)WORKTREE_GONE : r;
	if (spec->tree)
		work.tree = *spec->tree;
	r = take_name(p, spec->name, branch, &side.commit);
	if (!r)
		r = work_create(p, &work, ret);
	if (r)
		return r;
	(void)snprintf(side.branch, sizeof(side.branch), "%s", branch);
	side.tree = work.tree;
	return note(p, ret, &side, OPLOG_SESSION);
}

/* What it held, for the log. */
static int last_look(struct work *w, struct oplog_side *ret)
{
	CLEANUP(worktree_end) struct worktree t = {0};
	int r = worktree_begin(w, &t);

	if (!r)
		r = worktree_snapshot(&t);
	if (r)
		return r;
	*ret = t.op.before;
	if (!worktree_is_dirty(&t))
		return 0;
	t.op.kind = OPLOG_SNAPSHOT;
	t.op.after = t.op.before;
	(void)snprintf(t.op.what, sizeof(t.op.what), "before `work rm %s`", t.name);
	return worktree_run(&t, NULL, NULL);
}

int work_session_remove(struct project *p, const char *name, struct work *w)
{
	struct oplog_side side = {0};
	struct work_info info;
	int r = strcmp(name, WORKTREE_LIVE) != 0 ? work_find(p, name, &info)
						 : (int)WORK_BAD_NAME;

	if (!r && w) {
		r = last_look(w, &side);
		work_unref(w);
	}
	if (r)
		return r == WORKTREE_GONE ? 0 : r;
	r = note(p, &info, &side, OPLOG_REMOVE);
	if (!r)
		r = work_remove(project_store(p), info.id);
	return r ? r : worktree_git_remove(p, name);
}
