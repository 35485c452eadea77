/* store/import_git_copy.h - the objects of a repository on this machine, copied as files.
 */
#pragma once

#include <stdint.h>

#include "store/import_git_child.h"

struct import_git_source;
struct import_stage;

struct import_git_copied {
	uint64_t bytes;
	uint32_t n_packs, n_loose;
};

/* Copies every pack and loose object into the stage that is not there yet. `skip_fd`: an objects directory
 * whose packs need not come again, or -1. Packs are synced one by one; loose objects with the stage. 0 or a fault
 * (-ENOSPC before anything is copied, where that can be foreseen). */
int import_git_copy(const struct import_git_source *s, struct import_stage *stage, int skip_fd,
		    const struct import_git_child *progress, struct import_git_copied *ret);
