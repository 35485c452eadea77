/* From a request to one call of the store, and from its outcome to a word. */
#include "tools/work_ops.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "store/checkout.h"
#include "store/commit_work.h"
#include "store/diff.h"
#include "store/fragment.h"
#include "store/merge_work.h"
#include "store/project.h"
#include "tools/exact.h"

enum { LEFT_OUT_MAX = 1000, CHANGES_MAX = 100000 };

struct left_out {
	struct json_out *out;
	unsigned n;
};

static void add_left_out(const char *path, const char *why, void *arg)
{
	struct left_out *l = arg;

	if (!strcmp(path, ".git") || ++l->n > LEFT_OUT_MAX)
		return;
	json_begin(l->out, '{');
	exact_field(l->out, "path", path, strlen(path));
	json_str_field(l->out, "why", why);
	json_end(l->out, '}');
}

static const char *outcome_word(int r)
{
	switch (r) {
	case 0:
		return "done";
	case WORKTREE_MOVED:
		return "moved";
	case WORKTREE_NOTHING:
		return "nothing";
	case WORKTREE_UNFINISHED:
		return "unfinished";
	case WORKTREE_UNMERGED:
		return "unmerged";
	default:
		return "gone";
	}
}

/* Ends an answer: a fault stays one, an outcome becomes a word. */
static int tell(struct json_out *reply, int r)
{
	if (r < 0)
		return r;
	json_str_field(reply, "outcome", outcome_word(r));
	return 0;
}

static int get_oid(const struct json *request, const char *key, struct oid *ret)
{
	const char *text = NULL;

	if (json_get_str(request, key, &text))
		return JSON_ABSENT;
	return oid_parse(text, strlen(text), ret) ? 0
						  : fail(-EINVAL, "'%s' is no object id", key);
}

static int get_who(const struct json *request, struct commit_who *ret)
{
	const struct json *who;
	const char *name, *email;
	int64_t time, tz;

	if (json_get(request, "author", &who) || json_get_str(who, "name", &name) ||
	    json_get_str(who, "email", &email) || json_get_int(who, "time", &time) ||
	    json_get_int(who, "tz", &tz) || tz < -1440 || tz > 1440)
		return fail(-EINVAL, "'author' is missing or incomplete");
	*ret = (struct commit_who){.name = alloc_str(name),
				   .email = alloc_str(email),
				   .time = time,
				   .tz = (int16_t)tz};
	return 0;
}

static void who_deinit(const struct commit_who *who)
{
	free(who->name);
	free(who->email);
}

static int do_commit(const struct work_ops *ops, const struct json *request,
		     struct json_out *reply)
{
	CLEANUP(who_deinit) struct commit_who who = {0};
	struct left_out left = {.out = reply};
	struct commit_work_spec spec = {
		.left_out = add_left_out,
		.left_out_arg = &left,
		.moved = ops->moved,
		.moved_arg = ops->moved_arg,
	};
	struct commit_work_result res = {0};
	struct oid restore;
	int r = get_who(request, &who);

	if (r || json_get_str(request, "message", &spec.message))
		return r ? r : fail(-EINVAL, "'message' is missing");
	(void)json_get_bool(request, "allowEmpty", &spec.allow_empty);
	(void)json_get_str(request, "what", &spec.what);
	r = get_oid(request, "restore", &restore);
	if (r < 0)
		return r;
	spec.restore = r ? NULL : &restore;
	spec.author = spec.committer = who;
	json_key_out(reply, "leftOut");
	json_begin(reply, '[');
	r = commit_work(ops->work, &spec, &res);
	json_end(reply, ']');
	json_int_field(reply, "nLeftOut", left.n);
	if (!r) {
		json_int_field(reply, "operation", (int64_t)res.op);
		exact_oid_field(reply, "commit", &res.commit);
		exact_oid_field(reply, "tree", &res.tree);
		json_int_field(reply, "seq", res.seq);
		json_bool_field(reply, "dirty", res.was_dirty);
	}
	return tell(reply, r);
}

static int count_one(const struct diff_change *c, void *arg)
{
	++*(uint64_t *)arg;
	return 0;
}

static void tell_switch(const struct work_ops *ops, const struct checkout_result *res,
			struct json_out *reply)
{
	uint64_t n = 0;

	(void)diff_trees(work_project(ops->work), &res->before, &res->after, count_one, &n);
	json_int_field(reply, "operation", (int64_t)res->op);
	json_bool_field(reply, "dirty", res->was_dirty);
	json_int_field(reply, "changed", (int64_t)n);
	exact_oid_field(reply, "tree", &res->after);
}

static int do_checkout(const struct work_ops *ops, const struct json *request,
		       struct json_out *reply)
{
	struct checkout_spec spec = {.moved = ops->moved, .moved_arg = ops->moved_arg};
	struct checkout_result res;
	int r = get_oid(request, "commit", &spec.commit);

	if (r)
		return r < 0 ? r : fail(-EINVAL, "'commit' is missing");
	(void)json_get_str(request, "branch", &spec.branch);
	r = checkout_run(ops->work, &spec, &res);
	if (!r)
		tell_switch(ops, &res, reply);
	return tell(reply, r);
}

static int do_undo(const struct work_ops *ops, const struct json *request,
		   struct json_out *reply)
{
	struct checkout_undo spec = {.moved = ops->moved, .moved_arg = ops->moved_arg};
	struct checkout_result res;
	struct oplog_op undone;
	struct project_head head;
	int64_t id = 0;
	int r;

	(void)json_get_int(request, "id", &id);
	(void)json_get_bool(request, "after", &spec.after);
	spec.id = id > 0 ? (uint64_t)id : 0;
	r = checkout_undo(ops->work, &spec, &undone, &res);
	if (!r) {
		tell_switch(ops, &res, reply);
		json_int_field(reply, "undone", (int64_t)undone.id);
		json_str_field(reply, "kind", oplog_kind_name(undone.kind));
		json_str_field(reply, "what", undone.what);
		if (!project_head(work_project(ops->work), &head))
			exact_oid_field(reply, "commit", &head.commit);
	}
	return tell(reply, r);
}

/* ---- merging ---- */

static int do_merge(const struct work_ops *ops, const struct json *request,
		    struct json_out *reply)
{
	CLEANUP(who_deinit) struct commit_who who = {0};
	struct merge_work_spec spec = {
		.name = "theirs", .moved = ops->moved, .moved_arg = ops->moved_arg};
	struct merge_work_result res;
	int r = get_who(request, &who);

	if (!r)
		r = get_oid(request, "commit", &spec.theirs);
	if (r)
		return r < 0 ? r : fail(-EINVAL, "'commit' is missing");
	(void)json_get_str(request, "name", &spec.name);
	spec.author = who;
	r = merge_work(ops->work, &spec, &res);
	if (!r) {
		json_int_field(reply, "operation", (int64_t)res.op);
		exact_oid_field(reply, "commit", &res.commit);
		json_int_field(reply, "conflicts", res.n_conflicts);
		json_bool_field(reply, "fastForward", res.fast_forward);
		json_bool_field(reply, "dirty", res.was_dirty);
		json_bool_field(reply, "setAside", res.set_aside);
	}
	return tell(reply, r);
}

static int is_merge(const struct oplog_op *op, void *arg)
{
	struct oplog_op *last = arg;

	if (op->work_id != last->work_id || op->phase != OPLOG_DONE)
		return 0;
	*last = *op;
	return 1;
}

/* Only a merge of ours is in the log; one that git began is git's to give up. */
static int do_abort(const struct work_ops *ops, const struct json *request,
		    struct json_out *reply)
{
	struct project *p = work_project(ops->work);
	struct oplog_op last = {.work_id = work_info(ops->work)->id};
	struct checkout_undo spec = {.moved = ops->moved, .moved_arg = ops->moved_arg};
	struct checkout_result res;
	int r = oplog_each(project_store(p), project_id(p), is_merge, &last);

	if (r < 0)
		return r;
	if (last.kind != OPLOG_MERGE || *last.ref)
		return tell(reply, WORKTREE_NOTHING);
	spec.id = last.id;
	r = checkout_undo(ops->work, &spec, NULL, &res);
	if (!r)
		tell_switch(ops, &res, reply);
	return tell(reply, r);
}

/* ---- status ---- */

struct changes {
	struct json_out *out;
	unsigned n;
};

static int add_change(const struct diff_change *c, void *arg)
{
	static const char *const words[] = {[DIFF_ADDED] = "added",
					    [DIFF_DELETED] = "deleted",
					    [DIFF_MODIFIED] = "modified"};
	struct changes *l = arg;

	if (++l->n > CHANGES_MAX)
		return 0;
	json_begin(l->out, '{');
	exact_field(l->out, "path", c->path, strlen(c->path));
	json_str_field(l->out, "status", words[c->kind]);
	json_end(l->out, '}');
	return 0;
}

static void tell_stand(const struct worktree *t, struct json_out *reply)
{
	struct fragment f = {0};

	(void)fragment_by_commit(t->project, &t->head.commit, &f);
	json_str_field(reply, "work", t->name);
	json_str_field(reply, "branch", *t->head.branch ? t->head.branch : NULL);
	exact_oid_field(reply, "commit", &t->head.commit);
	json_int_field(reply, "seq", f.seq);
	json_str_field(reply, "unfinished", t->busy);
	json_bool_field(reply, "behind",
			!oid_is_zero(&t->stood) && !oid_eq(&t->stood, &t->head.commit));
}

static int do_status(const struct work_ops *ops, const struct json *request,
		     struct json_out *reply)
{
	CLEANUP(worktree_end) struct worktree t = {0};
	struct left_out left = {.out = reply};
	struct changes changes = {.out = reply};
	int r = worktree_begin(ops->work, &t);

	if (r)
		return tell(reply, r);
	tell_stand(&t, reply);
	t.left_out = add_left_out;
	t.left_out_arg = &left;
	json_key_out(reply, "leftOut");
	json_begin(reply, '[');
	r = worktree_snapshot(&t);
	json_end(reply, ']');
	json_key_out(reply, "changes");
	json_begin(reply, '[');
	if (!r)
		r = diff_trees(t.project, &t.head_tree, &t.op.before.tree, add_change,
			       &changes);
	json_end(reply, ']');
	if (!r) {
		json_int_field(reply, "nChanges", changes.n);
		exact_oid_field(reply, "tree", &t.op.before.tree);
	}
	return tell(reply, r);
}

static int do_follow(const struct work_ops *ops, const struct json *request,
		     struct json_out *reply)
{
	return tell(reply, checkout_follow(ops->work, ops->moved, ops->moved_arg));
}

int work_ops_run(const struct work_ops *ops, const struct json *request, struct json_out *reply)
{
	static const struct {
		const char *name;
		int (*run)(const struct work_ops *, const struct json *, struct json_out *);
	} table[] = {
		{"abort", do_abort},   {"merge", do_merge},   {"checkout", do_checkout},
		{"commit", do_commit}, {"follow", do_follow}, {"status", do_status},
		{"undo", do_undo},
	};
	const char *what = NULL;

	if (json_get_str(request, "do", &what))
		return fail(-EINVAL, "the request does not say what to do with the work tree");
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (!strcmp(table[i].name, what))
			return table[i].run(ops, request, reply);
	}
	return fail(-ENOTSUP, "a work tree knows no operation '%s'", what);
}
