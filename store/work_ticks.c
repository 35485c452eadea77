/* What changed lately: a ring of (directory, name), for git's fsmonitor and for auto-commits.
 *
 * A tick is the wall clock at opening, in nanoseconds, plus the number of changes since: it grows over restarts without being
 * kept anywhere. Paths are made when somebody asks, so a change costs a copy of its name; a directory that was renamed in
 * between is in the ring under its old name, too.
 *
 * A run of changes to one file takes one place.
 */
#include "store/work_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"

enum { RING = 16384, LOOK_BACK = 4, PATH_LIMIT = 1 << 20 };

struct entry {
	uint64_t tick, dir;
	char *name;
};

struct work_ticks {
	struct entry ring[RING];
	size_t at;     /* where the next one goes */
	uint64_t last; /* the newest tick */
	uint64_t lost; /* changes up to here are not in the ring */
};

struct work_ticks *work_ticks_new(void)
{
	struct work_ticks *t = alloc_zero(sizeof(*t));

	t->last = t->lost = (uint64_t)work_now();
	return t;
}

void work_ticks_free(struct work_ticks *t)
{
	for (size_t i = 0; t && i < RING; i++)
		free(t->ring[i].name);
	free(t);
}

void work_note(struct work *w, const struct work_node *dir, const char *name)
{
	struct work_ticks *t = w->ticks;
	struct entry *e;

	t->last++;
	for (size_t i = 1; i <= LOOK_BACK; i++) {
		e = &t->ring[(t->at - i) % RING];
		if (e->name && e->dir == dir->r.ino && !strcmp(e->name, name)) {
			e->tick = t->last;
			return;
		}
	}
	e = &t->ring[t->at];
	if (e->name)
		t->lost = e->tick > t->lost ? e->tick : t->lost;
	free(e->name);
	*e = (struct entry){t->last, dir->r.ino, alloc_str(name)};
	t->at = (t->at + 1) % RING;
}

void work_note_node(struct work *w, const struct work_node *n)
{
	for (const struct work_name *e = n->names; e; e = e->next_link)
		work_note(w, e->dir, e->text);
	if (n == w->root)
		work_note(w, n, "");
}

void work_note_all(struct work *w)
{
	w->ticks->lost = ++w->ticks->last;
}

void work_tell(struct work *w)
{
	void (*fn)(struct work * w, void *arg);
	void *arg;

	pthread_mutex_lock(&w->lock);
	fn = w->on_change;
	arg = w->on_change_arg;
	pthread_mutex_unlock(&w->lock);
	if (fn)
		fn(w, arg);
}

void work_on_change(struct work *w, void (*fn)(struct work *w, void *arg), void *arg)
{
	LOCKED(&w->lock);
	w->on_change = fn;
	w->on_change_arg = arg;
}

uint64_t work_tick(struct work *w)
{
	LOCKED(&w->lock);
	return w->ticks->last;
}

/* Appends the path of `n` with a slash behind it, unless it is the root. */
static int add_path(struct buf *b, const struct work_node *n)
{
	int r;

	if (!n->names)
		return 0;
	r = add_path(b, n->names->dir);
	if (!r)
		r = buf_str(b, n->names->text);
	return r ? r : buf_str(b, "/");
}

static bool is_attached(const struct work *w, const struct work_node *n)
{
	while (n->names)
		n = n->names->dir;
	return n == w->root;
}

/* The paths since `tick`, one after the other with their NULs. */
static int gather(struct work *w, uint64_t tick, struct buf *b)
{
	const struct work_ticks *t = w->ticks;
	int r = 0;

	LOCKED(&w->lock);
	if (tick < t->lost || tick > t->last)
		return WORK_CHANGES_UNKNOWN;
	for (size_t i = 0; i < RING && !r; i++) {
		const struct entry *e = &t->ring[(t->at + i) % RING];
		const struct work_node *dir =
			e->name && e->tick > tick ? work_node_find(w, e->dir) : NULL;

		/* A directory that is gone has an entry of its own, in the one it stood in. */
		if (!dir || !is_attached(w, dir))
			continue;
		r = add_path(b, dir);
		if (!r)
			r = buf_str(b, e->name);
		if (!r && !*e->name && b->len && b->data[b->len - 1] == '/')
			b->len--;
		if (!r)
			r = buf_add(b, "", 1);
	}
	return r ? WORK_CHANGES_UNKNOWN : 0;
}

int work_changes_since(struct work *w, uint64_t tick, work_changed_fn fn, void *arg)
{
	CLEANUP(buf_deinit) struct buf b;
	int r;

	buf_init(&b, (size_t)PATH_LIMIT * 64);
	r = gather(w, tick, &b);
	for (size_t at = 0; !r && at < b.len; at += strlen(b.data + at) + 1)
		r = fn(b.data + at, arg);
	return r;
}

/* ---- paths ---- */

int work_path(struct work *w, uint64_t ino, char **ret)
{
	CLEANUP(buf_deinit) struct buf b;
	const struct work_node *n;
	int r = 0;

	buf_init(&b, PATH_LIMIT);
	LOCKED(&w->lock);
	n = work_node_find(w, ino);
	if (!n || !is_attached(w, n))
		return ENOENT;
	if (n->names)
		r = add_path(&b, n->names->dir);
	if (!r && n->names)
		r = buf_str(&b, n->names->text);
	if (r)
		return r;
	*ret = buf_take(&b);
	return 0;
}

int work_resolve_hold(struct work *w, const char *path, struct work_attr *ret)
{
	struct work_attr at = {.ino = WORK_ROOT_INO};
	int r = work_getattr(w, WORK_ROOT_INO, &at);

	work_hold(w, at.ino);
	while (!r && *path) {
		size_t len = strcspn(path, "/");
		uint64_t dir = at.ino;
		char name[256];

		if (!len || len >= sizeof(name)) {
			r = len ? ENAMETOOLONG : ENOENT;
			break;
		}
		memcpy(name, path, len);
		name[len] = '\0';
		path += len + (path[len] == '/');
		r = work_lookup(w, dir, name, &at);
		work_release(w, dir, 1);
		if (r)
			return r;
	}
	if (r)
		work_release(w, at.ino, 1);
	else
		*ret = at;
	return r;
}

int work_resolve(struct work *w, const char *path, struct work_attr *ret)
{
	int r = work_resolve_hold(w, path, ret);

	if (!r)
		work_release(w, ret->ino, 1);
	return r;
}
