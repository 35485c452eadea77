/* store/state.h - what cannot be rebuilt: sandboxes and their mirror journal.
 *
 * An LMDB environment of its own under state/, opened on first use, synced at every commit (default
 * mode). Records are written whole; their bytes are described in store/state_format.h.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/oid.h"

struct store;

enum {
	STATE_ID_MAX = 64,
	STATE_ERROR_MAX = 256,
	STATE_PROVIDER_MAX = 32,
	STATE_RECENT_MAX = 16
};

enum state_outcome {
	STATE_MISSING = 1,
	STATE_NEWER, /* written by a newer version */
	STATE_BAD,   /* a record that does not decode; said in the log */
};

/* One mirrored sandbox: B, D and R of the design, and the last outcome. */
struct state_sandbox {
	uint64_t project_id;
	char provider[STATE_PROVIDER_MAX];  /* "local", "memory" */
	char id[STATE_ID_MAX];              /* the provider's id */
	unsigned char epoch[16];            /* nonce planted at bootstrap; zero before */
	uint32_t phase;                     /* the engine's state, enum engine_state */
	struct oid base, desired, observed; /* trees; zero when unknown */
	struct oid base_commit,
		desired_commit;    /* whose trees base and desired are; zero: of none */
	int64_t created, verified; /* wall seconds; 0 when never */
	int64_t due;               /* wall seconds since when it lags; 0: it does not */
	struct oid drift;          /* the last commit that saved the sandbox's own changes */
	uint32_t n_kept;           /* paths left as the sandbox has them; see sync/plan.h */
	/* trees it was verified at since its epoch began, newest first, zeros at the end */
	struct oid recent[STATE_RECENT_MAX];
	char error[STATE_ERROR_MAX]; /* last error, "" when none */
};

/* Each returns 0, STATE_MISSING, STATE_NEWER, STATE_BAD, or a fault; what a call writes is durable when it
 * returns 0. A damaged record is replaced by the next put. */
int state_sandbox_get(struct store *st, uint64_t project_id, struct state_sandbox *ret);
int state_sandbox_put(struct store *st, const struct state_sandbox *s);
/* Its open operation goes with it. */
int state_sandbox_delete(struct store *st, uint64_t project_id);
/* A snapshot; `fn` may call any function here. Damaged records are passed over. */
typedef int (*state_sandbox_fn)(const struct state_sandbox *s, void *arg);
int state_sandbox_each(struct store *st, state_sandbox_fn fn, void *arg);

/* The one open operation of a sandbox: written before the first byte leaves, closed in the same
 * transaction that advances B and R. */
struct state_op {
	uint64_t project_id, op_id; /* ids are monotonic per home */
	struct oid from, to;
	uint32_t plan, attempt;
	int64_t started;
};

int state_op_open(struct store *st, struct state_op *op); /* fills op_id; replaces an open one */
int state_op_get(struct store *st, uint64_t project_id, struct state_op *ret);
/* Closes the operation and writes `s` in one transaction; STATE_MISSING, and nothing written, when another
 * operation was opened since. */
int state_op_close(struct store *st, const struct state_op *op, const struct state_sandbox *s);
