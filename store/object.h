/* store/object.h - raw objects of a project, however its packs move beneath us.
 *
 * A repack between two reads makes libgit2 fail on a pack it has not opened yet. These calls
 * try again with a fresh view of the disk before they believe that something is missing.
 */
#pragma once

#include <stddef.h>

#include "store/git.h"

struct project;

enum object_outcome {
	OBJECT_MISSING = 1, /* not in the object store, or the whole repository is gone */
};

/* 0, OBJECT_MISSING, or a fault (-EIO for a corrupt object, said in the log). Free with
 * git_odb_object_free(). */
int object_read(struct project *p, const struct oid *oid, git_odb_object **ret);

/* Type and size without inflating more than a header. */
int object_header(struct project *p, const struct oid *oid, git_object_t *type, size_t *size);

/* Follows tags of tags from `oid` to a commit. 0, OBJECT_MISSING (it leads to no commit, or an
 * object on the way is missing), or a fault. */
int object_peel(struct project *p, const struct oid *oid, struct oid *ret);
