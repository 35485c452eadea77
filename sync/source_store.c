/* The real source: one project of an opened home.
 *
 * What a sandbox changed is kept under refs/remotes/sandbox/<id>: it came from elsewhere, as a remote's branches do, so it
 * is no branch of the user's, and since refs/remotes are numbered it is a fragment like any other, listed, diffable, and
 * restored by checking it out. The ref holds the newest; older ones are pinned by their own numbers, which is why the
 * project is refreshed before the ref moves on.
 *
 * Ownership between processes is a lock file per project under run/; it dies with its holder.
 */
#include "sync/source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/gitignore.h"
#include "base/lock.h"
#include "base/log.h"
#include "store/commit.h"
#include "store/project.h"
#include "store/ref.h"
#include "store/refresh.h"
#include "store/store.h"
#include "store/tree.h"
#include "store/work.h"
#include "store/work_rules.h"
#include "store/work_take.h"
#include "sync/flat.h"

struct source_store {
	struct source source;
	struct store *store;
	struct project *project;
	const struct source_live *live; /* may be NULL */
	int lock;                       /* -1: not the owner */
};

static struct source_store *store_of(struct source *s)
{
	return (struct source_store *)(void *)s;
}

DEFINE_CLEANUP(struct commit *, commit_free)

/* 0, SOURCE_MISSING, or a fault. */
static int tree_of(struct project *p, const struct oid *commit, struct oid *ret)
{
	CLEANUP(commit_freep) struct commit *c = NULL;
	int r = commit_read(p, commit, &c);

	if (r)
		return r < 0 ? r : SOURCE_MISSING;
	*ret = c->tree;
	return 0;
}

/* The work tree for a moment; NULL when nobody has one. */
static struct work *begin_work(const struct source_store *st, void **hold)
{
	struct work *w = NULL;

	if (!st->live || st->live->begin(st->project, &w, hold, st->live->arg))
		return NULL;
	return w;
}

/* Where somebody works, the tree is what the work tree holds right now; its contents get into the store for that. */
static int look_at_work(const struct source_store *st, struct source_head *ret)
{
	void *hold = NULL;
	struct work *w = begin_work(st, &hold);
	struct work_snapshot shot;
	struct gitignore *rules;
	int r;

	if (!w)
		return 0;
	ret->live = true;
	rules = work_rules_new(w);
	r = work_snapshot(w, rules, NULL, NULL, &shot);
	gitignore_free(rules);
	st->live->end(hold);
	if (!r)
		ret->tree = shot.tree;
	return r;
}

static int source_head(struct source *s, struct source_head *ret)
{
	struct project *p = store_of(s)->project;
	struct project_head head;
	int r = project_head(p, &head);

	if (r)
		return r < 0 ? r : SOURCE_GONE;
	if (oid_is_zero(&head.commit))
		return SOURCE_UNBORN;
	ret->commit = head.commit;
	r = tree_of(p, &head.commit, &ret->tree);
	return r ? r : look_at_work(store_of(s), ret);
}

static int source_take(struct source *s, const struct oid *base,
		       const struct source_file *files, size_t n)
{
	const struct source_store *st = store_of(s);
	CLEANUP(free_p) struct work_take *laid = alloc_array(n + 1, sizeof(*laid));
	void *hold = NULL;
	struct work *w = begin_work(st, &hold);
	size_t n_taken;
	int r;

	if (!w)
		return SOURCE_MISSING;
	for (size_t i = 0; i < n; i++)
		laid[i] = (struct work_take){.path = files[i].path,
					     .mode = files[i].mode,
					     .oid = files[i].oid,
					     .data = files[i].data,
					     .len = files[i].len};
	r = work_take(w, base, laid, n, st->live->moved, hold, &n_taken);
	st->live->end(hold);
	if (!r && n_taken)
		log_info("sync: project '%s': took over %zu files its sandbox changed",
			 project_name(st->project), n_taken);
	return r;
}

static int source_diff(struct source *s, const struct oid *from, const struct oid *to,
		       diff_fn fn, void *arg)
{
	int r = diff_trees(store_of(s)->project, from, to, fn, arg);

	return r > 0 ? SOURCE_MISSING : r;
}

static int source_size(struct source *s, const struct oid *blob, uint64_t *ret)
{
	int r = blob_size(store_of(s)->project, blob, ret);

	return r > 0 ? SOURCE_MISSING : r;
}

static int source_view(struct source *s, const struct oid *blob, struct blob_view *ret)
{
	int r = blob_view(store_of(s)->project, blob, ret);

	return r > 0 ? SOURCE_MISSING : r;
}

static void source_done(struct source *s, struct blob_view *v)
{
	blob_done(v);
}

static int said(int r)
{
	switch (r) {
	case STATE_NEWER:
		return fail(-EPROTO, "the state was written by a newer version of fragfs");
	case STATE_BAD:
		return fail(-EIO, "a sandbox's record is damaged");
	case STATE_MISSING:
		return SOURCE_MISSING;
	default:
		return r;
	}
}

static int source_load(struct source *s, struct state_sandbox *ret)
{
	const struct source_store *st = store_of(s);

	return said(state_sandbox_get(st->store, project_id(st->project), ret));
}

static int source_save(struct source *s, const struct state_sandbox *rec)
{
	return said(state_sandbox_put(store_of(s)->store, rec));
}

static int source_op_get(struct source *s, struct state_op *ret)
{
	const struct source_store *st = store_of(s);

	return said(state_op_get(st->store, project_id(st->project), ret));
}

static int source_op_open(struct source *s, struct state_op *op)
{
	return said(state_op_open(store_of(s)->store, op));
}

static int source_op_close(struct source *s, const struct state_op *op,
			   const struct state_sandbox *rec)
{
	return said(state_op_close(store_of(s)->store, op, rec));
}

/* ---- keeping what a sandbox did ---- */

static int base_entry(const struct diff_change *c, void *arg)
{
	struct plan_entry e = {.mode = c->new_mode, .oid = c->new_oid};

	if (c->new_mode)
		flat_add(arg, c->path, strlen(c->path), &e);
	return 0;
}

/* The whole tree of the commit to be: the base with what the sandbox changed laid over it. `data` is parallel. */
struct overlay {
	struct flat all;
	const void **data; /* NULL: in the store */
	size_t *len, data_cap, len_cap;
};

static void overlay_deinit(struct overlay *o)
{
	flat_deinit(&o->all);
	free(o->data);
	free(o->len);
}

static void overlay_add(struct overlay *o, const char *path, const struct plan_entry *e,
			const struct source_file *f)
{
	flat_add(&o->all, path, strlen(path), e);
	alloc_grow(&o->data, &o->data_cap, o->all.n, sizeof(*o->data));
	alloc_grow(&o->len, &o->len_cap, o->all.n, sizeof(*o->len));
	o->data[o->all.n - 1] = f ? f->data : NULL;
	o->len[o->all.n - 1] = f ? f->len : 0;
}

static void lay_over(struct overlay *o, const struct flat *base, const struct source_work *w)
{
	size_t i = 0, j = 0;

	while (i < base->n || j < w->n_files) {
		const struct plan_entry *b = i < base->n ? &base->entries[i] : NULL;
		const struct source_file *f = j < w->n_files ? &w->files[j] : NULL;
		int c = !b ? 1 : !f ? -1 : strcmp(b->path, f->path);
		struct plan_entry e;

		i += c <= 0;
		j += c >= 0;
		if (c < 0)
			overlay_add(o, b->path, b, NULL);
		if (c < 0 || !f->mode)
			continue;
		e = (struct plan_entry){.mode = f->mode, .oid = f->oid};
		overlay_add(o, f->path, &e, f);
	}
}

static void ref_name(const char *sandbox, char *ret, size_t size)
{
	static const char fine[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
	int n = snprintf(ret, size, "refs/remotes/sandbox/%s", sandbox);
	size_t from = strlen("refs/remotes/sandbox/");

	for (size_t i = from; n > 0 && i < (size_t)n && i < size - 1; i++)
		if (!strchr(fine, ret[i]))
			ret[i] = '-';
}

/* The commit the ref stands at, when it says exactly this. */
static bool is_kept_already(struct project *p, const struct oid *at, const struct oid *tree,
			    const struct source_work *w)
{
	CLEANUP(commit_freep) struct commit *c = NULL;

	if (oid_is_zero(at) || commit_read(p, at, &c))
		return false;
	if (!oid_eq(&c->tree, tree) || c->n_parents != !oid_is_zero(&w->commit))
		return false;
	return !c->n_parents || oid_eq(&c->parents[0], &w->commit);
}

static int write_commit(struct project *p, const struct overlay *o, const struct source_work *w,
			struct oid *ret)
{
	CLEANUP(free_p) struct commit_file *files = alloc_array(o->all.n + 1, sizeof(*files));
	CLEANUP(free_p) char *message = NULL, *email = NULL;
	char author[] = "sandbox", us[] = "fragfs", our_email[] = "fragfs@localhost";
	struct commit_spec spec = {
		.files = files,
		.n_files = o->all.n,
		.parents = &w->commit,
		.n_parents = !oid_is_zero(&w->commit),
	};

	for (size_t i = 0; i < o->all.n; i++)
		files[i] = (struct commit_file){
			.path = o->all.entries[i].path,
			.mode = o->all.entries[i].mode,
			.data = o->data[i],
			.len = o->len[i],
			.blob = o->data[i] ? NULL : &o->all.entries[i].oid,
		};
	message = alloc_fmt("Changes made in sandbox %s\n\n%zu files, saved by fragfs before "
			    "anything replaced them.\n",
			    w->sandbox, w->n_files);
	email = alloc_fmt("%s@sandbox", w->sandbox);
	spec.author = (struct commit_who){.name = author, .email = email, .time = w->time};
	spec.committer = (struct commit_who){.name = us, .email = our_email, .time = w->time};
	spec.message = message;
	return commit_write(p, &spec, ret);
}

/* Numbers what the ref points at, so that it is kept when the ref moves on. */
static int number(struct project *p)
{
	struct refresh_result result;
	int r = refresh_project(p, NULL, NULL, &result);

	return r > 0 ? fail(-ENOENT, "number the fragments of '%s'", project_name(p)) : r;
}

static int publish(struct project *p, const char *name, const struct oid *from,
		   const struct oid *to)
{
	int r = number(p);

	if (!r)
		r = ref_advance(p, name, from, to, "what a sandbox changed");
	/* Somebody else moved it: look again at the next try. */
	if (r > 0)
		return fail(-EBUSY, "move '%s'", name);
	return r ? r : number(p);
}

static int source_keep(struct source *s, const struct source_work *w, struct oid *ret)
{
	struct project *p = store_of(s)->project;
	CLEANUP(flat_deinit) struct flat base = {0};
	CLEANUP(overlay_deinit) struct overlay all = {0};
	static const struct oid nothing;
	struct oid tree, at = {0};
	char name[128];
	int r = 0;

	if (!oid_is_zero(&w->tree))
		r = diff_trees(p, &nothing, &w->tree, base_entry, &base);
	if (r < 0)
		return r;
	/* A base that was cut away from history is none. */
	if (r)
		flat_deinit(&base);
	lay_over(&all, &base, w);
	if (flat_tree(all.all.entries, all.all.n, &tree))
		return SOURCE_REFUSED;
	ref_name(w->sandbox, name, sizeof(name));
	r = ref_read(p, name, &at);
	if (r < 0)
		return r;
	if (is_kept_already(p, &at, &tree, w)) {
		*ret = at;
		return 0;
	}
	r = write_commit(p, &all, w, ret);
	if (r == -EINVAL)
		return SOURCE_REFUSED;
	if (r)
		return r;
	log_info("sync: sandbox '%s': saved %zu files it changed", w->sandbox, w->n_files);
	return publish(p, name, &at, ret);
}

/* The tree of a commit that nothing points at: it is needed until the mirror's next step, and gc keeps it long enough. */
static int source_plant(struct source *s, const struct plan_entry *entries, size_t n,
			struct oid *ret)
{
	CLEANUP(free_p) struct commit_file *files = alloc_array(n + 1, sizeof(*files));
	char who[] = "fragfs", mail[] = "fragfs@localhost";
	struct commit_spec spec = {
		.files = files,
		.n_files = n,
		.author = {.name = who, .email = mail},
		.committer = {.name = who, .email = mail},
		.message = "What both sides share\n",
	};
	struct oid commit;
	int r;

	for (size_t i = 0; i < n; i++)
		files[i] = (struct commit_file){.path = entries[i].path,
						.mode = entries[i].mode,
						.blob = &entries[i].oid};
	r = commit_write(store_of(s)->project, &spec, &commit);
	return r ? r : tree_of(store_of(s)->project, &commit, ret);
}

/* ---- ownership ---- */

static int source_own(struct source *s)
{
	struct source_store *st = store_of(s);
	char name[48];
	int r;

	(void)snprintf(name, sizeof(name), "mirror-%016llx.lock",
		       (unsigned long long)project_id(st->project));
	r = lock_take(store_run_fd(st->store), name, "mirroring", false, &st->lock);
	return r == LOCK_HELD ? SOURCE_HELD : r;
}

static void source_disown(struct source *s)
{
	close_p(&store_of(s)->lock);
	store_of(s)->lock = -1;
}

static void source_release(struct source *s)
{
	source_disown(s);
	project_unref(store_of(s)->project);
	free(s);
}

struct source *source_store_new(struct store *st, struct project *p,
				const struct source_live *live)
{
	static const struct source_ops ops = {
		.free = source_release,
		.head = source_head,
		.diff = source_diff,
		.size = source_size,
		.view = source_view,
		.done = source_done,
		.load = source_load,
		.save = source_save,
		.op_get = source_op_get,
		.op_open = source_op_open,
		.op_close = source_op_close,
		.keep = source_keep,
		.take = source_take,
		.plant = source_plant,
		.own = source_own,
		.disown = source_disown,
	};
	struct source_store *s = alloc_zero(sizeof(*s));

	s->source.ops = &ops;
	s->store = st;
	s->project = project_ref(p);
	s->live = live;
	s->lock = -1;
	return &s->source;
}
