/* Listings: an array of entries, and blocks that their paths are copied into.
 *
 * Paths are never freed one by one, so a block costs one allocation for some thousand of them; a listing of a
 * hundred thousand files is about ten megabytes and lives only while a plan is made from it.
 */
#include "sync/flat.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "provider/agent/treehash.h"

enum { BLOCK_BYTES = 64 << 10 };

struct flat_block {
	struct flat_block *next;
	size_t used, size;
	char bytes[];
};

void flat_deinit(struct flat *l)
{
	while (l->blocks) {
		struct flat_block *next = l->blocks->next;

		free(l->blocks);
		l->blocks = next;
	}
	free(l->entries);
	*l = (struct flat){0};
}

static char *keep(struct flat *l, const char *path, size_t len)
{
	struct flat_block *b = l->blocks;
	char *ret;

	if (!b || b->size - b->used <= len) {
		size_t size = len < BLOCK_BYTES ? BLOCK_BYTES : len + 1;

		b = alloc_zero(sizeof(*b) + size);
		b->size = size;
		b->next = l->blocks;
		l->blocks = b;
	}
	ret = b->bytes + b->used;
	memcpy(ret, path, len);
	ret[len] = '\0';
	b->used += len + 1;
	return ret;
}

void flat_add(struct flat *l, const char *path, size_t len, const struct plan_entry *e)
{
	alloc_grow(&l->entries, &l->cap, l->n + 1, sizeof(*l->entries));
	l->entries[l->n] = *e;
	l->entries[l->n++].path = keep(l, path, len);
}

struct plan_side flat_side(const struct flat *l)
{
	return (struct plan_side){.entries = l->entries, .n = l->n};
}

bool flat_is_sorted(const struct flat *l)
{
	for (size_t i = 1; i < l->n; i++)
		if (strcmp(l->entries[i - 1].path, l->entries[i].path) >= 0)
			return false;
	return true;
}

const struct plan_entry *flat_find(const struct flat *l, const char *path)
{
	size_t lo = 0, hi = l->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = strcmp(l->entries[mid].path, path);

		if (c == 0)
			return &l->entries[mid];
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

int flat_tree(const struct plan_entry *entries, size_t n, struct oid *ret)
{
	struct treehash *t = treehash_new();
	int r;

	for (size_t i = 0; i < n; i++)
		(void)treehash_add(t, entries[i].path, entries[i].mode, &entries[i].oid);
	r = treehash_end(t, ret);
	treehash_free(t);
	return r;
}
