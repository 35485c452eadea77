/* base/oidmap.h - object id → 64-bit number, in memory.
 *
 * An open-addressing table for walks over history: what was seen, and when. Not
 * thread-safe; entries are never removed.
 */
#pragma once

#include "base/oid.h"

struct oidmap {
	struct oidmap_slot *slots;
	size_t n, cap;
};

void oidmap_init(struct oidmap *m);
void oidmap_deinit(struct oidmap *m);

/* Adds (oid, value) unless the id is there already. True when it was added. */
bool oidmap_add(struct oidmap *m, const struct oid *oid, uint64_t value);

/* Where the value stands, or NULL; valid until the next add. */
uint64_t *oidmap_find(const struct oidmap *m, const struct oid *oid);

/* Iterates in no order: start with `*at` 0; false at the end. */
bool oidmap_next(const struct oidmap *m, size_t *at, struct oid *oid, uint64_t *value);
