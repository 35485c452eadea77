/* fs/listing.c - the directories that were looked at last, kept in memory.
 *
 * A direct-mapped table: an object id is a good hash, and a collision costs one decoding. The id alone is
 * the key, but first-seen times belong to a project, so the project's id is compared too.
 */
#include "fs/listing.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/error.h"
#include "store/project.h"

enum {
	SLOTS = 4096,
	ENTRIES_MAX = 300000, /* about 30 MiB */
};

struct slot {
	uint64_t project_id;
	struct oid tree;
	struct listing *listing;
};

struct listings {
	pthread_mutex_t lock;
	struct slot slots[SLOTS];
	size_t n_entries, hand;
};

static const struct tree_list empty_list;

struct listings *listings_new(void)
{
	struct listings *ls = alloc_zero(sizeof(*ls));

	pthread_mutex_init(&ls->lock, NULL);
	return ls;
}

static void slot_clear(struct listings *ls, struct slot *s)
{
	if (!s->listing)
		return;
	ls->n_entries -= s->listing->list->n;
	listing_put(s->listing);
	s->listing = NULL;
}

void listings_free(struct listings *ls)
{
	if (!ls)
		return;
	for (size_t i = 0; i < SLOTS; i++)
		slot_clear(ls, &ls->slots[i]);
	pthread_mutex_destroy(&ls->lock);
	free(ls);
}

void listing_put(struct listing *l)
{
	if (!l || --l->refs)
		return;
	if (l->list != &empty_list)
		tree_list_unref(l->list);
	free(l);
}

static struct listing *listing_new(const struct tree_list *list)
{
	struct listing *l = alloc_zero(sizeof(*l));

	l->list = list;
	l->refs = 1;
	return l;
}

const struct tree_entry *listing_find(const struct listing *l, const char *name)
{
	/* The empty list is ours, and the store looks into its own only. */
	return l->list == &empty_list ? NULL : tree_list_find(l->list, name);
}

static struct slot *slot_of(struct listings *ls, uint64_t project_id, const struct oid *tree)
{
	return &ls->slots[(oid_hash(tree) ^ project_id) % SLOTS];
}

static struct listing *find(struct listings *ls, uint64_t project_id, const struct oid *tree)
{
	struct slot *s = slot_of(ls, project_id, tree);

	LOCKED(&ls->lock);
	if (!s->listing || s->project_id != project_id || !oid_eq(&s->tree, tree))
		return NULL;
	s->listing->refs++;
	return s->listing;
}

static void keep(struct listings *ls, uint64_t project_id, const struct oid *tree,
		 struct listing *l)
{
	struct slot *s = slot_of(ls, project_id, tree);

	LOCKED(&ls->lock);
	slot_clear(ls, s);
	for (size_t i = 0; i < SLOTS && ls->n_entries + l->list->n > ENTRIES_MAX; i++)
		slot_clear(ls, &ls->slots[ls->hand++ % SLOTS]);
	l->refs++;
	*s = (struct slot){project_id, *tree, l};
	ls->n_entries += l->list->n;
}

int listing_get(struct listings *ls, struct project *p, const struct oid *tree,
		struct listing **ret)
{
	const struct tree_list *list;
	char hex[OID_HEX_LEN + 1];
	struct listing *l;
	int r;

	if (oid_is_zero(tree)) {
		*ret = listing_new(&empty_list);
		return 0;
	}
	l = find(ls, project_id(p), tree);
	if (l) {
		*ret = l;
		return 0;
	}
	r = tree_list(p, tree, &list);
	if (r < 0)
		return r;
	if (r)
		return fail(-EIO, "project '%s': directory %s is %s", project_name(p),
			    oid_hex(tree, hex), r == TREE_MISSING ? "missing" : "damaged");
	l = listing_new(list);
	keep(ls, project_id(p), tree, l);
	*ret = l;
	return 0;
}
