/* sync/listing.h - a flat listing of files that owns its paths.
 */
#pragma once

#include "sync/plan.h"

struct listing {
	struct plan_entry *entries;
	size_t n, cap;
	struct listing_block *blocks; /* the paths' bytes */
};

/* Starts empty as {0}. */
void listing_deinit(struct listing *l);

/* Appends; the path is copied. */
void listing_add(struct listing *l, const char *path, size_t len, const struct plan_entry *e);

struct plan_side listing_side(const struct listing *l);

/* Ascending and without duplicates, as plan_make() wants it? */
bool listing_is_sorted(const struct listing *l);

/* Finds a path in a sorted one; NULL when it is not there. */
const struct plan_entry *listing_find(const struct listing *l, const char *path);

/* The id of the tree these entries make. 0 or -EINVAL (silent) when they make none. */
int listing_tree(const struct plan_entry *entries, size_t n, struct oid *ret);
