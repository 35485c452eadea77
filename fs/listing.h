/* fs/listing.h - directories of trees, as the places of the mount want them.
 *
 * The store keeps those that were looked at last (store/tree.h); here its kinds of no become answers for a mount.
 */
#pragma once

#include "base/cleanup.h"
#include "base/oid.h"
#include "store/tree.h"

struct project;

/* The directory `tree`, counted: give it back with listing_put(). An all-zero id is an empty one. As
 * tree_list(); TREE_MISSING and TREE_CORRUPT are made faults here (-EIO), said in the log. */
int listing_get(struct project *p, const struct oid *tree, const struct tree_list **ret);

/* Accepts NULL. */
void listing_put(const struct tree_list *l);
DEFINE_CLEANUP(const struct tree_list *, listing_put)

/* The entry of that name, or NULL. */
const struct tree_entry *listing_find(const struct tree_list *l, const char *name);
