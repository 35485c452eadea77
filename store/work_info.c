/* Which work trees there are: records in state/.
 *
 * Making one is a single synced transaction; its directory and log are made when it is first opened, from what the record
 * says it shows. So a session costs less than a millisecond, and a kill in between leaves a whole work tree or none.
 */
#include "store/work.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/log.h"
#include "store/index_format.h"
#include "store/project.h"
#include "store/state_format.h"
#include "store/state_private.h"
#include "store/store.h"
#include "store/work_private.h"

enum { INFO_VERSION = 1, KEY_LEN = 16 };

int work_info_encode(const struct work_info *info, const struct work_born *born, struct buf *b)
{
	size_t len = strnlen(info->name, WORK_NAME_MAX);
	int r = buf_u8(b, INFO_VERSION);

	if (!r)
		r = buf_u16(b, (uint16_t)len);
	if (!r)
		r = buf_add(b, info->name, len);
	if (!r)
		r = buf_u32(b, info->autocommit_s);
	if (!r)
		r = buf_u8(b, info->commit_after_exec);
	if (!r)
		r = buf_u64(b, (uint64_t)info->created_ns);
	if (!r)
		r = buf_add(b, born->tree.id, OID_LEN);
	if (!r)
		r = buf_u32(b, born->uid);
	return r ? r : buf_u32(b, born->gid);
}

int work_info_decode(const void *val, size_t len, struct work_info *info,
		     struct work_born *born)
{
	struct work_info i = {0};
	struct work_born o = {0};
	const void *name, *tree;
	struct reader in;
	uint8_t version;
	size_t n;

	reader_init(&in, val, len);
	version = reader_u8(&in);
	if (version > INFO_VERSION)
		return STATE_NEWER;
	n = reader_u16(&in);
	name = reader_bytes(&in, n);
	if (!version || !name || !n || n > WORK_NAME_MAX || memchr(name, '\0', n))
		return STATE_BAD;
	memcpy(i.name, name, n);
	i.autocommit_s = reader_u32(&in);
	i.commit_after_exec = reader_u8(&in);
	i.created_ns = (int64_t)reader_u64(&in);
	tree = reader_bytes(&in, OID_LEN);
	if (tree)
		memcpy(o.tree.id, tree, OID_LEN);
	o.uid = reader_u32(&in);
	o.gid = reader_u32(&in);
	if (in.bad || reader_left(&in))
		return STATE_BAD;
	*info = i;
	*born = o;
	return 0;
}

void work_dir_path(uint64_t id, char ret[32])
{
	(void)snprintf(ret, 32, "work/%" PRIu64, id);
}

static void key_of(uint64_t project_id, uint64_t id, unsigned char ret[KEY_LEN])
{
	index_be64(project_id, ret);
	index_be64(id, ret + 8);
}

static uint64_t be64(const unsigned char *p)
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v = v << 8 | p[i];
	return v;
}

/* ---- walking ---- */

struct row {
	struct work_info info;
	struct work_born born;
};

struct rows {
	uint64_t project_id; /* 0: all */
	struct row *all;
	size_t n, cap;
};

static void rows_deinit(struct rows *l)
{
	free(l->all);
}

static void add_row(struct rows *l, const MDB_val *k, const MDB_val *v)
{
	const unsigned char *key = k->mv_data;
	struct row *row;
	int r;

	alloc_grow(&l->all, &l->cap, l->n + 1, sizeof(*l->all));
	row = &l->all[l->n];
	r = work_info_decode(v->mv_data, v->mv_size, &row->info, &row->born);
	if (r) {
		log_warn("state: the record of work tree %" PRIu64 " is %s, ignoring it",
			 be64(key + 8), r == STATE_NEWER ? "a newer version's" : "damaged");
		return;
	}
	row->info.project_id = be64(key);
	row->info.id = be64(key + 8);
	l->n++;
}

static int list_rows(struct state *s, MDB_txn *txn, void *arg)
{
	CLEANUP(mdb_cursor_closep) MDB_cursor *cursor = NULL;
	unsigned char from[KEY_LEN];
	struct rows *l = arg;
	MDB_val k = state_val(from, sizeof(from)), v;
	int r = mdb_cursor_open(txn, s->work, &cursor);

	l->n = 0;
	key_of(l->project_id, 0, from);
	if (!r)
		r = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
	for (; !r; r = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) {
		if (k.mv_size != KEY_LEN)
			continue;
		if (l->project_id && be64(k.mv_data) != l->project_id)
			break;
		add_row(l, &k, &v);
	}
	return r == MDB_NOTFOUND ? 0 : r;
}

static int as_fault(int r)
{
	return r <= 0 ? r : fail(-EIO, "read which work trees there are");
}

int work_each(struct store *st, uint64_t project_id, work_info_fn fn, void *arg)
{
	CLEANUP(rows_deinit) struct rows l = {.project_id = project_id};
	int r = as_fault(state_transact(st, MDB_RDONLY, list_rows, &l));

	/* Outside the transaction, so that `fn` may write. */
	for (size_t i = 0; !r && i < l.n; i++)
		r = fn(&l.all[i].info, arg);
	return r;
}

static const struct row *row_named(const struct rows *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++) {
		if (!strcmp(l->all[i].info.name, name))
			return &l->all[i];
	}
	return NULL;
}

int work_find(struct project *p, const char *name, struct work_info *ret)
{
	CLEANUP(rows_deinit) struct rows l = {.project_id = project_id(p)};
	int r = as_fault(state_transact(project_store(p), MDB_RDONLY, list_rows, &l));
	const struct row *row = r ? NULL : row_named(&l, name);

	if (r || !row)
		return r ? r : WORK_MISSING;
	*ret = row->info;
	return 0;
}

int work_born_read(struct store *st, const struct work_info *info, struct work_born *ret)
{
	CLEANUP(rows_deinit) struct rows l = {.project_id = info->project_id};
	int r = as_fault(state_transact(st, MDB_RDONLY, list_rows, &l));

	for (size_t i = 0; !r && i < l.n; i++) {
		if (l.all[i].info.id == info->id) {
			*ret = l.all[i].born;
			return 0;
		}
	}
	return r ? r : WORK_MISSING;
}

/* ---- changing ---- */

struct change {
	struct work_info *info;
	struct work_born born;
};

static int put_row(struct state *s, MDB_txn *txn, const struct work_info *info,
		   const struct work_born *born)
{
	CLEANUP(buf_deinit) struct buf b;
	unsigned char key[KEY_LEN];
	MDB_val k = state_val(key, sizeof(key)), v;
	int r;

	buf_init(&b, STATE_RECORD_MAX);
	r = work_info_encode(info, born, &b);
	if (r)
		return fail(r, "record work tree '%s'", info->name);
	key_of(info->project_id, info->id, key);
	v = state_val(b.data, b.len);
	return mdb_put(txn, s->work, &k, &v, 0);
}

static int do_create(struct state *s, MDB_txn *txn, void *arg)
{
	struct change *c = arg;
	CLEANUP(rows_deinit) struct rows l = {.project_id = c->info->project_id};
	int r = list_rows(s, txn, &l);

	if (!r && row_named(&l, c->info->name))
		return STATE_BAD; /* the name is taken */
	if (!r)
		r = state_next_id(s, txn, "work", &c->info->id);
	return r ? r : put_row(s, txn, c->info, &c->born);
}

int work_create(struct project *p, const struct work_spec *spec, struct work_info *ret)
{
	struct work_info info = {.project_id = project_id(p), .created_ns = work_now()};
	struct change c = {&info, {spec->tree, spec->uid, spec->gid}};
	int r;

	if (!project_name_ok(spec->name))
		return WORK_BAD_NAME;
	(void)snprintf(info.name, sizeof(info.name), "%s", spec->name);
	r = state_transact(project_store(p), 0, do_create, &c);
	if (r == STATE_BAD)
		return WORK_EXISTS;
	if (!r)
		*ret = info;
	return as_fault(r);
}

static int do_update(struct state *s, MDB_txn *txn, void *arg)
{
	const struct work_info *info = arg;
	unsigned char key[KEY_LEN];
	MDB_val k = state_val(key, sizeof(key)), v;
	struct work_info was;
	struct work_born born;
	int r;

	key_of(info->project_id, info->id, key);
	r = mdb_get(txn, s->work, &k, &v);
	if (!r)
		r = work_info_decode(v.mv_data, v.mv_size, &was, &born);
	return r ? r : put_row(s, txn, info, &born);
}

int work_update(struct store *st, const struct work_info *info)
{
	struct work_info copy = *info;
	int r = state_transact(st, 0, do_update, &copy);

	return r == STATE_MISSING ? WORK_MISSING : as_fault(r);
}

static int do_remove(struct state *s, MDB_txn *txn, void *arg)
{
	const uint64_t *id = arg;
	CLEANUP(rows_deinit) struct rows l = {0};
	unsigned char key[KEY_LEN];
	MDB_val k = state_val(key, sizeof(key));
	int r = list_rows(s, txn, &l);

	for (size_t i = 0; !r && i < l.n; i++) {
		if (l.all[i].info.id != *id)
			continue;
		key_of(l.all[i].info.project_id, *id, key);
		return mdb_del(txn, s->work, &k, NULL);
	}
	return r ? r : MDB_NOTFOUND;
}

int work_remove(struct store *st, uint64_t id)
{
	char path[32];
	int r = state_transact(st, 0, do_remove, &id);

	if (r)
		return r == STATE_MISSING ? WORK_MISSING : as_fault(r);
	work_dir_path(id, path);
	return io_remove_tree(store_home_fd(st), path);
}
