/* Ordering documents.
 *
 * Everything but the contents is in memory: some 200 bytes a document, so that 5 GB of
 * documents need as little as their number says. Parents may follow their children in the
 * file; a walk up from each document, with a mark for what is on the path, finds the order and the
 * circles in one go, each document being walked over once.
 *
 * A refused document takes its descendants with it: they would otherwise stand on a parent
 * that nobody ever wrote.
 */
#include "store/import_json_plan.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"

enum mark { MARK_NONE, MARK_PATH, MARK_DONE };

void import_json_plan_init(struct import_json_plan *p)
{
	*p = (struct import_json_plan){.newest = SIZE_MAX};
}

void import_json_plan_deinit(struct import_json_plan *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->entries[i].id);
		free(p->entries[i].parent);
		free(p->entries[i].why);
	}
	free(p->entries);
	free(p->order);
	free(p->slots);
	import_json_plan_init(p);
}

static uint64_t hash(const char *s)
{
	uint64_t h = 14695981039346656037ULL;

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 1099511628211ULL;
	return h ^ h >> 29;
}

/* The slot of an id: its own, or the empty one where it would go. */
static size_t *slot(const struct import_json_plan *p, const char *id)
{
	size_t i = hash(id) & (p->n_slots - 1);

	while (p->slots[i] && strcmp(p->entries[p->slots[i] - 1].id, id) != 0)
		i = (i + 1) & (p->n_slots - 1);
	return &p->slots[i];
}

static void grow_slots(struct import_json_plan *p)
{
	size_t *old = p->slots, n = p->n_slots;

	if (p->n_ids * 2 < n)
		return;
	p->n_slots = n ? n * 2 : 1024;
	p->slots = alloc_array(p->n_slots, sizeof(*p->slots));
	for (size_t i = 0; i < n; i++) {
		if (old[i])
			*slot(p, p->entries[old[i] - 1].id) = old[i];
	}
	free(old);
}

size_t import_json_plan_find(const struct import_json_plan *p, const char *id)
{
	return p->n_slots ? *slot(p, id) - 1 : SIZE_MAX;
}

void import_json_plan_refuse(struct import_json_plan *p, size_t at, const char *fmt, ...)
{
	struct import_json_entry *e = &p->entries[at];
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	e->state = IMPORT_JSON_REFUSED;
	free(e->why);
	e->why = alloc_str(text);
}

void import_json_plan_add(struct import_json_plan *p, const struct import_json_entry *e)
{
	const struct import_json_entry *other;
	size_t *at;

	alloc_grow(&p->entries, &p->cap, p->n + 1, sizeof(*p->entries));
	p->entries[p->n++] = *e;
	if (!e->id)
		return;
	grow_slots(p);
	at = slot(p, e->id);
	if (!*at) {
		*at = p->n;
		p->n_ids++;
		return;
	}
	other = &p->entries[*at - 1];
	if (e->state != IMPORT_JSON_NEW)
		return;
	if (other->state == IMPORT_JSON_STORED) {
		p->entries[p->n - 1].state = IMPORT_JSON_AGAIN;
		p->entries[p->n - 1].stored = *at - 1;
		*at = p->n;
		return;
	}
	import_json_plan_refuse(p, p->n - 1,
				"its id '%s' is also that of the document at line %u%s", e->id,
				other->line, other->file == e->file ? "" : " of another file");
}

/* Gives a time to documents that have none: that of the document before them. */
static void settle_times(struct import_json_plan *p, int64_t time)
{
	for (size_t i = 0; i < p->n; i++) {
		struct import_json_entry *e = &p->entries[i];

		if (e->state == IMPORT_JSON_STORED)
			continue;
		if (e->has_time)
			time = e->time;
		e->time = time;
	}
}

/* Sorts by (time, place); the place is the index itself. */
static int by_time(const void *pa, const void *pb, void *arg)
{
	const struct import_json_entry *entries = arg;
	size_t a = *(const size_t *)pa, b = *(const size_t *)pb;

	if (entries[a].time != entries[b].time)
		return entries[a].time < entries[b].time ? -1 : 1;
	return a < b ? -1 : a > b;
}

/* The new documents by time; also decides whether they are a chain. */
static size_t *sort_new(struct import_json_plan *p, size_t *n)
{
	size_t *sorted = alloc_array(p->n + 1, sizeof(*sorted));

	*n = 0;
	p->chain = true;
	for (size_t i = 0; i < p->n; i++) {
		const struct import_json_entry *e = &p->entries[i];

		if (e->state != IMPORT_JSON_STORED && e->parent)
			p->chain = false;
		if (e->state == IMPORT_JSON_NEW)
			sorted[(*n)++] = i;
	}
	qsort_r(sorted, *n, sizeof(*sorted), by_time, p->entries);
	return sorted;
}

static void settle_chain(struct import_json_plan *p, const size_t *sorted, size_t n,
			 const struct oid *tip)
{
	for (size_t i = 0; i < n; i++) {
		struct import_json_entry *e = &p->entries[sorted[i]];

		e->parent_at = i ? sorted[i - 1] : SIZE_MAX;
		if (!i)
			e->parent_oid = *tip;
	}
}

static void settle_parents(struct import_json_plan *p, const size_t *sorted, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct import_json_entry *e = &p->entries[sorted[i]];

		e->parent_at = SIZE_MAX;
		if (!e->parent)
			continue;
		e->parent_at = import_json_plan_find(p, e->parent);
		if (e->parent_at == SIZE_MAX)
			import_json_plan_refuse(
				p, sorted[i],
				"its parent '%s' is no document here and was not "
				"imported before",
				e->parent);
		else if (p->entries[e->parent_at].state == IMPORT_JSON_AGAIN)
			e->parent_at = p->entries[e->parent_at].stored;
	}
}

/* Walks up from `at` until something settled, and settles the way back down. */
static void climb(struct import_json_plan *p, size_t at, unsigned char *marks, size_t *path)
{
	struct import_json_entry *e = p->entries;
	size_t n = 0, top = at;

	while (top != SIZE_MAX && e[top].state == IMPORT_JSON_NEW && marks[top] == MARK_NONE) {
		marks[top] = MARK_PATH;
		path[n++] = top;
		top = e[top].parent_at;
	}
	for (size_t i = n; i-- > 0;) {
		size_t parent = e[path[i]].parent_at;

		if (top != SIZE_MAX && marks[top] == MARK_PATH)
			import_json_plan_refuse(p, path[i], "its parents go in a circle");
		else if (parent != SIZE_MAX && e[parent].state == IMPORT_JSON_REFUSED)
			import_json_plan_refuse(p, path[i], "its parent '%s' was refused",
						e[path[i]].parent);
		else
			p->order[p->n_order++] = path[i];
	}
	for (size_t i = 0; i < n; i++)
		marks[path[i]] = MARK_DONE;
}

static void count_children(struct import_json_plan *p, const size_t *sorted, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct import_json_entry *e = &p->entries[sorted[i]];

		if (e->state != IMPORT_JSON_NEW)
			continue;
		p->newest = sorted[i];
		if (e->parent_at != SIZE_MAX)
			p->entries[e->parent_at].n_children++;
	}
}

void import_json_plan_settle(struct import_json_plan *p, const struct oid *tip,
			     int64_t first_time)
{
	CLEANUP(free_p) unsigned char *marks = alloc_array(p->n + 1, 1);
	CLEANUP(free_p) size_t *path = alloc_array(p->n + 1, sizeof(*path));
	CLEANUP(free_p) size_t *sorted = NULL;
	size_t n;

	settle_times(p, first_time);
	sorted = sort_new(p, &n);
	p->order = alloc_array(n + 1, sizeof(*p->order));
	if (p->chain)
		settle_chain(p, sorted, n, tip);
	else
		settle_parents(p, sorted, n);
	for (size_t i = 0; i < n; i++)
		climb(p, sorted[i], marks, path);
	count_children(p, sorted, n);
}
