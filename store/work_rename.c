/* Renames, exchanges included: checked as rename(2) has it, then one transaction. */
#include "store/work_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

struct move {
	struct work_node *from, *to; /* directories */
	const char *name, *new_name;
	struct work_node *src, *dst; /* dst NULL: the new name is free */
	unsigned flags;
};

/* Whether `n` is `dir` or below it. */
static bool is_below(const struct work_node *n, const struct work_node *dir)
{
	while (n && n != dir)
		n = work_parent_node(n);
	return n != NULL;
}

static int find_ends(struct work *w, struct move *m, uint64_t from, uint64_t to)
{
	int r = work_dir_node(w, from, &m->from);

	if (!r)
		r = work_dir_node(w, to, &m->to);
	if (!r)
		r = work_step(w, m->from, m->name, &m->src);
	if (r)
		return r;
	/* Held, since making the other end known must not forget this one. */
	m->src->holds++;
	r = work_step(w, m->to, m->new_name, &m->dst);
	if (!r)
		m->dst->holds++;
	return r == ENOENT ? 0 : r;
}

static int check(struct work *w, const struct move *m)
{
	bool exchange = m->flags & RENAME_EXCHANGE;

	if (m->flags & RENAME_NOREPLACE && m->dst)
		return EEXIST;
	if (exchange && !m->dst)
		return ENOENT;
	if (work_is_dir(m->src) && is_below(m->to, m->src))
		return EINVAL;
	if (exchange)
		return work_is_dir(m->dst) && is_below(m->from, m->dst) ? EINVAL : 0;
	if (!m->dst || m->src == m->dst)
		return 0;
	if (is_below(m->from, m->dst))
		return ENOTEMPTY;
	if (work_is_dir(m->src) != work_is_dir(m->dst))
		return work_is_dir(m->src) ? ENOTDIR : EISDIR;
	return work_is_dir(m->dst) ? work_is_empty(w, m->dst) : 0;
}

/* A directory that came, or that went: ".." counts as a link. */
static void count_link(struct work_txn *t, struct work_node *dir, const struct work_node *n,
		       int by)
{
	if (n && work_is_dir(n))
		work_txn_rec(t, dir)->nlink += (uint32_t)by;
}

static int stage_exchange(struct work_txn *t, const struct move *m)
{
	work_txn_rec(t, m->dst)->ctime = t->now;
	count_link(t, m->to, m->dst, -1);
	count_link(t, m->from, m->dst, 1);
	work_txn_name(t, m->to, m->new_name, m->src->r.ino);
	work_txn_name(t, m->from, m->name, m->dst->r.ino);
	return 0;
}

static int stage_replace(struct work_txn *t, const struct move *m)
{
	count_link(t, m->to, m->dst, -1);
	if (m->dst && !work_is_dir(m->dst) && m->dst->r.nlink > 1) {
		struct work_rec *r = work_txn_rec(t, m->dst);

		r->nlink--;
		r->ctime = t->now;
	} else if (m->dst) {
		work_txn_gone(t, m->dst);
	}
	work_txn_name(t, m->to, m->new_name, m->src->r.ino);
	return work_txn_unname(t, m->from, m->name);
}

static int move(struct work *w, const struct move *m)
{
	struct work_txn t;
	int r;

	work_txn_init(&t, w);
	work_txn_rec(&t, m->src)->ctime = t.now;
	(void)work_txn_touched(&t, m->from);
	(void)work_txn_touched(&t, m->to);
	count_link(&t, m->from, m->src, -1);
	count_link(&t, m->to, m->src, 1);
	r = m->flags & RENAME_EXCHANGE ? stage_exchange(&t, m) : stage_replace(&t, m);
	if (!r)
		r = work_txn_commit(&t);
	if (!r && m->dst && m->dst->is_orphan)
		m->dst->r.ctime = t.now;
	work_txn_deinit(&t);
	if (r)
		return r;
	m->src->changes++;
	work_note(w, m->from, m->name);
	work_note(w, m->to, m->new_name);
	return 0;
}

static void let_go(struct work *w, struct work_node *n)
{
	if (!n)
		return;
	n->holds--;
	work_node_settle(w, n);
}

int work_rename(struct work *w, uint64_t from, const char *name, uint64_t to,
		const char *new_name, unsigned flags)
{
	struct move m = {.name = name, .new_name = new_name, .flags = flags};
	bool moved = false;
	int r;

	if (flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE) ||
	    flags == (RENAME_NOREPLACE | RENAME_EXCHANGE))
		return EINVAL;
	if (strlen(name) > 255 || strlen(new_name) > 255)
		return ENAMETOOLONG;
	work_warm(w, from);
	work_warm(w, to);
	pthread_mutex_lock(&w->lock);
	r = find_ends(w, &m, from, to);
	if (!r)
		r = check(w, &m);
	if (!r && m.src != m.dst) {
		r = move(w, &m);
		moved = !r;
	}
	let_go(w, m.src);
	let_go(w, m.dst);
	pthread_mutex_unlock(&w->lock);
	if (moved) {
		work_dig(w, false);
		work_tell(w);
	}
	return r;
}
