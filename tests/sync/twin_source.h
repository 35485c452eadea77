/* tests/sync/twin_source.h - a store in memory, for driving mirrors: fragments, records, a journal, and deaths.
 *
 * What is durable lives in a struct twin and outlives any number of sources made on it, as a disk outlives
 * processes. Every durable write is counted and written to a log, so that two runs can be compared; a
 * test may end the process at any of them.
 */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "base/oidmap.h"
#include "sync/flat.h"
#include "sync/source.h"

struct clock;

enum { TWIN_TREES_MAX = 2048, TWIN_KEPT_MAX = 4096 };

struct twin_tree {
	struct oid id;
	struct flat files;
};

struct twin {
	const struct clock *clock;
	struct twin_tree
		trees[TWIN_TREES_MAX]; /* the fragments; their commits have the trees' ids */
	size_t n_trees;
	size_t head;         /* which of them */
	size_t live;         /* the tree of a work tree on top of it; 0: nobody has one open */
	struct oidmap blobs; /* → index of content */
	char **content;
	size_t *content_len;
	size_t n_content, content_cap, content_len_cap;
	struct state_sandbox rec;
	struct state_op op;
	bool has_rec, has_op, held, owned;
	uint64_t next_op, n_writes;
	struct oid kept_trees[TWIN_KEPT_MAX]; /* of the commits that saved what sandboxes did */
	size_t n_kept;
	struct buf log;
	/* Asked at every durable write: true ends the process before (the write is lost) … */
	bool (*die)(struct twin *t, void *arg);
	void *die_arg;
	bool dead; /* … and everything fails from then on, until twin_revive() */
};

void twin_init(struct twin *t, const struct clock *clock);
void twin_deinit(struct twin *t);
void twin_revive(struct twin *t);

/* A blob of this text. */
struct oid twin_blob(struct twin *t, const char *text);
bool twin_has_blob(const struct twin *t, const struct oid *oid);

/* A fragment of "path=text path=text*" (* executable, @ link); returns its place. */
size_t twin_fragment(struct twin *t, const char *files);
/* The same from a listing, which is taken over. */
size_t twin_fragment_of(struct twin *t, struct flat *files);

/* Would a file `path` stand where a directory does, or below a file? */
bool twin_clashes(const struct flat *l, const char *path);

struct source *twin_source(struct twin *t);
