/* store/import_git_fetch.h - objects and refs from a git server, or by git's own ways from a path.
 */
#pragma once

#include "store/import_git_refs.h"

struct import_git_child;
struct import_stage;
struct import_git_source;

/* Fetches every branch, tag and remote-tracking branch of `url` into the stage, in steps of which each that is
 * done survives a kill, and tells its refs. 0, IMPORT_GIT_CHILD_FAILED, or a fault. */
int import_git_fetch(const struct import_git_child *git, struct import_stage *stage,
		     const char *url, struct import_git_refs *ret);

/* Packs into the stage what `theirs` reach in the local source and `ours` do not; the stage borrows from both. Falls
 * with IMPORT_GIT_CHILD_FAILED where the source has damage. */
int import_git_pack(const struct import_git_child *git, struct import_stage *stage,
		    const struct import_git_refs *theirs, const struct import_git_refs *ours);
