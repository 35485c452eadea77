/* fs/listing.h - the directories that were looked at last, kept in memory.
 *
 * A path walk or a long listing asks for one directory many times; the store would decode it each time. Bounded by the
 * number of entries kept.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/oid.h"
#include "store/tree.h"

struct listings;
struct project;

struct listing {
	const struct tree_list *list;
	_Atomic uint32_t refs;
};

struct listings *listings_new(void);
void listings_free(struct listings *ls);

/* The directory `tree`, counted: give it back with listing_put(). An all-zero id is an empty one. As
 * tree_list(); TREE_MISSING and TREE_CORRUPT are made faults here (-EIO), said in the log. */
int listing_get(struct listings *ls, struct project *p, const struct oid *tree,
		struct listing **ret);
void listing_put(struct listing *l);

/* The entry of that name, or NULL. */
const struct tree_entry *listing_find(const struct listing *l, const char *name);
DEFINE_CLEANUP(struct listing *, listing_put)
