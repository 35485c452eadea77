/* sync/source.h - what a mirror needs of the store, for one project.
 *
 * A small vtable, so that the engine can be driven over a store that fails or dies at any call. source_store_new()
 * is the real one. Everything that must survive the process goes through save, op_open and op_close, each of
 * which is durable when it returns.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "store/blob.h"
#include "store/diff.h"
#include "store/state.h"
#include "store/work.h"
#include "sync/plan.h"

struct project;
struct source;
struct store;
struct work;

enum source_outcome {
	SOURCE_MISSING = 1, /* no such object, record or operation */
	SOURCE_UNBORN,      /* HEAD points at no commit */
	SOURCE_GONE,        /* the project vanished */
	SOURCE_HELD,        /* another process owns the sandbox at the moment */
	SOURCE_REFUSED,     /* what is to be kept cannot be a commit; said in the log */
};

/* A file the sandbox changed. */
struct source_file {
	const char *path;
	uint32_t mode; /* 0: it was deleted */
	struct oid oid;
	const void *data; /* NULL: the store has the blob already */
	size_t len;
};

/* What a sandbox did on top of a fragment, to be kept for good. */
struct source_work {
	const char *sandbox;     /* the sandbox's id, for the name of the ref and the author */
	struct oid commit, tree; /* what it started from; zero: nothing */
	const struct source_file *files; /* in path order */
	size_t n_files;
	int64_t time; /* wall seconds */
};

/* What the sandbox is to hold. */
struct source_head {
	struct oid commit;
	struct oid tree; /* the commit's; of a live one: what the work tree holds right now */
	bool live; /* somebody works on it: take() works, and the tree moves without HEAD */
};

struct source_ops {
	void (*free)(struct source *s);
	/* 0, SOURCE_UNBORN, SOURCE_GONE, SOURCE_MISSING, or a fault. */
	int (*head)(struct source *s, struct source_head *ret);
	/* As diff_trees(): a zero oid is the empty tree. SOURCE_MISSING also for a corrupt tree. */
	int (*diff)(struct source *s, const struct oid *from, const struct oid *to, diff_fn fn,
		    void *arg);
	/* 0, SOURCE_MISSING, or a fault. */
	int (*size)(struct source *s, const struct oid *blob, uint64_t *ret);
	/* As blob_view(); end with blob_done()'s twin. */
	int (*view)(struct source *s, const struct oid *blob, struct blob_view *ret);
	void (*done)(struct source *s, struct blob_view *v);
	/* The sandbox's record and its open operation. */
	int (*load)(struct source *s, struct state_sandbox *ret);
	int (*save)(struct source *s, const struct state_sandbox *rec);
	int (*op_get)(struct source *s, struct state_op *ret);
	int (*op_open)(struct source *s, struct state_op *op);
	int (*op_close)(struct source *s, const struct state_op *op,
			const struct state_sandbox *rec);
	/* Commits `w` beside the branches, so that it stays reachable and is numbered like any fragment. Doing
	 * the same twice gives the same commit once. 0, SOURCE_REFUSED, or a fault. */
	int (*keep)(struct source *s, const struct source_work *w, struct oid *ret);
	/* Writes what the sandbox changed into the live work tree, each file whole or not at all; durable. A path that somebody
	 * changed there since `base` (a tree; zero: the empty one) is left alone. 0, SOURCE_MISSING (no work tree is open), or a
	 * fault. */
	int (*take)(struct source *s, const struct oid *base, const struct source_file *files,
		    size_t n);
	/* Makes a tree of files whose contents it has, for diff(). 0 or a fault. */
	int (*plant)(struct source *s, const struct plan_entry *entries, size_t n,
		     struct oid *ret);
	/* Becomes the one process that speaks to the sandbox. 0, SOURCE_HELD, or a fault. */
	int (*own)(struct source *s);
	void (*disown)(struct source *s);
};

struct source {
	const struct source_ops *ops;
};

/* Who has work trees open: the mount. Any thread. */
struct source_live {
	/* The work tree that the project's sandbox mirrors, for a moment; `*hold` goes to moved() and end(). 0, or not 0: there is
	 * none. */
	int (*begin)(struct project *p, struct work **ret, void **hold, void *arg);
	/* Told of every name that is changed from here. */
	work_moved_fn moved;
	/* Returns when nobody is shown any more what that made untrue. */
	void (*end)(void *hold);
	void *arg;
};

/* `p` is referenced; `live` is borrowed and may be NULL: nobody has a work tree open. */
struct source *source_store_new(struct store *st, struct project *p,
				const struct source_live *live);
void source_free(struct source *s);
