/* store/pack.h - new objects, written as packs.
 *
 * Objects are gathered in memory and written as one pack, synced with its directory, when they are
 * many or when the writer is finished. Nothing is durable before pack_finish() returned 0.
 * A writer belongs to one thread.
 */
#pragma once

#include <stddef.h>

#include "base/oid.h"
#include "store/git.h"

struct pack;
struct project;

int pack_begin(struct project *p, struct pack **ret);

/* Adds an object unless a pack of the project has it; `ret` is its id in either case. */
int pack_add(struct pack *k, git_object_t type, const void *data, size_t len, struct oid *ret);

/* Writes what is gathered. Frees the writer in any case. */
int pack_finish(struct pack *k);
/* Drops what is gathered; accepts NULL. */
void pack_abort(struct pack *k);
