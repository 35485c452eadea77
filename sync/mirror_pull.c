/* Bringing back what the sandbox changed of its own: PULL.
 *
 * The agent lists and hashes everything that counts; that listing is R. With B and D from the store the planner
 * says what R changed, and what of it is to be saved; contents the store does not have are fetched, hashed again here,
 * and committed beside the branches. Only when that commit is durable does the record's R advance, so that a crash
 * at any point finds the changes still in the sandbox, or in history.
 *
 * Everything the agent says is foreign: the listing must be sorted, must make the tree it claims, and is capped; names
 * are judged by the planner; contents must have the size and the id that were listed. What does not fit
 * (secrets, oversize) stays in the sandbox and is counted in the status.
 *
 * Operations that were interrupted leave a mixture of two trees of ours. So B, for this comparison, is for each path
 * what the open operation would have put there, if that is what R has.
 */
#include "sync/mirror_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/judge.h"
#include "base/sha1.h"

enum { LIST, LISTING, FETCHING };

/* Entries of D that no sandbox may get are left out and counted. */
struct gather {
	struct mirror *m;
	struct flat *into;
	bool sizes;
	size_t n_refused;
	int err;
};

static int gather_one(const struct diff_change *c, void *arg)
{
	struct gather *g = arg;
	struct plan_entry e = {.mode = c->new_mode, .oid = c->new_oid};
	size_t len = strlen(c->path);
	const struct source_ops *ops = g->m->source->ops;

	if (!c->new_mode)
		return 0;
	if (judge_path(c->path, len) != JUDGE_FINE ||
	    judge_entry("x", 1, c->new_mode) != JUDGE_FINE) {
		g->n_refused++;
		return 0;
	}
	if (g->sizes && e.mode != MODE_GITLINK)
		g->err = ops->size(g->m->source, &e.oid, &e.size);
	flat_add(g->into, c->path, len, &e);
	return g->err;
}

/* All files of a tree of the store. 0, SOURCE_MISSING, or a fault. */
static int list_tree(struct mirror *m, const struct oid *tree, struct flat *into, bool sizes,
		     size_t *n_refused)
{
	struct gather g = {.m = m, .into = into, .sizes = sizes};
	static const struct oid nothing;
	int r;

	if (oid_is_zero(tree))
		return 0;
	r = m->source->ops->diff(m->source, &nothing, tree, gather_one, &g);
	if (n_refused)
		*n_refused = g.n_refused;
	return r;
}

static void pull_deinit(struct pull *p)
{
	for (size_t i = 0; i < p->n_files && p->data; i++)
		free(p->data[i]);
	free(p->files);
	free(p->data);
	free(p->ids);
	free(p->taken);
	buf_deinit(&p->got);
	*p = (struct pull){0};
	buf_init(&p->got, MIRROR_SAVE_MAX);
}

static int ask_for_listing(struct mirror *m)
{
	if (m->rounds++ >= MIRROR_ROUNDS_MAX) {
		mirror_fail(m, "the sandbox keeps changing while it is read");
		return 1;
	}
	mirror_forget_plan(m);
	pull_deinit(&m->pull);
	m->pull.list_id = mirror_ask(m, &(struct wire_frame){.type = WIRE_MANIFEST});
	m->part = LISTING;
	return 1;
}

static void take_entry(struct mirror *m, const struct wire_frame *f)
{
	struct plan_entry e = {.mode = f->mode, .oid = f->oid, .size = f->size};

	flat_add(&m->remote, f->path.p, f->path.len, &e);
}

/* The mixture an interrupted operation left counts as the base where R agrees with it. */
static int blend_interrupted(struct mirror *m)
{
	struct flat to = {0}, blend = {0};
	size_t b = 0;
	int r = list_tree(m, &m->op.to, &to, false, NULL);

	for (size_t i = 0; i < m->remote.n && r == 0; i++) {
		const struct plan_entry *e = &m->remote.entries[i], *t;

		for (; b < m->base.n && strcmp(m->base.entries[b].path, e->path) < 0; b++) {
			/* Gone from R: by us, if the operation was to remove it. */
			const char *path = m->base.entries[b].path;

			if (flat_find(&to, path))
				flat_add(&blend, path, strlen(path), &m->base.entries[b]);
		}
		t = flat_find(&to, e->path);
		if (t && (t->mode != e->mode || !oid_eq(&t->oid, &e->oid)))
			t = NULL;
		if (b < m->base.n && strcmp(m->base.entries[b].path, e->path) == 0) {
			t = t ? t : &m->base.entries[b];
			b++;
		}
		if (t)
			flat_add(&blend, t->path, strlen(t->path), t);
	}
	for (; b < m->base.n && r == 0; b++)
		if (flat_find(&to, m->base.entries[b].path))
			flat_add(&blend, m->base.entries[b].path,
				 strlen(m->base.entries[b].path), &m->base.entries[b]);
	flat_deinit(&to);
	if (r) {
		flat_deinit(&blend);
		return r == SOURCE_MISSING ? 0 : r;
	}
	flat_deinit(&m->base);
	m->base = blend;
	return 0;
}

/* What was taken and is a change again is something the work tree does not show (ignored there only): it stays on its
 * side. */
static bool may_take(const struct mirror *m)
{
	return m->live && m->rounds < MIRROR_ROUNDS_MAX;
}

/* What was put there was ours: the kept files of R need content, those in the store do not. */
static int collect(struct mirror *m)
{
	const struct plan *plan = &m->send.plan;
	struct pull *p = &m->pull;

	p->files = alloc_array(plan->n_drift + 1, sizeof(*p->files));
	p->data = alloc_array(plan->n_drift + 1, sizeof(*p->data));
	p->ids = alloc_array(plan->n_drift + 1, sizeof(*p->ids));
	p->taken = alloc_array(plan->n_drift + 1, sizeof(*p->taken));
	for (size_t i = 0; i < plan->n_drift; i++) {
		const struct plan_drift *d = &plan->drift[i];
		uint64_t size;
		int r;

		if ((d->fate != PLAN_SAVE && d->fate != PLAN_DELETED) ||
		    d->entry.mode == MODE_GITLINK)
			continue;
		p->files[p->n_files] = (struct source_file){
			.path = d->entry.path,
			.mode = d->fate == PLAN_SAVE ? d->entry.mode : 0,
			.oid = d->entry.oid,
			.len = d->entry.size,
		};
		r = d->fate == PLAN_SAVE ? m->source->ops->size(m->source, &d->entry.oid, &size)
					 : 0;
		if (r < 0)
			return r;
		p->taken[p->n_files] = may_take(m) && d->taken;
		p->ids[p->n_files++] = r == SOURCE_MISSING;
		p->n_away += r == SOURCE_MISSING;
	}
	return 0;
}

static int make_plan(struct mirror *m)
{
	/* A live tree moves with every edit; only another HEAD is somebody's word for another version. */
	bool moved = m->live ? !oid_eq(&m->rec.base_commit, &m->head)
			     : !oid_eq(&m->rec.base, &m->tree);
	struct plan_input in = {
		.base = flat_side(&m->base),
		.desired = flat_side(&m->desired),
		.remote = flat_side(&m->remote),
		.policy = moved || m->order ? PLAN_SWITCH : PLAN_MERGE,
		.new_epoch = m->new_epoch,
		.acknowledged = m->order,
		.size_max = MIRROR_SAVE_MAX,
		.total_max = MIRROR_SAVE_TOTAL_MAX,
	};

	plan_make(&in, &m->send.plan);
	if (m->send.plan.halt != PLAN_GO)
		return mirror_settle(m, MIRROR_HALTED,
				     "%s; `frag checkout` puts the fragment's back",
				     plan_halt_words(m->send.plan.halt));
	return 0;
}

/* From here on a sandbox that is replaced takes something with it. */
static int note_unsaved(struct mirror *m)
{
	if (!m->pull.n_away || m->rec.phase == MIRROR_PULL)
		return 0;
	m->rec.phase = MIRROR_PULL;
	return m->source->ops->save(m->source, &m->rec);
}

static int compare(struct mirror *m)
{
	struct oid tree;
	int r;

	if (!flat_is_sorted(&m->remote) || flat_tree(m->remote.entries, m->remote.n, &tree) ||
	    !oid_eq(&tree, &m->pull.tree)) {
		mirror_fail(m, "the agent's listing does not make the tree it claims");
		return 1;
	}
	r = list_tree(m, &m->rec.base, &m->base, false, NULL);
	/* History that was cut away is no base: everything is compared with D alone. */
	if (r == SOURCE_MISSING)
		flat_deinit(&m->base);
	if (!r && m->op_open)
		r = blend_interrupted(m);
	if (r < 0)
		return r;
	r = list_tree(m, &m->tree, &m->desired, true, &m->n_refused);
	if (r == SOURCE_MISSING)
		return mirror_settle(
			m, MIRROR_HALTED,
			"the fragment cannot be read whole; `frag fsck` says more");
	if (!r)
		r = make_plan(m);
	if (!r)
		r = collect(m);
	if (!r)
		r = note_unsaved(m);
	if (r)
		return r;
	m->part = FETCHING;
	m->files_done = m->bytes_done = m->bytes_total = 0;
	m->files_total = m->pull.n_away;
	return 1;
}

static int take_listing(struct mirror *m)
{
	struct wire_frame f;
	int r;

	while ((r = mirror_hear(m, m->pull.list_id, &f)) == 1) {
		if (f.type == WIRE_ENTRY && m->remote.n < MIRROR_LISTING_MAX) {
			take_entry(m, &f);
			continue;
		}
		if (f.type == WIRE_ENTRY)
			return mirror_settle(m, MIRROR_HALTED,
					     "the sandbox holds more than %d files",
					     MIRROR_LISTING_MAX);
		if (f.type != WIRE_END) {
			mirror_bewildered(m, &f);
			return 1;
		}
		m->pull.tree = f.tree;
		return compare(m);
	}
	return r;
}

static bool ask_for_contents(struct mirror *m)
{
	struct pull *p = &m->pull;
	bool asked = false;

	while (p->n_asked < p->n_files &&
	       m->next_id - p->list_id - m->files_done < MIRROR_FETCHES_MAX) {
		size_t i = p->n_asked++;

		if (!p->ids[i])
			continue;
		p->ids[i] = mirror_ask(m, &(struct wire_frame){
						  .type = WIRE_FETCH,
						  .path = wire_str(p->files[i].path),
					  });
		asked = true;
	}
	return asked;
}

/* The content of file `n_got` is complete, if it is what was listed. */
static int take_content(struct mirror *m)
{
	struct pull *p = &m->pull;
	struct source_file *f = &p->files[p->n_got];
	struct oid oid;

	sha1_blob(p->got.data, p->got.len, &oid);
	if (p->got.len != f->len || !oid_eq(&oid, &f->oid)) {
		mirror_enter(m, MIRROR_PULL);
		return 1;
	}
	p->data[p->n_got] = buf_take(&p->got);
	f->data = p->data[p->n_got++];
	m->files_done++;
	m->bytes_done += f->len;
	return 0;
}

/* 1: nothing is missing any more, or the state changed; 0: waiting. */
static int take_contents(struct mirror *m)
{
	struct pull *p = &m->pull;
	struct wire_frame f;
	int r;

	for (;;) {
		while (p->n_got < p->n_files && !p->ids[p->n_got])
			p->n_got++;
		if (p->n_got == p->n_files)
			return 1;
		if (ask_for_contents(m))
			talk_flush(&m->talk);
		r = mirror_hear(m, p->ids[p->n_got], &f);
		if (r != 1)
			return r;
		if (f.type == WIRE_BYTES && !buf_add(&p->got, f.data.p, f.data.len))
			continue;
		if (f.type == WIRE_END) {
			r = take_content(m);
			if (r)
				return r;
			continue;
		}
		/* It vanished or grew since it was listed: list again. */
		if (f.type == WIRE_BYTES ||
		    (f.type == WIRE_ERROR && f.code == WIRE_E_MISSING)) {
			mirror_enter(m, MIRROR_PULL);
			return 1;
		}
		mirror_bewildered(m, &f);
		return 1;
	}
}

/* Parts the files: those for the work tree go to the front. How many they are. */
static size_t part(struct pull *p)
{
	struct source_file *kept = alloc_array(p->n_files + 1, sizeof(*kept));
	size_t n_taken = 0, n_kept = 0;

	for (size_t i = 0; i < p->n_files; i++)
		if (p->taken[i])
			p->files[n_taken++] = p->files[i];
		else
			kept[n_kept++] = p->files[i];
	memcpy(p->files + n_taken, kept, n_kept * sizeof(*kept));
	free(kept);
	return n_taken;
}

static int keep(struct mirror *m, size_t n_taken)
{
	struct source_work w = {
		.sandbox = m->rec.id,
		.commit = m->rec.base_commit,
		.tree = m->rec.base,
		.files = m->pull.files + n_taken,
		.n_files = m->pull.n_files - n_taken,
		.time = clock_wall(m->clock),
	};

	if (!w.n_files)
		return 0;
	return m->source->ops->keep(m->source, &w, &m->rec.drift);
}

static const char *kept_words(enum plan_fate f)
{
	switch (f) {
	case PLAN_KEEP_SECRET:
		return "looks like a credential";
	case PLAN_KEEP_LARGE:
		return "is too large to bring back";
	case PLAN_KEEP_REFUSED:
		return "has a name or mode that git refuses";
	case PLAN_KEEP_BULK:
		return "is on the ignore list";
	case PLAN_SAVE:
	case PLAN_DELETED:
		break;
	}
	return "was changed";
}

int mirror_settle_conflict(struct mirror *m)
{
	const struct plan *p = &m->send.plan;
	char hex[OID_HEX_LEN + 1];

	for (size_t i = 0; i < p->n_drift; i++)
		if (p->drift[i].fate != PLAN_SAVE && p->drift[i].fate != PLAN_DELETED)
			return mirror_settle(
				m, MIRROR_CONFLICT,
				"%zu files stay as the sandbox has them; the first "
				"%s: '%.100s'",
				p->n_kept + p->n_blocked, kept_words(p->drift[i].fate),
				p->drift[i].entry.path);
	return mirror_settle(
		m, MIRROR_CONFLICT,
		"the sandbox changed %zu files of its own, saved as %.12s; they stay "
		"until the next checkout",
		p->n_drift, oid_hex(&m->rec.drift, hex));
}

/* The work tree has what the sandbox changed: D is derived anew, and agrees with R about it. */
static int go_on_live(struct mirror *m)
{
	const struct source_ops *ops = m->source->ops;
	int r;

	/* The mixture that an interrupted operation left is what both sides share from now on. */
	if (m->op_open) {
		r = ops->plant(m->source, m->base.entries, m->base.n, &m->rec.base);
		if (!r)
			r = ops->op_close(m->source, &m->op, &m->rec);
	} else {
		r = ops->save(m->source, &m->rec);
	}
	if (r)
		return r;
	m->op_open = false;
	pull_deinit(&m->pull);
	mirror_enter(m, MIRROR_DUE);
	return 1;
}

/* Everything is safe: R is what was listed. What remains is to make it D. */
static int go_on(struct mirror *m)
{
	struct plan plan = m->send.plan;
	size_t n_taken = part(&m->pull);
	struct oid to;
	int r = 0;

	if (n_taken)
		r = m->source->ops->take(m->source, &m->rec.base, m->pull.files, n_taken);
	/* Nobody has it open any more: saved like everything else. */
	if (r == SOURCE_MISSING)
		n_taken = 0;
	if (r < 0)
		return r;
	r = keep(m, n_taken);
	if (r == SOURCE_REFUSED)
		return mirror_settle(
			m, MIRROR_HALTED,
			"what the sandbox changed cannot be committed; the log says "
			"why");
	if (r)
		return r;
	m->rec.observed = m->pull.tree;
	m->rec.n_kept = (uint32_t)(plan.n_kept + plan.n_blocked);
	m->rec.phase = MIRROR_CONFLICT;
	if (n_taken)
		return go_on_live(m);
	if (!plan.n_actions) {
		m->rec.base = m->tree;
		m->rec.base_commit = m->head;
	}
	r = m->op_open     ? m->source->ops->op_close(m->source, &m->op, &m->rec)
	    : plan.n_drift ? m->source->ops->save(m->source, &m->rec)
			   : 0;
	if (r)
		return r;
	m->op_open = false;
	pull_deinit(&m->pull);
	if (!plan.n_actions && (plan.n_drift || plan.n_blocked))
		return mirror_settle_conflict(m);
	if (!plan.n_actions)
		return mirror_settle_synced(m, &m->rec.observed);
	r = flat_tree(plan.target, plan.n_target, &to);
	if (r)
		return mirror_settle(m, MIRROR_HALTED,
				     "the fragment and what the sandbox keeps make no tree");
	m->send.plan = (struct plan){0};
	return mirror_send_plan(m, &plan, &m->rec.observed, &to);
}

int mirror_step_pull(struct mirror *m)
{
	int r;

	switch (m->part) {
	case LIST:
		return ask_for_listing(m);
	case LISTING:
		return take_listing(m);
	default:
		r = take_contents(m);
		if (r != 1 || m->state != MIRROR_PULL || m->part != FETCHING)
			return r;
		return go_on(m);
	}
}

void mirror_pull_end(struct mirror *m)
{
	pull_deinit(&m->pull);
}
