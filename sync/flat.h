/* sync/flat.h - a flat listing of files that owns its paths.
 */
#pragma once

#include "sync/plan.h"

struct flat {
	struct plan_entry *entries;
	size_t n, cap;
	struct flat_block *blocks; /* the paths' bytes */
};

/* Starts empty as {0}. */
void flat_deinit(struct flat *l);

/* Appends; the path is copied. */
void flat_add(struct flat *l, const char *path, size_t len, const struct plan_entry *e);

struct plan_side flat_side(const struct flat *l);

/* Ascending and without duplicates, as plan_make() wants it? */
bool flat_is_sorted(const struct flat *l);

/* Finds a path in a sorted one; NULL when it is not there. */
const struct plan_entry *flat_find(const struct flat *l, const char *path);

/* The id of the tree these entries make. 0 or -EINVAL (silent) when they make none. */
int flat_tree(const struct plan_entry *entries, size_t n, struct oid *ret);
