/* store/work_snap.h - a snapshot being made; shared by work_snapshot.c and work_snap_tree.c.
 */
#pragma once

#include "base/buf.h"
#include "store/pack.h"
#include "store/work_private.h"

enum { SNAP_PATH_MAX = 1 << 16, SNAP_LEFT_OUT_MAX = 64 << 20, SNAP_TOO_LARGE = 1000 };

/* A dirty file; its node is held. */
struct snap_file {
	struct work_node *node;
	struct oid oid;
	uint32_t changes; /* of the node, when it was read */
	bool is_hashed, is_too_large;
};

/* A directory whose tree was built; its node is held. */
struct snap_dir {
	struct work_node *node;
	struct oid tree; /* zero: nothing in it that git keeps */
	uint32_t changes;
	bool is_whole;  /* the tree is all there is but what is ignored */
	bool is_impure; /* ignored things are there, or below */
};

struct snap {
	struct work *w;
	struct gitignore *ig;
	struct pack *pack;
	struct buf path;     /* of the directory at work, with a slash behind it unless it is the root */
	struct buf left_out; /* path, NUL, reason, NUL … */
	struct snap_file *files;
	struct snap_dir *dirs;
	size_t n_files, files_cap, n_dirs, dirs_cap;
	struct oid tree;
	uint64_t n_hashed;
	bool is_collecting; /* the first walk: only which files are dirty */
};

/* Finds the dirty files. Lock held. */
int snap_collect(struct snap *s);
/* Writes the trees. Lock held. */
int snap_build(struct snap *s);
/* Hashes a file under the lock. 0, SNAP_TOO_LARGE, or a fault. */
int snap_hash_locked(struct snap *s, struct work_node *n, struct snap_file *ret);
