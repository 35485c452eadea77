/* store/diff.h - what lies between two trees.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/oid.h"

struct buf;
struct project;

enum diff_kind { DIFF_ADDED, DIFF_DELETED, DIFF_MODIFIED /* content, mode or type */ };

struct diff_change {
	enum diff_kind kind;
	const char *path;            /* '/'-separated; borrowed during the call */
	uint32_t old_mode, new_mode; /* 0 where there is none */
	struct oid old_oid, new_oid;
};

/* Calls `fn` for each file, link or gitlink that differs, in path order; equal subtrees are never
 * opened, so the cost is O(changes). A zero oid is the empty tree. 0, TREE_MISSING, TREE_CORRUPT, a fault, or
 * what `fn` returned. */
typedef int (*diff_fn)(const struct diff_change *c, void *arg);
int diff_trees(struct project *p, const struct oid *old_tree, const struct oid *new_tree,
	       diff_fn fn, void *arg);

/* Appends a patch as `git diff` prints it (three lines of context, renames found, binary files named). */
int diff_patch(struct project *p, const struct oid *old_tree, const struct oid *new_tree,
	       struct buf *b);
