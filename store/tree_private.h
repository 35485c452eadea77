/* store/tree_private.h - listings as the cache and the index keep them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/git.h"
#include "store/lru.h"
#include "store/tree.h"

struct buf;
struct project;

/* The raw bytes of a tree; an empty tree for the zero id and for git's empty tree, which need
 * not be stored. 0, TREE_MISSING, TREE_CORRUPT (another type; said in the log), or a fault. */
struct tree_bytes {
	const void *data;
	size_t len;
	git_odb_object *object; /* NULL when there is none */
};
int tree_bytes(struct project *p, const struct oid *oid, struct tree_bytes *ret);

static inline void tree_bytes_done(const struct tree_bytes *b)
{
	git_odb_object_free(b->object);
}

/* One allocation, plus the names. */
struct listing {
	struct lru_item item;
	struct tree_list list;
	bool sorted; /* in git's order throughout, so a name can be found by halving */
	bool incomplete; /* a size or time was unknown: not for the index, and only for a moment in memory */
	int64_t made; /* monotonic milliseconds */
	char *names;
	size_t names_len, names_size;
	struct tree_entry entries[];
};

/* Git's order of names; a tree compares as if its name ended in '/'. */
int tree_name_order(const char *a, size_t a_len, bool a_tree, const char *b, size_t b_len,
		    bool b_tree);

static inline bool tree_mode_is_tree(uint32_t mode)
{
	return (mode & 0170000) == MODE_TREE;
}

/* Room for `n` entries whose names and NULs take `names_size` bytes; NULL without memory. */
struct listing *listing_new(size_t n, size_t names_size);

/* Adds the next entry, copying its name. False when there is no room. */
bool listing_add(struct listing *l, const struct tree_entry *e);

/* Called once after the last entry. */
void listing_seal(struct listing *l);

/* Appends the packed form. 0 or buf's faults. */
int listing_pack(const struct listing *l, struct buf *b);

/* NULL for bytes that are not a listing (silent: the caller makes it anew). */
struct listing *listing_unpack(const void *data, size_t len);
