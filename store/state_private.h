/* store/state_private.h - transactions on state/ for the files that keep tables in it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/mdb.h"
#include "store/state.h"

struct state {
	MDB_env *env;
	MDB_dbi meta, sandbox, op, work, oplog;
};

/* What one transaction does; LMDB's code, an outcome of state.h, or a fault that was said. It may run more than once. */
typedef int (*state_fn)(struct state *s, MDB_txn *txn, void *arg);

/* Runs `fn` in a transaction (MDB_RDONLY or 0), durable when it returns 0. 0, an outcome, or a fault; MDB_NOTFOUND is
 * STATE_MISSING. */
int state_transact(struct store *st, unsigned flags, state_fn fn, void *arg);

/* The next number of the counter `name` in meta, from 1. LMDB's code. */
int state_next_id(struct state *s, MDB_txn *txn, const char *name, uint64_t *ret);

static inline MDB_val state_val(const void *data, size_t len)
{
	return (MDB_val){.mv_size = len, .mv_data = (void *)(uintptr_t)data};
}
