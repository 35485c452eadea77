/* store/import_git_merge.h - a second import: whose move was it?
 *
 * Per ref there are three values: `base`, where the source had it at the last import
 * (refs/imported/…), `theirs`, where it has it now, and `ours`.
 *
 *	only they moved it       we follow, also backwards (a rewritten branch we never touched)
 *	only we moved it         it stays
 *	both                     a branch that can be fast-forwarded is; one that cannot stays ours, and
 *	                         theirs is put at refs/remotes/origin/<branch>; a tag stays ours;
 *	                         anything else is theirs
 *	we deleted it            it stays deleted
 *	they deleted it          ours stays, as with `git fetch`
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/oid.h"
#include "store/import_git_refs.h"

struct project;

enum import_git_move {
	IMPORT_GIT_STAY,
	IMPORT_GIT_FOLLOW,
	IMPORT_GIT_ASK, /* both moved: follow if ours is an ancestor of theirs */
};

/* Pure. Zero ids stand for "is not there". */
enum import_git_move import_git_decide(const char *name, const struct oid *base,
				       const struct oid *theirs, const struct oid *ours);

struct import_git_merged {
	uint32_t n_moved, n_added;
	uint32_t n_diverged; /* branches that both sides moved apart */
	uint32_t n_clashed;  /* tags that differ */
};

/* Applies it to every ref, ref by ref, each a compare-and-swap and durable; interrupted, the next
 * call goes on. What could not follow is logged as a warning. */
int import_git_merge(struct project *p, const struct import_git_refs *theirs,
		     struct import_git_merged *ret);
