/* store/tree.h - directories of a fragment, with sizes.
 *
 * A listing is parsed from the raw tree object by a strict parser of our own, judged (base/judge.h), and
 * completed with the size of each blob, so that no caller ever inflates a blob to know its
 * size. Complete listings are kept in the index under the tree's id; first use costs one object
 * header per blob, later ones a single LMDB read.
 *
 * Refused entries stay in the listing with their verdict: they are shown as errors, never as
 * missing. A name that no filesystem can show (empty, dots, a slash, a NUL, too long) is replaced by
 * "refused-<n>" with n its position; `verdict` tells.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/judge.h"
#include "base/oid.h"

struct project;

enum tree_outcome {
	TREE_MISSING = 1, /* no such object (pruned, or a submodule's) */
	TREE_CORRUPT,     /* the bytes are not a tree; said in the log */
	TREE_NO_ENTRY,    /* no entry of that name */
};

struct tree_entry {
	const char *name; /* NUL-terminated, no slash; borrowed from the listing */
	uint16_t name_len;
	uint32_t mode; /* one of MODE_*; of a refused entry as it stands in the tree */
	struct oid oid;
	uint64_t size; /* bytes of a blob or link target; 0 for trees and gitlinks */
	int64_t first_seen; /* seconds: committer time of the lowest fragment holding this blob; 0 for trees */
	enum judge_verdict verdict;
};

/* An immutable, counted listing in git's order. */
struct tree_list {
	size_t n;
	const struct tree_entry *entries;
};

/* 0, TREE_MISSING, TREE_CORRUPT, or a fault. A blob that is missing has the size 0 and the listing is
 * not cached. Release with tree_list_unref(). */
int tree_list(struct project *p, const struct oid *tree, const struct tree_list **ret);
void tree_list_unref(const struct tree_list *l);

/* Finds a name; NULL when it is not there. */
const struct tree_entry *tree_list_find(const struct tree_list *l, const char *name);

/* Walks `path` ("a/b/c"; "" is the root itself) from the tree. `ret` has no name. 0, TREE_NO_ENTRY, TREE_MISSING,
 * TREE_CORRUPT, or a fault; a refused component is TREE_NO_ENTRY. */
int tree_lookup(struct project *p, const struct oid *tree, const char *path,
		struct tree_entry *ret);

/* The raw parser, without project or index: for walkers that need ids only and for fuzzing. Calls `fn` per entry
 * with size and first_seen 0 and the entry's verdict. 0, TREE_CORRUPT, or what `fn` returned. */
typedef int (*tree_entry_fn)(const struct tree_entry *e, void *arg);
int tree_parse(const void *data, size_t len, tree_entry_fn fn, void *arg);
