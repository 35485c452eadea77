/* store/first_seen.h - when each blob first appeared: the mtime of files in the mount.
 *
 * It is the committer time of the lowest-numbered fragment that holds the blob: a function of
 * history and numbers alone, so that a rebuilt index says the same.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/oid.h"
#include "store/refresh.h"

struct project;

/* A fragment to be looked at. */
struct first_seen_root {
	struct oid tree;
	struct oid
		base; /* tree of a fragment with a lower number, zero for none: what is the same there
			    needs no look */
};

struct first_seen_blob {
	struct oid oid;
	uint32_t root; /* index of the first root that holds it */
};

/* What was met on the way. */
struct first_seen_census {
	uint64_t
		n_refused; /* entries that the judge refuses, once for each tree they are new in */
	uint64_t n_damaged; /* trees that are missing, damaged or malformed */
};

/* Finds the blobs of `n` roots, in the order of their numbers, that their bases lack; ascending by id, in
 * `*ret` (malloc'ed, `*n_ret` long). Trees that are missing or damaged are passed over with a
 * warning. 0 or a fault. */
struct first_seen_job {
	struct project *project;
	const struct first_seen_root *roots;
	size_t n;
	refresh_progress_fn progress; /* or NULL */
	void *arg;
	struct first_seen_census *census; /* added to; or NULL */
};

int first_seen_find(const struct first_seen_job *job, struct first_seen_blob **ret,
		    size_t *n_ret);

enum first_seen_outcome {
	FIRST_SEEN_UNKNOWN = 1, /* no fragment of the index holds the blob */
};

/* What the index says: 0, FIRST_SEEN_UNKNOWN, or a fault. */
int blob_first_seen(struct project *p, const struct oid *blob, int64_t *ret);
