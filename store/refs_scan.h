/* store/refs_scan.h - every ref of a repository, as it stands on disk.
 *
 * Read without libgit2, which needs a file per ref and a lookup per file: a long history has
 * hundreds of thousands of refs below refs/fragments/.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/oid.h"

struct refs_seq {
	uint32_t seq;
	struct oid commit;
};

struct refs_scan {
	struct oid *
		tips; /* of HEAD, of work trees' HEADs, refs/heads/, refs/tags/, refs/remotes/; tags not peeled, no order */
	size_t n_tips;
	struct refs_seq *fragments; /* refs/fragments/<seq>, ascending */
	size_t n_fragments;
};

/* 0 or a fault. Refs that are no refs, and symbolic ones that lead nowhere, are skipped. Without
 * `fragments`, refs/fragments/ is not looked at and none are returned: much cheaper in a long history. */
int refs_scan_read(int dir_fd, bool fragments, struct refs_scan *ret);
void refs_scan_deinit(struct refs_scan *s);

/* The number of "refs/fragments/<seq>", or 0 when it is no such name. */
uint32_t refs_seq_of_name(const char *name);
