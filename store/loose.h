/* store/loose.h - an object database that a damaged loose object cannot hang.
 */
#pragma once

#include "store/git.h"

/* Opens packs and loose objects of `objects_dir`; alternates are not followed. Returns libgit2's codes. */
int loose_odb_open(const char *objects_dir, git_odb **ret);
