/* store/history.h - one file through all fragments.
 */
#pragma once

#include <stdint.h>

#include "base/oid.h"

struct project;

struct history_change {
	uint32_t seq;
	uint32_t mode;  /* one of MODE_*; 0 when the fragment removed the path */
	struct oid oid; /* zero when removed */
	uint64_t size;  /* of a blob or link target; 0 for trees and gitlinks */
};

/* Calls `fn`, in ascending order, for each fragment in which what stands at `path` ("a/b"; "" is the root) is not
 * what stands there in its first parent; in a fragment without parents, when something stands there. A fragment whose
 * trees are damaged on the way counts as not having the path. 0, a fault, or what `fn` returned. */
typedef int (*history_fn)(const struct history_change *c, void *arg);
int history_each(struct project *p, const char *path, history_fn fn, void *arg);
