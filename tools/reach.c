/* A walk over history without a queue.
 *
 * Numbers are given parents first, so an ancestor always has a lower number than its descendants. Going down the
 * numbers and marking the parents of every marked fragment therefore visits exactly what `from` reaches, in
 * a topological order, with a bit a fragment as its only state.
 */
#include "tools/reach.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "store/commit.h"
#include "store/fragment.h"

DEFINE_CLEANUP(struct commit *, commit_free)

struct marks {
	struct project *project;
	unsigned char *bits;
};

static void set(struct marks *m, uint32_t seq)
{
	m->bits[seq / 8] |= (unsigned char)(1U << seq % 8);
}

static int is_set(const struct marks *m, uint32_t seq)
{
	return m->bits[seq / 8] >> seq % 8 & 1;
}

static int mark_parents(struct marks *m, const struct fragment *f)
{
	CLEANUP(commit_freep) struct commit *c = NULL;
	struct fragment parent;
	int r = f->n_parents ? commit_read(m->project, &f->commit, &c) : 0;

	if (r < 0)
		return r;
	for (size_t i = 0; c && i < c->n_parents; i++) {
		r = fragment_by_commit(m->project, &c->parents[i], &parent);
		if (r < 0)
			return r;
		/* A parent that has no number is damaged or cut off (a shallow clone). */
		if (!r && parent.seq < f->seq)
			set(m, parent.seq);
	}
	return 0;
}

int reach_each(struct project *p, const struct oid *from, reach_fn fn, void *arg)
{
	CLEANUP(free_p) unsigned char *bits = NULL;
	struct marks m = {.project = p};
	struct fragment f;
	uint32_t top = 0;
	int r = from ? fragment_by_commit(p, from, &f) : fragment_last(p, &top);

	if (r)
		return r < 0 ? r : 0;
	if (from) {
		top = f.seq;
		m.bits = bits = alloc_zero(top / 8 + 1);
		set(&m, top);
	}
	for (uint32_t seq = top; seq > 0; seq--) {
		if (from && !is_set(&m, seq))
			continue;
		r = fragment_get(p, seq, &f);
		if (r == FRAGMENT_MISSING)
			continue;
		if (!r && from)
			r = mark_parents(&m, &f);
		if (!r)
			r = fn(&f, arg);
		if (r)
			return r;
	}
	return 0;
}
