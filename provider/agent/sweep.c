/* provider/agent/sweep.c - renames, in order, that can all be taken back.
 *
 *	received -> compared -> inspected -> intent written -> moved, one by one -> noted -> cleared away
 *	    |          |            |              |                 |
 *	    +----------+------------+--------------+-- refused       +-- a race or fault: moved back
 *
 * Every move is one rename that never overwrites: an added file takes a free name, a modified one trades
 * places with what it replaces, a removed one goes to its slot in the staging directory. So a reader
 * finds the old file or the new one at every instant, what was replaced is still there until the end, and the same
 * renames backwards undo everything. After each trade the sweep looks at what came out: when that is not what was
 * inspected, the sandbox wrote at the same moment, and everything is moved back and said to be drift.
 *
 * A file system without exchange (the rename fails with EINVAL) gets a hard link and two renames
 * instead, which no reader can tell from it either.
 */
#include "provider/agent/sweep.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/judge.h"
#include "provider/agent/beneath.h"
#include "provider/agent/digest.h"
#include "provider/agent/inspect.h"
#include "provider/agent/site.h"

struct sweep {
	struct site *place;
	struct apply *apply;
	struct beneath live;
	struct manifest next; /* entries in order; paths are borrowed */
	struct inspection in;
	struct refusal *why;
};

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct change *)a)->path, ((const struct change *)b)->path);
}

static int by_phase(const void *a, const void *b)
{
	const struct change *x = *(struct change *const *)a, *y = *(struct change *const *)b;

	return x->phase != y->phase ? (x->phase < y->phase ? -1 : 1) : strcmp(x->path, y->path);
}

/* What the manifest will be, for its tree and for questions about directories. */
static void preview(struct sweep *s)
{
	const struct manifest *m = &s->place->current;
	const struct apply *a = s->apply;
	size_t i = 0, j = 0;

	alloc_grow(&s->next.entries, &s->next.cap, m->n + a->n + 1, sizeof(*m->entries));
	while (i < m->n || j < a->n) {
		int c = i == m->n   ? 1
			: j == a->n ? -1
				    : strcmp(m->entries[i].path, a->changes[j].path);
		const struct change *ch = c >= 0 ? &a->changes[j++] : NULL;
		const struct manifest_entry *old = c <= 0 ? &m->entries[i++] : NULL;
		struct manifest_entry e = {0};

		if (ch)
			e = (struct manifest_entry){
				.path = ch->path, .mode = ch->mode, .oid = ch->oid};
		else
			e = *old;
		if (e.mode)
			s->next.entries[s->next.n++] = e;
	}
}

static int check_tree(struct sweep *s)
{
	struct apply *a = s->apply;
	struct oid tree;

	for (size_t i = 1; i < a->n; i++)
		if (!strcmp(a->changes[i - 1].path, a->changes[i].path))
			return refuse(s->why, WIRE_E_PATH, "'%s' is changed twice",
				      a->changes[i].path);
	if (!manifest_tree(&s->next, &tree))
		return refuse(s->why, WIRE_E_PATH, "a path would be both a file and a folder");
	if (!oid_eq(&tree, &a->to))
		return refuse(s->why, WIRE_E_HASH,
			      "the changes do not make the tree that was announced");
	return 0;
}

static int exchange(int stage, const char *slot, int dir, const char *name)
{
	char other[SLOT_MAX + 4];
	int r = beneath_rename(stage, slot, dir, name, BENEATH_EXCHANGE);

	if (r != -EINVAL)
		return r;
	(void)snprintf(other, sizeof(other), "%s.o", slot);
	if (linkat(dir, name, stage, other, 0))
		return -errno;
	if (renameat(stage, slot, dir, name) || renameat(stage, other, stage, slot))
		return -errno;
	return 0;
}

/* Is what came out of the project what was inspected? */
static bool is_as_seen(const struct sweep *s, const struct change *c, const char *slot)
{
	struct stat st;

	if (fstatat(s->apply->dir, slot, &st, AT_SYMLINK_NOFOLLOW) ||
	    st.st_ino != c->seen.st_ino)
		return false;
	if (S_ISDIR(st.st_mode))
		return inspect_only_removals(&s->in, s->apply->dir, slot, c->path);
	return st.st_size == c->seen.st_size && st.st_mtim.tv_sec == c->seen.st_mtim.tv_sec &&
	       st.st_mtim.tv_nsec == c->seen.st_mtim.tv_nsec;
}

static int move_in(struct sweep *s, const struct change *c, const char *slot)
{
	const char *name;
	int dir, r;

	if (!c->stands) {
		r = beneath_make_parents(&s->live, c->path);
		if (r)
			return r;
	}
	dir = beneath_dir(&s->live, c->path, &name);
	if (dir < 0)
		return dir;
	/* A build that ran while we staged must not think itself newer than its source. */
	(void)utimensat(s->apply->dir, slot, NULL, AT_SYMLINK_NOFOLLOW);
	if (!c->stands)
		return beneath_rename(s->apply->dir, slot, dir, name, BENEATH_NOREPLACE);
	return exchange(s->apply->dir, slot, dir, name);
}

static int move_out(struct sweep *s, const struct change *c, const char *slot)
{
	const char *name;
	int dir = beneath_dir(&s->live, c->path, &name);

	if (dir < 0)
		return dir;
	if (c->phase != PHASE_BECOMES_DIR)
		return beneath_rename(dir, name, s->apply->dir, slot, BENEATH_NOREPLACE);
	if (mkdirat(s->apply->dir, slot, 0755) && errno != EEXIST)
		return -errno;
	return exchange(s->apply->dir, slot, dir, name);
}

/* The same move backwards. */
static int move_back(struct sweep *s, const struct change *c)
{
	char slot[SLOT_MAX];
	const char *name;
	int dir = beneath_dir(&s->live, c->path, &name);

	(void)apply_slot(c->slot, slot);
	if (dir < 0)
		return dir;
	if (!c->mode && c->phase != PHASE_BECOMES_DIR)
		return beneath_rename(s->apply->dir, slot, dir, name, BENEATH_NOREPLACE);
	if (!c->stands)
		return beneath_rename(dir, name, s->apply->dir, slot, BENEATH_NOREPLACE);
	return exchange(s->apply->dir, slot, dir, name);
}

static int move_one(struct sweep *s, struct change *c)
{
	char slot[SLOT_MAX];
	int r;

	(void)apply_slot(c->slot, slot);
	r = c->mode ? move_in(s, c, slot) : move_out(s, c, slot);
	if (r == -EEXIST || r == -ENOENT || r == -ENOTDIR || r == -ELOOP || r == -EXDEV)
		return refuse(s->why, WIRE_E_DRIFT,
			      "'%s' was changed inside the sandbox at the same moment",
			      c->path);
	if (r)
		return refuse_io(s->why, r, "put '%s' in place", c->path);
	c->done = true;
	/* Directories that traded places are other ones than those remembered. */
	if (c->phase == PHASE_BECOMES_DIR || c->phase == PHASE_LINK)
		beneath_forget(&s->live);
	if (c->stands && !is_as_seen(s, c, slot))
		return refuse(s->why, WIRE_E_DRIFT,
			      "'%s' was changed inside the sandbox at the same moment",
			      c->path);
	return 0;
}

/* In order; on a fault everything is moved back. */
static int move_all(struct sweep *s)
{
	struct apply *a = s->apply;
	struct change **order = alloc_array(a->n, sizeof(*order));
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; i < a->n; i++)
		if (!a->changes[i].settled)
			order[n++] = &a->changes[i];
	qsort(order, n, sizeof(struct change *), by_phase);
	for (size_t i = 0; i < n && !r; i++) {
		r = move_one(s, order[i]);
		if (r && s->in.resume)
			r = 0;
	}
	for (size_t i = n; r && i-- > 0;) {
		if (!order[i]->done)
			continue;
		beneath_forget(&s->live);
		if (!move_back(s, order[i]))
			order[i]->done = false;
	}
	free(order);
	return r;
}

/* What the manifest has to say about a path now. */
static struct manifest_entry outcome_of(struct sweep *s, const struct change *c, bool trust)
{
	struct manifest_entry e = {.path = c->path, .mode = c->mode, .oid = c->oid};
	const char *name;
	struct stat st;
	int dir = beneath_dir(&s->live, c->path, &name);

	if (dir < 0 || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW)) {
		e.mode = 0;
		return e;
	}
	if (S_ISDIR(st.st_mode)) {
		e.mode = c->mode == MODE_GITLINK ? MODE_GITLINK : 0;
		return e;
	}
	if (trust && c->mode == stamp_mode(&st)) {
		stamp_of(&st, &e.stamp);
		return e;
	}
	if (digest_at(dir, name, &e))
		e.mode = 0;
	return e;
}

/* Notes every change in manifest and ledger. */
static int note_all(struct sweep *s, bool trust)
{
	struct site *p = s->place;
	struct manifest changes = {0};

	for (size_t i = 0; i < s->apply->n; i++) {
		struct manifest_entry e = outcome_of(s, &s->apply->changes[i], trust);

		manifest_add(&changes, &e);
	}
	manifest_merge(&p->current, &changes);
	ledger_done(&p->ledger, &changes, &p->current);
	free(changes.entries);
	if (!manifest_tree(&p->current, &p->tree))
		return refuse(s->why, WIRE_E_IO, "what is there makes no tree");
	return 0;
}

/* Removes the directories above `path` that hold nothing any more. */
static void prune_above(struct sweep *s, const char *path)
{
	char dir[WIRE_PATH_MAX + 1];
	size_t len = strlen(path);

	memcpy(dir, path, len + 1);
	while (len--) {
		const char *name;
		int at;

		if (dir[len] != '/')
			continue;
		dir[len] = '\0';
		if (manifest_below(&s->place->current, dir, len))
			return;
		at = beneath_dir(&s->live, dir, &name);
		if (at < 0 || unlinkat(at, name, AT_REMOVEDIR))
			return;
		beneath_forget(&s->live);
	}
}

static void clear_slot(struct sweep *s, const struct change *c)
{
	const struct manifest_entry *old = manifest_find(&s->place->current, c->path);
	struct cached what = {.size = (uint64_t)c->seen.st_size};
	char slot[SLOT_MAX];

	(void)apply_slot(c->slot, slot);
	if (!c->stands || !old || !S_ISREG(c->seen.st_mode))
		return;
	what.oid = old->oid;
	objcache_take(&s->place->cache, s->apply->dir, slot, &what);
}

/* Keeps what was replaced; must come before the manifest forgets its ids. */
static void keep_replaced(struct sweep *s)
{
	for (size_t i = 0; i < s->apply->n; i++)
		if (s->apply->changes[i].done)
			clear_slot(s, &s->apply->changes[i]);
}

static void prune_all(struct sweep *s)
{
	for (size_t i = s->apply->n; i-- > 0;) {
		const struct change *c = &s->apply->changes[i];
		const char *name;
		int at;

		if (c->mode)
			continue;
		at = c->stands && S_ISDIR(c->seen.st_mode)
			     ? beneath_dir(&s->live, c->path, &name)
			     : -1;
		if (at >= 0)
			(void)unlinkat(at, name, AT_REMOVEDIR);
		prune_above(s, c->path);
	}
}

/* Everything was moved back, unless that failed too: then the manifest must say what stands there. */
static void note_failure(struct sweep *s)
{
	const struct manifest none = {0};
	struct refusal ignored;

	for (size_t i = 0; i < s->apply->n; i++) {
		if (!s->apply->changes[i].done)
			continue;
		s->why = &ignored;
		(void)note_all(s, false);
		return;
	}
	ledger_done(&s->place->ledger, &none, &s->place->current);
}

static void sweep_init(struct sweep *s, struct site *p, struct apply *a, struct refusal *why)
{
	*s = (struct sweep){.place = p, .apply = a, .why = why};
	beneath_init(&s->live, p->root);
	if (a->n)
		qsort(a->changes, a->n, sizeof(*a->changes), by_path);
	preview(s);
	s->in = (struct inspection){
		.live = &s->live,
		.current = &p->current,
		.next = &s->next,
		.apply = a,
	};
}

static void sweep_deinit(struct sweep *s)
{
	beneath_deinit(&s->live);
	free(s->next.entries);
}

static int intend(struct sweep *s)
{
	struct site *p = s->place;
	int r = p->ledger.behind ? ledger_rewrite(&p->ledger, &p->current) : 0;

	if (!r)
		r = ledger_intend(&p->ledger, s->apply);
	return r ? refuse_io(s->why, r, "write the journal") : 0;
}

static int commit(struct sweep *s)
{
	int r = check_tree(s);

	if (!r)
		r = inspect_all(&s->in, s->why);
	if (!r)
		r = intend(s);
	if (r)
		return r;
	r = move_all(s);
	if (r) {
		note_failure(s);
		return r;
	}
	keep_replaced(s);
	r = note_all(s, true);
	prune_all(s);
	return r;
}

int sweep_commit(struct site *p, struct apply *a, struct refusal *why)
{
	struct sweep s;
	int r = site_refresh(p, why);

	if (r)
		return r;
	if (!oid_eq(&p->tree, &a->from))
		return refuse(why, WIRE_E_MOVED, "the sandbox holds another tree");
	r = apply_complete(a, why);
	if (r)
		return r;
	sweep_init(&s, p, a, why);
	r = commit(&s);
	sweep_deinit(&s);
	return r;
}

int sweep_resume(struct site *p, struct apply *a, struct refusal *why)
{
	struct sweep s;
	int r;

	sweep_init(&s, p, a, why);
	s.in.resume = true;
	r = inspect_all(&s.in, why);
	/* A slot holds the new content until its move, the old one after: only the former may be moved. */
	for (size_t i = 0; !r && i < a->n; i++) {
		struct manifest_entry e = {0};
		char slot[SLOT_MAX];
		struct change *c = &a->changes[i];

		if (c->settled || !c->mode || c->mode == MODE_GITLINK)
			continue;
		if (digest_at(a->dir, apply_slot(c->slot, slot), &e) ||
		    !oid_eq(&e.oid, &c->oid))
			c->settled = true;
	}
	if (!r)
		r = move_all(&s);
	if (!r)
		r = note_all(&s, false);
	prune_all(&s);
	sweep_deinit(&s);
	return r;
}
