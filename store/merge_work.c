/* libgit2 merges trees in memory; what comes of it is one operation of store/worktree.h.
 *
 * A conflicted path gets the text with markers, or the side that still has it, so the result is a tree like any other and the switch
 * to it is atomic. Only then is git's index told which paths are unmerged.
 */
#include "store/merge_work.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/judge.h"
#include "store/project_private.h"
#include "store/refresh.h"
#include "store/worktree_index.h"

DEFINE_CLEANUP(git_index *, git_index_free)
DEFINE_CLEANUP(git_index_conflict_iterator *, git_index_conflict_iterator_free)

struct merging {
	struct worktree *t;
	const struct merge_work_spec *spec;
	git_repository *repo;
	struct worktree_index_conflict *conflicts;
	size_t n, cap;
	struct oid tree; /* what was merged, markers included */
	bool fast_forward;
};

static void merging_deinit(const struct merging *m)
{
	for (size_t i = 0; i < m->n; i++)
		free((char *)(uintptr_t)m->conflicts[i].path);
	free(m->conflicts);
}

static int write_tree(const struct merging *m, git_index *index, struct oid *ret)
{
	git_oid id;
	int r = git_index_write_tree_to(&id, index, m->repo);

	if (r)
		return fail_git(r, "write a merged tree");
	*ret = oid_from_git(&id);
	return 0;
}

/* ---- conflicts ---- */

static void note_side(struct worktree_index_conflict *c, int i, const git_index_entry *e)
{
	if (!e)
		return;
	c->mode[i] = e->mode;
	c->oid[i] = oid_from_git(&e->id);
}

static int gather(struct merging *m, git_index *index)
{
	CLEANUP(git_index_conflict_iterator_freep) git_index_conflict_iterator *it = NULL;
	const git_index_entry *base, *ours, *theirs;
	int r = git_index_conflict_iterator_new(&it, index);

	while (!r && !(r = git_index_conflict_next(&base, &ours, &theirs, it))) {
		struct worktree_index_conflict *c;
		const git_index_entry *any = ours ? ours : theirs ? theirs : base;

		alloc_grow(&m->conflicts, &m->cap, m->n + 1, sizeof(*m->conflicts));
		c = &m->conflicts[m->n++];
		*c = (struct worktree_index_conflict){.path = alloc_str(any->path)};
		note_side(c, 0, base);
		note_side(c, 1, ours);
		note_side(c, 2, theirs);
	}
	return r == GIT_ITEROVER ? 0 : fail_git(r, "look at conflicts");
}

static git_index_entry entry_of(const struct worktree_index_conflict *c, int i)
{
	return (git_index_entry){
		.path = c->path, .mode = c->mode[i], .id = oid_to_git(&c->oid[i])};
}

/* Text with markers, as a blob. Where that cannot be, ours. */
static int mark(const struct merging *m, const struct worktree_index_conflict *c,
		git_index_entry *ret)
{
	git_merge_file_options o = {.version = GIT_MERGE_FILE_OPTIONS_VERSION};
	git_merge_file_result out = {0};
	git_index_entry base = entry_of(c, 0), ours = entry_of(c, 1), theirs = entry_of(c, 2);
	int r;

	*ret = ours;
	if (ours.mode == MODE_LINK || theirs.mode == MODE_LINK || ours.mode == MODE_GITLINK ||
	    theirs.mode == MODE_GITLINK)
		return 0;
	o.our_label = "HEAD";
	o.their_label = m->spec->name;
	o.ancestor_label = "base";
	r = git_merge_file_from_index(&out, m->repo, c->mode[0] ? &base : NULL, &ours, &theirs,
				      &o);
	if (!r && out.ptr)
		r = git_blob_create_from_buffer(&ret->id, m->repo, out.ptr, out.len);
	git_merge_file_result_free(&out);
	return r ? fail_git(r, "merge '%s'", c->path) : 0;
}

/* Puts something into the index where it is unmerged, so that it is a tree. */
static int settle(const struct merging *m, git_index *index)
{
	for (size_t i = 0; i < m->n; i++) {
		const struct worktree_index_conflict *c = &m->conflicts[i];
		git_index_entry e = entry_of(c, c->mode[1] ? 1 : 2);
		int r = git_index_conflict_remove(index, c->path);

		if (!r && c->mode[1] && c->mode[2]) {
			r = mark(m, c, &e);
			if (r)
				return r;
		}
		if (!r && e.mode)
			r = git_index_add(index, &e);
		if (r)
			return fail_git(r, "settle '%s'", c->path);
	}
	return 0;
}

/* ---- merging ---- */

static int merge_commits(struct merging *m, const git_oid *ours, const git_oid *theirs)
{
	CLEANUP(git_index_freep) git_index *index = NULL;
	CLEANUP(git_commit_freep) git_commit *a = NULL;
	CLEANUP(git_commit_freep) git_commit *b = NULL;
	int r = git_commit_lookup(&a, m->repo, ours);

	if (!r)
		r = git_commit_lookup(&b, m->repo, theirs);
	if (!r)
		r = git_merge_commits(&index, m->repo, a, b, NULL);
	if (r)
		return fail_git(r, "merge '%s'", m->spec->name);
	if (git_index_has_conflicts(index)) {
		r = gather(m, index);
		if (!r)
			r = settle(m, index);
	}
	return r ? r : write_tree(m, index, &m->tree);
}

static int merge(struct merging *m)
{
	git_oid ours = oid_to_git(&m->t->head.commit), theirs = oid_to_git(&m->spec->theirs),
		base;
	int r;

	if (oid_is_zero(&m->t->head.commit))
		m->fast_forward = true;
	else {
		r = git_merge_base(&base, m->repo, &ours, &theirs);
		if (r)
			return r == GIT_ENOTFOUND ? (int)WORKTREE_GONE
						  : fail_git(r, "find what two commits share");
		if (git_oid_equal(&base, &theirs))
			return WORKTREE_NOTHING;
		m->fast_forward = git_oid_equal(&base, &ours);
	}
	if (m->fast_forward)
		return worktree_tree_of(m->t->project, &m->spec->theirs, &m->tree);
	return merge_commits(m, &ours, &theirs);
}

/* What was uncommitted, on top of what was merged; zero when it does not fit. */
static int carry_over(struct merging *m, struct oid *ret)
{
	CLEANUP(git_index_freep) git_index *index = NULL;
	CLEANUP(git_tree_freep) git_tree *base = NULL;
	CLEANUP(git_tree_freep) git_tree *ours = NULL;
	CLEANUP(git_tree_freep) git_tree *theirs = NULL;
	git_oid b = oid_to_git(&m->t->head_tree), o = oid_to_git(&m->t->op.before.tree),
		t = oid_to_git(&m->tree);
	int r = git_tree_lookup(&base, m->repo, &b);

	*ret = (struct oid){{0}};
	if (!r)
		r = git_tree_lookup(&ours, m->repo, &o);
	if (!r)
		r = git_tree_lookup(&theirs, m->repo, &t);
	if (!r)
		r = git_merge_trees(&index, m->repo, base, ours, theirs, NULL);
	if (r)
		return fail_git(r, "carry uncommitted work over a merge");
	return git_index_has_conflicts(index) ? 0 : write_tree(m, index, ret);
}

/* ---- doing ---- */

static int write_state(struct worktree *t, const struct merge_work_spec *spec,
		       const char *message)
{
	char hex[OID_HEX_LEN + 1];
	CLEANUP(free_p) char *head = alloc_fmt("%s\n", oid_hex(&spec->theirs, hex));
	CLEANUP(free_p) char *text = alloc_fmt("%s\n", message);
	int r = io_replace(t->admin_fd, "MERGE_MSG", text, strlen(text), 0644);

	if (!r)
		r = io_replace(t->admin_fd, "MERGE_MODE", "", 0, 0644);
	return r ? r : io_replace(t->admin_fd, "MERGE_HEAD", head, strlen(head), 0644);
}

static int commit(struct merging *m, const char *message)
{
	const struct oid parents[] = {m->t->head.commit, m->spec->theirs};
	const struct commit_spec c = {.author = m->spec->author,
				      .committer = m->spec->author,
				      .message = message,
				      .parents = parents,
				      .n_parents = 2};

	if (m->fast_forward) {
		m->t->op.after.commit = m->spec->theirs;
		return 0;
	}
	return commit_write_tree(m->t->project, &m->tree, &c, &m->t->op.after.commit);
}

static int apply(struct merging *m)
{
	const struct merge_work_spec *spec = m->spec;
	CLEANUP(free_p) char *message = alloc_fmt("Merge %s", spec->name);
	struct worktree *t = m->t;
	const struct worktree_index_spec index = {
		.tree = &m->tree, .conflicts = m->conflicts, .n_conflicts = m->n};
	int r;

	t->op.kind = OPLOG_MERGE;
	t->op.switches = true;
	(void)snprintf(t->op.after.branch, sizeof(t->op.after.branch), "%s", t->head.branch);
	(void)snprintf(t->op.what, sizeof(t->op.what), "merge %.150s", spec->name);
	t->op.after.commit = t->head.commit;
	r = m->n ? write_state(t, spec, message) : commit(m, message);
	if (r)
		return r;
	if (!m->n && *t->head.branch) {
		(void)snprintf(t->op.ref, sizeof(t->op.ref), "%s", t->head.branch);
		t->op.ref_from = t->head.commit;
		t->op.ref_to = t->op.after.commit;
	}
	r = worktree_run(t, spec->moved, spec->moved_arg);
	if (r)
		worktree_forget_merge(t);
	else if (m->n)
		r = worktree_index_write(t->work, t->admin_fd, &index);
	return r == WORKTREE_INDEX_BUSY ? 0 : r;
}

static int look(struct worktree *t)
{
	if (t->busy)
		return WORKTREE_UNFINISHED;
	if (!oid_is_zero(&t->stood) && !oid_eq(&t->stood, &t->head.commit))
		return WORKTREE_MOVED;
	return worktree_snapshot(t);
}

int merge_work(struct work *w, const struct merge_work_spec *spec,
	       struct merge_work_result *ret)
{
	CLEANUP(worktree_end) struct worktree t = {0};
	CLEANUP(project_lent_done) struct project_lent lent = {.project = work_project(w)};
	CLEANUP(merging_deinit) struct merging m = {.t = &t, .spec = spec};
	struct refresh_result numbered;
	bool dirty, aside = false;
	int r = worktree_begin(w, &t);

	if (!r)
		r = look(&t);
	if (!r && project_repo(t.project, &lent.repo))
		r = WORKTREE_GONE;
	m.repo = lent.repo;
	if (!r)
		r = merge(&m);
	if (r)
		return r;
	dirty = worktree_is_dirty(&t);
	t.op.after.tree = m.tree;
	if (dirty && !m.n) {
		struct oid both;

		r = carry_over(&m, &both);
		aside = !r && oid_is_zero(&both);
		if (!r && !aside)
			t.op.after.tree = both;
	} else {
		aside = dirty;
	}
	if (!r)
		r = apply(&m);
	if (r)
		return r;
	(void)refresh_project(t.project, NULL, NULL, &numbered);
	*ret = (struct merge_work_result){.op = t.op.id,
					  .commit = t.op.after.commit,
					  .n_conflicts = (unsigned)m.n,
					  .fast_forward = m.fast_forward,
					  .was_dirty = dirty,
					  .set_aside = aside};
	return 0;
}
