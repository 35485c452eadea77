/* The table of operations, keyed by project and number, read backwards.
 *
 * A record names its trees; whether they are still there is git's business, so a tree that no commit has gets a ref of its
 * own before the operation changes anything. One ref a side and none for clean work trees: most operations have none.
 */
#include "store/oplog.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "store/index_format.h"
#include "store/project.h"
#include "store/ref.h"
#include "store/state_private.h"

enum { VERSION = 1, KEY_LEN = 16, RECORD_MAX = 4096 };

static const char keep_prefix[] = "refs/fragfs/ops/";

const char *oplog_kind_name(enum oplog_kind k)
{
	static const char *const names[OPLOG_KINDS] = {
		[OPLOG_CHECKOUT] = "checkout", [OPLOG_COMMIT] = "commit",
		[OPLOG_RESTORE] = "restore",   [OPLOG_MERGE] = "merge",
		[OPLOG_UNDO] = "undo",         [OPLOG_SNAPSHOT] = "snapshot",
		[OPLOG_SESSION] = "work add",  [OPLOG_REMOVE] = "work rm",
	};

	return k > 0 && k < OPLOG_KINDS ? names[k] : "unknown";
}

/* ---- bytes ---- */

static int put_text(struct buf *b, const char *s, size_t max)
{
	size_t len = strnlen(s, max);
	int r = buf_u16(b, (uint16_t)len);

	return r ? r : buf_add(b, s, len);
}

static int put_side(struct buf *b, const struct oplog_side *s)
{
	int r = put_text(b, s->branch, OPLOG_BRANCH_MAX);

	if (!r)
		r = buf_add(b, s->commit.id, OID_LEN);
	return r ? r : buf_add(b, s->tree.id, OID_LEN);
}

static int put_head(struct buf *b, const struct oplog_op *op)
{
	int r = buf_u8(b, VERSION);

	if (!r)
		r = buf_u64(b, op->work_id);
	if (!r)
		r = put_text(b, op->work, WORK_NAME_MAX);
	if (!r)
		r = buf_u8(b, (uint8_t)op->kind);
	if (!r)
		r = buf_u8(b, (uint8_t)op->phase);
	if (!r)
		r = buf_u8(b, op->switches);
	return r ? r : buf_u64(b, (uint64_t)op->time);
}

int oplog_encode(const struct oplog_op *op, struct buf *b)
{
	int r = put_head(b, op);

	if (!r)
		r = put_side(b, &op->before);
	if (!r)
		r = put_side(b, &op->after);
	if (!r)
		r = put_text(b, op->ref, OPLOG_BRANCH_MAX);
	if (!r)
		r = buf_add(b, op->ref_from.id, OID_LEN);
	if (!r)
		r = buf_add(b, op->ref_to.id, OID_LEN);
	if (!r)
		r = buf_u64(b, op->undoes);
	if (!r)
		r = put_text(b, op->sandbox, OPLOG_SANDBOX_MAX);
	return r ? r : put_text(b, op->what, OPLOG_WHAT_MAX);
}

static void get_text(struct reader *in, char *ret, size_t max)
{
	size_t len = reader_u16(in);
	const void *text = reader_bytes(in, len);

	if (!text || len > max || memchr(text, '\0', len)) {
		in->bad = 1;
		return;
	}
	memcpy(ret, text, len);
	ret[len] = '\0';
}

static void get_oid(struct reader *in, struct oid *ret)
{
	const void *id = reader_bytes(in, OID_LEN);

	if (id)
		memcpy(ret->id, id, OID_LEN);
}

static void get_side(struct reader *in, struct oplog_side *ret)
{
	get_text(in, ret->branch, OPLOG_BRANCH_MAX);
	get_oid(in, &ret->commit);
	get_oid(in, &ret->tree);
}

int oplog_decode(const void *data, size_t len, struct oplog_op *ret)
{
	struct oplog_op op = {0};
	struct reader in;
	uint8_t kind, phase;

	reader_init(&in, data, len);
	if (reader_u8(&in) != VERSION)
		return OPLOG_BAD;
	op.work_id = reader_u64(&in);
	get_text(&in, op.work, WORK_NAME_MAX);
	kind = reader_u8(&in);
	phase = reader_u8(&in);
	op.switches = reader_u8(&in);
	op.time = (int64_t)reader_u64(&in);
	get_side(&in, &op.before);
	get_side(&in, &op.after);
	get_text(&in, op.ref, OPLOG_BRANCH_MAX);
	get_oid(&in, &op.ref_from);
	get_oid(&in, &op.ref_to);
	op.undoes = reader_u64(&in);
	get_text(&in, op.sandbox, OPLOG_SANDBOX_MAX);
	get_text(&in, op.what, OPLOG_WHAT_MAX);
	if (in.bad || reader_left(&in) || !kind || kind >= OPLOG_KINDS || !phase ||
	    phase >= OPLOG_PHASES)
		return OPLOG_BAD;
	op.kind = kind;
	op.phase = phase;
	*ret = op;
	return 0;
}

/* ---- the table ---- */

static void key_of(uint64_t project_id, uint64_t id, unsigned char ret[KEY_LEN])
{
	index_be64(project_id, ret);
	index_be64(id, ret + 8);
}

static uint64_t id_of(const MDB_val *key)
{
	const unsigned char *p = key->mv_data;
	uint64_t v = 0;

	for (int i = 8; i < KEY_LEN; i++)
		v = v << 8 | p[i];
	return v;
}

static int put(struct state *s, MDB_txn *txn, const struct oplog_op *op)
{
	CLEANUP(buf_deinit) struct buf b;
	unsigned char key[KEY_LEN];
	MDB_val k = state_val(key, sizeof(key)), v;
	int r;

	buf_init(&b, RECORD_MAX);
	r = oplog_encode(op, &b);
	if (r)
		return fail(r, "record an operation");
	key_of(op->project_id, op->id, key);
	v = state_val(b.data, b.len);
	return mdb_put(txn, s->oplog, &k, &v, 0);
}

static int do_begin(struct state *s, MDB_txn *txn, void *arg)
{
	struct oplog_op *op = arg;
	int r = state_next_id(s, txn, "oplog", &op->id);

	return r ? r : put(s, txn, op);
}

static int as_fault(int r)
{
	return r <= 0 ? r : fail(-EIO, "use the operation log");
}

int oplog_begin(struct store *st, struct oplog_op *op)
{
	return as_fault(state_transact(st, 0, do_begin, op));
}

static int do_put(struct state *s, MDB_txn *txn, void *arg)
{
	return put(s, txn, arg);
}

int oplog_put(struct store *st, const struct oplog_op *op)
{
	struct oplog_op copy = *op;

	return as_fault(state_transact(st, 0, do_put, &copy));
}

static int decode(const MDB_val *k, const MDB_val *v, uint64_t project_id, struct oplog_op *ret)
{
	int r = oplog_decode(v->mv_data, v->mv_size, ret);

	if (r) {
		log_warn("state: operation %" PRIu64 " is damaged or of a newer version, "
			 "ignoring it",
			 id_of(k));
		return r;
	}
	ret->project_id = project_id;
	ret->id = id_of(k);
	return 0;
}

static int do_get(struct state *s, MDB_txn *txn, void *arg)
{
	struct oplog_op *op = arg;
	unsigned char key[KEY_LEN];
	MDB_val k = state_val(key, sizeof(key)), v;
	int r;

	key_of(op->project_id, op->id, key);
	r = mdb_get(txn, s->oplog, &k, &v);
	if (r)
		return r;
	return decode(&k, &v, op->project_id, op) ? MDB_NOTFOUND : 0;
}

int oplog_get(struct store *st, uint64_t project_id, uint64_t id, struct oplog_op *ret)
{
	struct oplog_op op = {.project_id = project_id, .id = id};
	int r = state_transact(st, MDB_RDONLY, do_get, &op);

	if (r == STATE_MISSING)
		return OPLOG_MISSING;
	if (!r)
		*ret = op;
	return as_fault(r);
}

/* A handful of records at a time, so that `fn` may write between two of them. */
enum { CHUNK = 32 };

struct chunk {
	uint64_t project_id, below; /* ids below it */
	struct oplog_op ops[CHUNK];
	size_t n;
};

static int do_chunk(struct state *s, MDB_txn *txn, void *arg)
{
	CLEANUP(mdb_cursor_closep) MDB_cursor *cursor = NULL;
	struct chunk *c = arg;
	unsigned char key[KEY_LEN], first[KEY_LEN];
	MDB_val k = state_val(key, sizeof(key)), v;
	int r = mdb_cursor_open(txn, s->oplog, &cursor);
	uint64_t below = c->below;

	c->n = 0;
	key_of(c->project_id, below, key);
	key_of(c->project_id, 0, first);
	if (!r)
		r = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
	/* The first one that is not below; what is before it is wanted. */
	if (!r)
		r = mdb_cursor_get(cursor, &k, &v, MDB_PREV);
	else if (r == MDB_NOTFOUND)
		r = mdb_cursor_get(cursor, &k, &v, MDB_LAST);
	for (; !r && c->n < CHUNK; r = mdb_cursor_get(cursor, &k, &v, MDB_PREV)) {
		if (k.mv_size != KEY_LEN || memcmp(k.mv_data, first, 8) != 0)
			break;
		below = id_of(&k);
		c->n += !decode(&k, &v, c->project_id, &c->ops[c->n]);
	}
	c->below = below;
	return r == MDB_NOTFOUND ? 0 : r;
}

int oplog_each(struct store *st, uint64_t project_id, oplog_fn fn, void *arg)
{
	CLEANUP(free_p) struct chunk *c = alloc_zero(sizeof(*c));
	int r;

	c->project_id = project_id;
	c->below = UINT64_MAX;
	do {
		struct chunk *now = c;

		r = as_fault(state_transact(st, MDB_RDONLY, do_chunk, now));
		for (size_t i = 0; !r && i < c->n; i++)
			r = fn(&c->ops[i], arg);
	} while (!r && c->n);
	return r;
}

/* ---- what is kept ---- */

static char *keep_name(uint64_t id, unsigned side)
{
	return alloc_fmt("%s%" PRIu64 "%s", keep_prefix, id, side ? "-after" : "");
}

int oplog_keep(struct project *p, uint64_t id, unsigned side, const struct oid *tree)
{
	CLEANUP(free_p) char *name = keep_name(id, side);
	int r = ref_advance(p, name, &(struct oid){{0}}, tree, "kept for undo");

	return r <= 0 ? r : fail(-EIO, "keep what operation %" PRIu64 " needs", id);
}

static int let_go(struct project *p, uint64_t id, unsigned side)
{
	CLEANUP(free_p) char *name = keep_name(id, side);
	struct oid at;
	int r = ref_value(p, name, &at);

	if (!r)
		r = ref_delete(p, name, &at);
	return r < 0 ? r : 0;
}

struct prune {
	struct project *p;
	int64_t time;
	uint64_t *ids;
	size_t n, cap;
};

static int gather(const struct oplog_op *op, void *arg)
{
	struct prune *g = arg;

	if (op->time >= g->time || op->phase == OPLOG_OPEN)
		return 0;
	alloc_grow(&g->ids, &g->cap, g->n + 1, sizeof(*g->ids));
	g->ids[g->n++] = op->id;
	return 0;
}

static int do_forget(struct state *s, MDB_txn *txn, void *arg)
{
	const struct prune *g = arg;

	for (size_t i = 0; i < g->n; i++) {
		unsigned char key[KEY_LEN];
		MDB_val k = state_val(key, sizeof(key));
		int r;

		key_of(project_id(g->p), g->ids[i], key);
		r = mdb_del(txn, s->oplog, &k, NULL);
		if (r && r != MDB_NOTFOUND)
			return r;
	}
	return 0;
}

int oplog_prune(struct project *p, int64_t time, uint64_t *n)
{
	struct prune g = {.p = p, .time = time};
	int r = oplog_each(project_store(p), project_id(p), gather, &g);

	/* Records first: a ref without one is found by nobody, a record without its trees would promise them. */
	if (!r)
		r = as_fault(state_transact(project_store(p), 0, do_forget, &g));
	for (size_t i = 0; !r && i < g.n; i++) {
		r = let_go(p, g.ids[i], 0);
		if (!r)
			r = let_go(p, g.ids[i], 1);
	}
	*n = g.n;
	free(g.ids);
	return r;
}
