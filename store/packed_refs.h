/* store/packed_refs.h - git's file of many refs: read whole, extended durably.
 *
 * libgit2 writes packed-refs too, but only by packing loose refs, one synced file each; numbering
 * a long history needs hundreds of thousands of refs in one go.
 */
#pragma once

#include <stddef.h>

#include "base/oid.h"

enum packed_refs_outcome {
	PACKED_REFS_LOCKED =
		1,         /* git, or a killed git, holds packed-refs.lock; said in the log */
	PACKED_REFS_CLASH, /* a name is there already and points elsewhere; nothing was written */
};

struct packed_ref {
	const char *name; /* borrowed */
	struct oid oid;
	struct oid peeled; /* what a tag leads to; zero when unknown or the same */
};

/* Calls `fn` for each ref in the file's order until it returns non-zero, which is returned. Lines that are
 * no refs are skipped with a warning. No file is no refs. */
typedef int (*packed_ref_fn)(const struct packed_ref *ref, void *arg);
int packed_refs_each(int dir_fd, packed_ref_fn fn, void *arg);

/* The same without refs whose names start with `skip`. In a file that git calls sorted their lines are not
 * even read, so a few refs beside a hundred thousand of that prefix cost a few reads. */
int packed_refs_each_but(int dir_fd, const char *skip, packed_ref_fn fn, void *arg);

/* Merges `n` refs, in ascending byte order of their names, into the file; durable when it returns 0. A ref
 * that is there already and points at the same is fine. 0, an outcome, or a fault. The caller holds
 * the numbering lock, by which locks of killed processes of ours are told from live ones. */
int packed_refs_add(int dir_fd, const struct packed_ref *refs, size_t n);
