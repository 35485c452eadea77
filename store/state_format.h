/* store/state_format.h - the bytes of state/, which nothing can rebuild.
 *
 * Keys are big-endian, values little-endian. Every value starts with a version byte; a larger one than
 * known here was written by a newer fragfs and is left alone. Text is a u16 length and bytes.
 *
 *	table     key               value
 *	meta      "version"         u32 STATE_VERSION
 *	meta      "op"              u64, the last operation id given
 *	meta      "work"            u64, the last work tree id given
 *	meta      "oplog"           u64, the last undoable operation's id
 *	oplog     project id u64,   version u8 (1), work tree id u64, name text, kind u8, phase u8, switches u8, time i64,
 *	          operation id u64  before and after, each branch text, commit[20], tree[20]; ref text, from[20], to[20],
 *	                            undoes u64, sandbox text, what text
 *	work      project id u64,   version u8 (1), name text, autocommit seconds u32, after exec u8,
 *	          work id u64       created i64 (nanoseconds); what it was made to show: tree[20], uid u32, gid u32
 *	sandbox   project id u64    version u8 (1), provider text, id text, epoch[16], phase u32,
 *	                            base[20] desired[20] observed[20] base_commit[20] desired_commit[20],
 *	                            created i64, verified i64, due i64, drift[20], n_kept u32,
 *	                            n u8, recent[20] × n, error text
 *	op        project id u64    version u8 (1), op id u64, from[20], to[20], plan u32, attempt u32,
 *	                            started i64
 */
#pragma once

#include <stddef.h>

struct buf;
struct state_sandbox;
struct state_op;

enum {
	STATE_VERSION = 1,
	STATE_KEY_LEN = 8,
	STATE_SANDBOX_VERSION = 1,
	STATE_OP_VERSION = 1,
	STATE_RECORD_MAX = 2048,
};

/* Appends the value; 0 or buf's faults. Text is cut at its first NUL. */
int state_sandbox_encode(const struct state_sandbox *s, struct buf *b);
int state_op_encode(const struct state_op *op, struct buf *b);

/* 0, STATE_NEWER or STATE_BAD; silent. `ret->project_id` is the caller's business. */
int state_sandbox_decode(const void *val, size_t len, struct state_sandbox *ret);
int state_op_decode(const void *val, size_t len, struct state_op *ret);
