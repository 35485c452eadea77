/* The planner: three listings in, a plan out, no I/O.
 *
 * It works in three passes. The first walks B, D and R side by side and settles each path on its own: what it shall be
 * (an entry of `target`, or nothing) and, where R differs from B, what becomes of R's version. The second
 * looks for a name that is a file on one side and a directory on the other, which no tree can hold: what is kept wins
 * since it can be had nowhere else, then D. The third compares R with the target, and the difference is
 * the actions. So by construction R plus actions is the target, and what is removed or replaced was either in B, is in
 * D, or stands in `drift`.
 *
 * Halts stop deletions of one direction and nothing else: what vanished is left alone on both sides until a
 * person has looked.
 */
#include "sync/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/judge.h"
#include "provider/agent/ignore.h"

/* One path on all sides; NULL where it is not. */
struct triple {
	const struct plan_entry *b, *d, *r;
};

enum origin { FROM_D, FROM_R, KEPT };

struct pass {
	const struct plan_input *in;
	struct plan *plan;
	unsigned char *origin; /* per target entry */
	size_t origin_cap, target_cap, drift_cap, actions_cap;
	bool hold_theirs,
		hold_ours; /* deletions of the sandbox, of ours, are not carried over */
	uint64_t saved_bytes;
};

static bool same(const struct plan_entry *a, const struct plan_entry *b)
{
	if (!a || !b)
		return a == b;
	return a->mode == b->mode && oid_eq(&a->oid, &b->oid);
}

static bool is_file(uint32_t mode)
{
	return mode == MODE_FILE || mode == MODE_EXEC;
}

static bool same_content(const struct plan_entry *a, const struct plan_entry *b)
{
	return a && b && is_file(a->mode) && is_file(b->mode) && oid_eq(&a->oid, &b->oid);
}

static bool is_mode(uint32_t mode)
{
	return is_file(mode) || mode == MODE_LINK || mode == MODE_GITLINK;
}

static void aim(struct pass *p, const struct plan_entry *e, enum origin origin)
{
	alloc_grow(&p->plan->target, &p->target_cap, p->plan->n_target + 1,
		   sizeof(*p->plan->target));
	alloc_grow(&p->origin, &p->origin_cap, p->plan->n_target + 1, 1);
	p->plan->target[p->plan->n_target] = *e;
	p->origin[p->plan->n_target++] = (unsigned char)origin;
}

/* What may become of R's version of a path that it changed. */
static enum plan_fate fate_of(struct pass *p, const struct triple *t)
{
	size_t len = strlen(t->r ? t->r->path : t->b->path);

	if (!t->r)
		return PLAN_DELETED;
	if (judge_path(t->r->path, len) != JUDGE_FINE || !is_mode(t->r->mode))
		return PLAN_KEEP_REFUSED;
	switch (ignore_path(t->r->path, len)) {
	case IGNORE_SECRET:
		return PLAN_KEEP_SECRET;
	case IGNORE_BULK:
		/* As in git, ignoring is for what nobody tracks. */
		if (!t->b && !t->d)
			return PLAN_KEEP_BULK;
		break;
	case IGNORE_NO:
		break;
	}
	/* What our side has in the same place is no secret and no news. */
	if (same_content(t->r, t->b) || same_content(t->r, t->d))
		return PLAN_SAVE;
	if (p->in->size_max && t->r->size > p->in->size_max)
		return PLAN_KEEP_LARGE;
	if (p->in->total_max && t->r->size > p->in->total_max - p->saved_bytes)
		return PLAN_KEEP_LARGE;
	p->saved_bytes += t->r->size;
	return PLAN_SAVE;
}

static bool is_kept(enum plan_fate f)
{
	return f != PLAN_SAVE && f != PLAN_DELETED;
}

static void note(struct pass *p, const struct triple *t, enum plan_fate fate, bool taken)
{
	struct plan *plan = p->plan;
	/* Modes alone never conflict, nor does what both sides did alike. */
	bool conflict = !same(t->d, t->b) && !same(t->d, t->r) && !same_content(t->d, t->r) &&
			p->in->policy == PLAN_MERGE;

	alloc_grow(&plan->drift, &p->drift_cap, plan->n_drift + 1, sizeof(*plan->drift));
	plan->drift[plan->n_drift++] = (struct plan_drift){
		.fate = fate,
		.taken = taken,
		.conflict = conflict,
		.entry = t->r ? *t->r : *t->b,
	};
	plan->n_saved += fate == PLAN_SAVE;
	plan->n_kept += is_kept(fate);
	plan->n_conflicts += conflict;
}

/* Both sides have the content alike and differ in the executable bit: whoever changed it wins. */
static const struct plan_entry *newer_mode(const struct triple *t)
{
	if (t->b && is_file(t->b->mode) && t->b->mode == t->d->mode)
		return t->r;
	return t->d;
}

/* Merge: which version a path with R changed is to have; NULL: none. */
static const struct plan_entry *merge_one(const struct triple *t)
{
	if (same_content(t->d, t->r))
		return newer_mode(t);
	if (same(t->d, t->b))
		return t->r;
	/* Both changed. A deletion loses; else our version is shown. */
	return t->d ? t->d : t->r;
}

static void settle_changed(struct pass *p, const struct triple *t)
{
	enum plan_fate fate = fate_of(p, t);
	const struct plan_entry *goal = t->d;

	if (is_kept(fate)) {
		note(p, t, fate, false);
		aim(p, t->r, KEPT);
		return;
	}
	if (p->in->policy == PLAN_MERGE)
		goal = merge_one(t);
	/* A held deletion is neither taken nor undone: it is not even news. */
	if (!t->r && p->hold_theirs && same(t->d, t->b))
		return;
	note(p, t, fate, same(goal, t->r) && !same(goal, t->d));
	if (goal)
		aim(p, goal, goal == t->r ? FROM_R : FROM_D);
}

static void settle(struct pass *p, const struct triple *t)
{
	if (same(t->r, t->d)) {
		if (t->d)
			aim(p, t->d, FROM_D);
		return;
	}
	if (!same(t->r, t->b)) {
		settle_changed(p, t);
		return;
	}
	if (t->d) {
		aim(p, t->d, FROM_D);
		return;
	}
	if (p->hold_ours)
		aim(p, t->r, FROM_R);
}

static const struct plan_entry *head(const struct plan_side *s, size_t at)
{
	return at < s->n ? &s->entries[at] : NULL;
}

static const char *least(const struct plan_entry *const *e, size_t n)
{
	const char *ret = NULL;

	for (size_t i = 0; i < n; i++)
		if (e[i] && (!ret || strcmp(e[i]->path, ret) < 0))
			ret = e[i]->path;
	return ret;
}

static void walk(struct pass *p, void (*fn)(struct pass *p, const struct triple *t))
{
	const struct plan_input *in = p->in;
	size_t b = 0, d = 0, r = 0;

	for (;;) {
		const struct plan_entry *e[3] = {head(&in->base, b), head(&in->desired, d),
						 head(&in->remote, r)};
		const char *path = least(e, 3);

		if (!path)
			return;
		for (size_t i = 0; i < 3; i++)
			if (e[i] && strcmp(e[i]->path, path) != 0)
				e[i] = NULL;
		b += e[0] != NULL;
		d += e[1] != NULL;
		r += e[2] != NULL;
		fn(p, &(struct triple){.b = e[0], .d = e[1], .r = e[2]});
	}
}

/* The target entry at exactly the first `len` bytes of `path`, or -1. */
static ptrdiff_t target_find(const struct plan *plan, const char *path, size_t len)
{
	size_t lo = 0, hi = plan->n_target;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const char *at = plan->target[mid].path;
		int c = strncmp(at, path, len);

		if (c == 0 && at[len] == '\0')
			return (ptrdiff_t)mid;
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return -1;
}

static struct plan_drift *drift_find(struct plan *plan, const char *path)
{
	size_t lo = 0, hi = plan->n_drift;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = strcmp(plan->drift[mid].entry.path, path);

		if (c == 0)
			return &plan->drift[mid];
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

enum { DROPPED = 0xff };

static void drop(struct pass *p, size_t at)
{
	struct plan_drift *d;

	if (p->origin[at] == DROPPED)
		return;
	if (p->origin[at] == FROM_D)
		p->plan->n_blocked++;
	d = drift_find(p->plan, p->plan->target[at].path);
	/* What R had here was to be taken over; now it is only saved. */
	if (d && d->taken) {
		d->taken = false;
		p->plan->n_conflicts += !d->conflict;
		d->conflict = true;
	}
	p->origin[at] = DROPPED;
}

/* A file cannot also be a directory. Kept beats D, D beats what was only taken over from R; between equals, which only
 * hostile listings have, the deeper one goes. */
static void part_files_from_directories(struct pass *p)
{
	static const unsigned char rank[] = {[FROM_D] = 1, [FROM_R] = 0, [KEPT] = 2};
	struct plan *plan = p->plan;
	size_t n = 0;

	for (size_t i = 0; i < plan->n_target; i++) {
		const char *path = plan->target[i].path;

		for (const char *s = strchr(path, '/'); s; s = strchr(s + 1, '/')) {
			ptrdiff_t up = target_find(plan, path, (size_t)(s - path));

			if (up < 0 || p->origin[up] == DROPPED || p->origin[i] == DROPPED)
				continue;
			drop(p, rank[p->origin[up]] < rank[p->origin[i]] ? (size_t)up : i);
		}
	}
	for (size_t i = 0; i < plan->n_target; i++)
		if (p->origin[i] != DROPPED)
			plan->target[n++] = plan->target[i];
	plan->n_target = n;
}

static bool mixes_sides(const struct pass *p)
{
	for (size_t i = 1; i < p->plan->n_target; i++)
		if (p->origin[i] != p->origin[0])
			return true;
	return false;
}

static void act(struct pass *p, enum plan_action_kind kind, const struct plan_entry *e)
{
	struct plan *plan = p->plan;

	alloc_grow(&plan->actions, &p->actions_cap, plan->n_actions + 1,
		   sizeof(*plan->actions));
	plan->actions[plan->n_actions++] = (struct plan_action){.kind = kind, .entry = *e};
	if (kind == PLAN_PUT || kind == PLAN_LINK)
		plan->bytes += e->size;
}

/* `t`: R in r, the target in d. */
static void act_on(struct pass *p, const struct triple *t)
{
	if (same(t->r, t->d))
		return;
	if (!t->d)
		act(p, PLAN_REMOVE, t->r);
	else if (!is_file(t->d->mode))
		act(p, PLAN_LINK, t->d);
	else
		act(p, same_content(t->r, t->d) ? PLAN_MODE : PLAN_PUT, t->d);
}

static void count_vanished(const struct plan_side *base, const struct plan_side *now,
			   size_t *ret)
{
	size_t j = 0;

	for (size_t i = 0; i < base->n; i++) {
		while (j < now->n && strcmp(now->entries[j].path, base->entries[i].path) < 0)
			j++;
		if (j == now->n || strcmp(now->entries[j].path, base->entries[i].path) != 0)
			++*ret;
	}
}

static enum plan_halt judge_loss(size_t n_base, size_t n_now, size_t vanished)
{
	if (n_base && !n_now)
		return PLAN_HALT_EMPTIED;
	if (n_base >= PLAN_VANISH_MIN && vanished > n_base / 2)
		return PLAN_HALT_VANISHED;
	return PLAN_GO;
}

static enum plan_halt find_halt(struct pass *p)
{
	const struct plan_input *in = p->in;
	size_t n_base = in->n_base ? in->n_base : in->base.n;
	size_t n_desired = in->n_desired ? in->n_desired : in->desired.n;
	size_t n_remote = in->n_remote ? in->n_remote : in->remote.n;
	size_t theirs = 0, ours = 0;
	enum plan_halt h;

	if (in->acknowledged)
		return PLAN_GO;
	if (in->new_epoch && in->unsaved)
		return PLAN_HALT_EPOCH;
	if (in->policy == PLAN_SWITCH)
		return PLAN_GO;
	count_vanished(&in->base, &in->remote, &theirs);
	count_vanished(&in->base, &in->desired, &ours);
	p->hold_ours = judge_loss(n_base, n_desired, ours) != PLAN_GO;
	h = judge_loss(n_base, n_remote, theirs);
	p->hold_theirs = h != PLAN_GO;
	if (h != PLAN_GO)
		return h;
	return p->hold_ours ? PLAN_HALT_OURS : PLAN_GO;
}

void plan_make(const struct plan_input *in, struct plan *ret)
{
	struct plan_input last;
	struct pass p = {.in = in, .plan = ret};

	*ret = (struct plan){0};
	ret->halt = find_halt(&p);
	if (ret->halt == PLAN_HALT_EPOCH)
		return;
	walk(&p, settle);
	if (mixes_sides(&p))
		part_files_from_directories(&p);
	last = (struct plan_input){
		.desired = {.entries = ret->target, .n = ret->n_target},
		.remote = in->remote,
	};
	p.in = &last;
	walk(&p, act_on);
	free(p.origin);
}

void plan_deinit(struct plan *p)
{
	free(p->actions);
	free(p->drift);
	free(p->target);
	*p = (struct plan){0};
}

const char *plan_halt_words(enum plan_halt h)
{
	switch (h) {
	case PLAN_GO:
		return "nothing is in the way";
	case PLAN_HALT_EMPTIED:
		return "the sandbox lost every file";
	case PLAN_HALT_VANISHED:
		return "the sandbox lost more than half of its files";
	case PLAN_HALT_OURS:
		return "more than half of the project's files vanished on our side";
	case PLAN_HALT_EPOCH:
		return "the sandbox was replaced while it held changes that had not been saved";
	}
	return "it is halted";
}
