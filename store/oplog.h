/* store/oplog.h - what was done, and how it was before: the log of undoable operations.
 *
 * A record in state/, durable before the first change it speaks of and again when all are made. So it is the journal of
 * the operation as well: one that is still open when its work tree is opened again was interrupted, and
 * store/worktree.h finishes or forgets it.
 *
 * Trees that no commit has, uncommitted work that is, are kept alive by refs below refs/fragfs/ops/. They are not
 * fragments. oplog_prune() lets them go.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/oid.h"
#include "store/work.h"

struct buf;
struct store;

enum oplog_outcome {
	OPLOG_MISSING = 1,
	OPLOG_BAD, /* bytes that are no record; oplog_decode() only */
};

enum oplog_kind {
	OPLOG_CHECKOUT = 1,
	OPLOG_COMMIT,
	OPLOG_RESTORE,
	OPLOG_MERGE,
	OPLOG_UNDO,
	OPLOG_SNAPSHOT, /* nothing changed: what was there was written down */
	OPLOG_SESSION,	/* a work tree was made */
	OPLOG_REMOVE,	/* a work tree was removed */
	OPLOG_KINDS,
};

enum oplog_phase { OPLOG_OPEN = 1, OPLOG_DONE, OPLOG_FAILED, OPLOG_PHASES };

enum { OPLOG_WHAT_MAX = 200, OPLOG_BRANCH_MAX = 255, OPLOG_SANDBOX_MAX = 100 };

/* How a work tree stood: HEAD, and all it held, uncommitted or not. */
struct oplog_side {
	char branch[OPLOG_BRANCH_MAX + 1]; /* full name; "": detached */
	struct oid commit, tree;
};

struct oplog_op {
	uint64_t id; /* monotonic per home */
	uint64_t project_id, work_id;
	char work[WORK_NAME_MAX + 1];
	enum oplog_kind kind;
	enum oplog_phase phase;
	bool switches; /* the content becomes after.tree; else it only comes to stand for it */
	int64_t time;  /* wall seconds */
	struct oplog_side before, after;
	char ref[OPLOG_BRANCH_MAX + 1]; /* the ref that moves; "": none */
	struct oid ref_from, ref_to;
	uint64_t undoes; /* the operation that is undone, or 0 */
	char sandbox[OPLOG_SANDBOX_MAX + 1];
	char what[OPLOG_WHAT_MAX + 1]; /* for people */
};

/* Gives it an id and writes it; durable. 0 or a fault. */
int oplog_begin(struct store *st, struct oplog_op *op);
/* Writes it again, as done or failed. Durable. */
int oplog_put(struct store *st, const struct oplog_op *op);

/* 0, OPLOG_MISSING, or a fault. */
int oplog_get(struct store *st, uint64_t project_id, uint64_t id, struct oplog_op *ret);

/* The newest first, of one project; stops when `fn` returns non-zero, which is returned. Damaged records are passed over. */
typedef int (*oplog_fn)(const struct oplog_op *op, void *arg);
int oplog_each(struct store *st, uint64_t project_id, oplog_fn fn, void *arg);

/* Keeps a tree alive in the name of an operation, durably. `side`: 0 before, 1 after. */
struct project;
int oplog_keep(struct project *p, uint64_t id, unsigned side, const struct oid *tree);

/* Forgets the operations of a project that ended before `time` (wall seconds), and what they kept. `n` is how many. */
int oplog_prune(struct project *p, int64_t time, uint64_t *n);

const char *oplog_kind_name(enum oplog_kind k);

/* The bytes. 0 or buf's faults; 0 or OPLOG_BAD. The ids of project and operation are the key's. */
int oplog_encode(const struct oplog_op *op, struct buf *b);
int oplog_decode(const void *data, size_t len, struct oplog_op *ret);
