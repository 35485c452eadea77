/* fs/refdirs.c - which names under refs/ the kernel may remember.
 *
 * A name is noted before its ref is read, with no meaning yet, and the meaning is added after. If the ref moves in
 * between, the follower finds a name without meaning and has it forgotten; the kernel carries that out
 * after it has taken in our answer, because both hold the directory's lock there.
 */
#include "fs/refdirs.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "fs/app.h"
#include "fs/fs_private.h"
#include "fs/inval.h"
#include "fs/names.h"
#include "fs/node.h"
#include "store/fragment.h"
#include "store/ref.h"

struct given {
	char *name;
	uint32_t seq;
};

struct refdir {
	struct refdir *next;
	uint64_t id; /* node */
	char *path;  /* below refs/ */
	struct given *given;
	size_t n, cap;
	struct names *names;
};

void refdirs_init(struct refdirs *rd)
{
	pthread_mutex_init(&rd->lock, NULL);
	rd->first = NULL;
}

static void refdir_free(struct refdir *d)
{
	for (size_t i = 0; i < d->n; i++)
		free(d->given[i].name);
	free(d->given);
	names_put(d->names);
	free(d->path);
	free(d);
}

void refdirs_deinit(struct refdirs *rd)
{
	while (rd->first) {
		struct refdir *d = rd->first;

		rd->first = d->next;
		refdir_free(d);
	}
	pthread_mutex_destroy(&rd->lock);
}

static struct refdir *find_locked(struct refdirs *rd, struct node *dir)
{
	struct refdir *d = rd->first;

	while (d && d->id != dir->id)
		d = d->next;
	if (d)
		return d;
	d = alloc_zero(sizeof(*d));
	d->id = dir->id;
	d->path = alloc_str(dir->extra);
	d->next = rd->first;
	rd->first = d;
	return d;
}

static struct given *given_locked(struct refdir *d, const char *name)
{
	for (size_t i = 0; i < d->n; i++)
		if (!strcmp(d->given[i].name, name))
			return &d->given[i];
	alloc_grow(&d->given, &d->cap, d->n + 1, sizeof(*d->given));
	d->given[d->n] = (struct given){alloc_str(name), 0};
	return &d->given[d->n++];
}

void refdirs_give(struct node *dir, const char *name)
{
	struct refdirs *rd = &dir->app->refdirs;

	LOCKED(&rd->lock);
	given_locked(find_locked(rd, dir), name)->seq = 0;
}

void refdirs_given(struct node *dir, const char *name, uint32_t seq)
{
	struct refdirs *rd = &dir->app->refdirs;

	LOCKED(&rd->lock);
	given_locked(find_locked(rd, dir), name)->seq = seq;
}

struct names *refdirs_names(struct node *dir)
{
	struct refdirs *rd = &dir->app->refdirs;
	struct refdir *d;

	LOCKED(&rd->lock);
	d = find_locked(rd, dir);
	if (d->names)
		d->names->refs++;
	return d->names;
}

void refdirs_keep(struct node *dir, struct names *ns)
{
	struct refdirs *rd = &dir->app->refdirs;
	struct refdir *d;

	LOCKED(&rd->lock);
	d = find_locked(rd, dir);
	names_put(d->names);
	ns->refs++;
	d->names = ns;
}

static int some_ref(const char *name, const struct oid *commit, void *arg)
{
	return 1;
}

int refdirs_resolve(struct project *p, const char *path, const char *name, uint32_t *ret)
{
	struct fragment f;
	struct oid commit;
	char full[1024];
	int r;

	if (snprintf(full, sizeof(full), "refs/%s/%s/", path, name) >= (int)sizeof(full)) {
		*ret = 0;
		return 0;
	}
	full[strlen(full) - 1] = '\0';
	r = ref_read(p, full, &commit);
	if (!r)
		r = fragment_by_commit(p, &commit, &f);
	if (r < 0)
		return r;
	*ret = r ? 0 : f.seq;
	if (!r)
		return 0;
	full[strlen(full)] = '/';
	r = ref_each(p, full, some_ref, NULL);
	if (r == 1)
		*ret = REFDIRS_SUBDIR;
	return r < 0 ? r : 0;
}

static void forget_moved(struct fs *fs, struct project *p, struct refdir *d)
{
	size_t kept = 0;

	for (size_t i = 0; i < d->n; i++) {
		struct inval_item item = {.kind = INVAL_ENTRY, .id = d->id};
		uint32_t now = 0;

		if (!refdirs_resolve(p, d->path, d->given[i].name, &now) && now &&
		    now == d->given[i].seq) {
			d->given[kept++] = d->given[i];
			continue;
		}
		item.name = d->given[i].name;
		inval_queue(fs->inval, &item, 1);
	}
	d->n = kept;
}

void refdirs_follow(struct fs *fs, struct app *app, struct project *p)
{
	struct refdirs *rd = &app->refdirs;
	struct refdir **at = &rd->first;

	LOCKED(&rd->lock);
	while (*at) {
		struct refdir *d = *at;
		struct node *n = node_get(fs->nodes, d->id);
		struct inval_item item = {.kind = INVAL_INODE, .id = d->id};

		if (!n) {
			*at = d->next;
			refdir_free(d);
			continue;
		}
		forget_moved(fs, p, d);
		inval_queue(fs->inval, &item, 1);
		node_put(fs->nodes, n);
		at = &d->next;
	}
}
