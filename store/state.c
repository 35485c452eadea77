/* The environment under state/: LMDB in its default mode, every commit synced data and meta.
 *
 * What is here cannot be made again, so a file that LMDB does not take is a fault that stops its caller, never
 * a reason to start anew. Records that do not decode stay where they are.
 *
 * It is small and quiet (a record a sandbox, a write or two a mirror run), so one mutex guards the
 * whole of it: the map may then be resized whenever no transaction runs, which is always
 * between two calls.
 */
#include "store/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/io.h"
#include "base/lock.h"
#include "base/log.h"
#include "store/index_format.h"
#include "store/state_format.h"
#include "store/state_private.h"
#include "store/store_private.h"

enum { MAX_READERS = 128, ATTEMPTS = 16 };

#define MAP_START ((size_t)16 << 20)
#define MAP_MOST  ((size_t)1 << 36)

static MDB_val name_val(const char *name)
{
	return state_val(name, strlen(name));
}

static int check_version(struct state *s, MDB_txn *txn)
{
	static const unsigned char mine[4] = {STATE_VERSION, 0, 0, 0};
	MDB_val key = name_val("version"), val;
	struct reader in;
	uint32_t version;
	int r = mdb_get(txn, s->meta, &key, &val);

	if (r == MDB_NOTFOUND) {
		val = state_val(mine, sizeof(mine));
		return mdb_put(txn, s->meta, &key, &val, 0);
	}
	if (r)
		return r;
	reader_init(&in, val.mv_data, val.mv_size);
	version = reader_u32(&in);
	if (in.bad || !version)
		return STATE_BAD;
	return version > STATE_VERSION ? (int)STATE_NEWER : 0;
}

static int open_tables(struct state *s)
{
	CLEANUP(mdb_txn_abortp) MDB_txn *txn = NULL;
	int r = mdb_txn_begin(s->env, NULL, 0, &txn);

	if (!r)
		r = mdb_dbi_open(txn, "meta", MDB_CREATE, &s->meta);
	if (!r)
		r = mdb_dbi_open(txn, "sandbox", MDB_CREATE, &s->sandbox);
	if (!r)
		r = mdb_dbi_open(txn, "op", MDB_CREATE, &s->op);
	if (!r)
		r = mdb_dbi_open(txn, "work", MDB_CREATE, &s->work);
	if (!r)
		r = mdb_dbi_open(txn, "oplog", MDB_CREATE, &s->oplog);
	if (!r)
		r = check_version(s, txn);
	return r ? r : mdb_txn_commit(TAKE(txn));
}

/* LMDB would be killed by SIGBUS when it reads past the end of a file that was cut. */
static int check_length(struct state *s)
{
	MDB_envinfo info;
	MDB_stat page;
	struct stat st;
	int fd, r = mdb_env_info(s->env, &info);

	if (!r)
		r = mdb_env_stat(s->env, &page);
	if (!r)
		r = mdb_env_get_fd(s->env, &fd);
	if (r)
		return r;
	if (fstat(fd, &st))
		return errno;
	return (uint64_t)st.st_size < (uint64_t)(info.me_last_pgno + 1) * page.ms_psize
		       ? MDB_CORRUPTED
		       : 0;
}

void state_close(struct state *s)
{
	if (!s)
		return;
	if (s->env)
		mdb_env_close(s->env);
	free(s);
}

static int open_env(struct state *s, const char *path)
{
	int r = mdb_env_create(&s->env);

	if (r)
		return r;
	(void)mdb_env_set_maxdbs(s->env, 16);
	(void)mdb_env_set_maxreaders(s->env, MAX_READERS);
	(void)mdb_env_set_mapsize(s->env, MAP_START);
	r = mdb_env_open(s->env, path, MDB_NOTLS, 0600);
	/* Errnos as small as our outcomes must not be taken for them. */
	if (r > 0 && r <= STATE_BAD)
		return EIO;
	if (!r)
		r = check_length(s);
	return r ? r : open_tables(s);
}

/* LMDB refuses for good a file whose first two pages were cut short by a kill. So a file being born is
 * marked, and a mark that is still there means that nothing was ever promised. */
static const char unborn[] = "state/unborn";

static int clear_unborn(struct store *st)
{
	int fd = st->home_fd;

	if (faccessat(fd, unborn, F_OK, AT_SYMLINK_NOFOLLOW)) {
		if (!faccessat(fd, "state/data.mdb", F_OK, AT_SYMLINK_NOFOLLOW))
			return 0;
		return io_replace(fd, unborn, "", 0, 0600);
	}
	if ((unlinkat(fd, "state/data.mdb", 0) && errno != ENOENT) ||
	    (unlinkat(fd, "state/lock.mdb", 0) && errno != ENOENT))
		return fail(-errno, "clear what was left of a state being made");
	return 0;
}

/* Durable before the first promise is made, or a power cut would bring the mark back. */
static int mark_born(struct store *st)
{
	if (unlinkat(st->home_fd, unborn, 0))
		return errno == ENOENT ? 0 : fail(-errno, "remove '%s'", unborn);
	return io_sync_dir(st->home_fd, "state");
}

/* A fault as a code of LMDB's; errnos as small as our outcomes must not be taken for them. */
static int as_code(int fault)
{
	return fault && -fault <= STATE_BAD ? EIO : -fault;
}

/* One process at a time, so that none takes another's beginning for a dead one's. */
static int open_alone(struct store *st, struct state *s, const char *path)
{
	CLEANUP(close_p) int lock = -1;
	int r = lock_take(st->home_fd, "run/state.lock", "opening the state", true, &lock);

	if (!r)
		r = clear_unborn(st);
	if (r)
		return as_code(r);
	r = open_env(s, path);
	return r ? r : as_code(mark_born(st));
}

/* Opens it at the first use; state_lock is held. */
static int state_of(struct store *st, struct state **ret)
{
	CLEANUP(free_p) char *path = alloc_fmt("%s/state", st->home);
	struct state *s;
	int dead, r;

	if (st->state) {
		*ret = st->state;
		return 0;
	}
	r = io_mkdir(st->home_fd, "state", 0700);
	if (r)
		return r;
	s = alloc_zero(sizeof(*s));
	r = open_alone(st, s, path);
	if (r) {
		state_close(s);
		if (r == STATE_NEWER)
			return r;
		if (r == STATE_BAD)
			return fail(-EIO, "'%s' holds no version: it is damaged", path);
		return fail_mdb(r, "open '%s', which cannot be made anew: restore it", path);
	}
	(void)mdb_reader_check(s->env, &dead);
	*ret = st->state = s;
	return 0;
}

static int grow(struct state *s)
{
	MDB_envinfo info;
	int r = mdb_env_info(s->env, &info);

	if (r)
		return r;
	if (info.me_mapsize >= MAP_MOST)
		return MDB_MAP_FULL;
	return mdb_env_set_mapsize(s->env, info.me_mapsize * 2);
}

/* One attempt; LMDB's code or what `fn` returned. */
static int attempt(struct state *s, unsigned flags, state_fn fn, void *arg)
{
	CLEANUP(mdb_txn_abortp) MDB_txn *txn = NULL;
	int r = mdb_txn_begin(s->env, NULL, flags, &txn);

	if (!r)
		r = fn(s, txn, arg);
	return r || flags & MDB_RDONLY ? r : mdb_txn_commit(TAKE(txn));
}

/* LMDB's own codes are far below any errno; its positive ones are errnos and come from the
 * kernel, above our few outcomes. */
static bool is_mdb_code(int r)
{
	return r <= MDB_LAST_ERRCODE || r > STATE_BAD;
}

/* As often as the map must grow. */
int state_transact(struct store *st, unsigned flags, state_fn fn, void *arg)
{
	struct state *s = NULL;
	int r;

	LOCKED(&st->state_lock);
	r = state_of(st, &s);
	if (r)
		return r;
	for (int i = 0; i < ATTEMPTS; i++) {
		r = attempt(s, flags, fn, arg);
		if (r == MDB_MAP_FULL)
			r = grow(s);
		else if (r == MDB_MAP_RESIZED)
			r = mdb_env_set_mapsize(s->env, 0);
		else
			break;
		if (r)
			break;
		r = MDB_MAP_FULL;
	}
	if (r == MDB_NOTFOUND)
		return STATE_MISSING;
	return is_mdb_code(r) ? fail_mdb(r, "use the state of '%s'", st->home) : r;
}

/* One record on its way in or out. */
struct access {
	uint64_t project_id;
	const struct state_sandbox *sandbox;
	struct state_sandbox *sandbox_ret;
	struct state_op *op;
};

static int said_if_bad(int r, uint64_t project_id, const char *what)
{
	if (r == STATE_BAD)
		log_warn("state: the %s record of project %016llx is damaged, ignoring it",
			 what, (unsigned long long)project_id);
	return r;
}

static int get_record(MDB_txn *txn, MDB_dbi dbi, uint64_t project_id, MDB_val *ret)
{
	unsigned char key[STATE_KEY_LEN];
	MDB_val k = state_val(key, sizeof(key));

	index_be64(project_id, key);
	return mdb_get(txn, dbi, &k, ret);
}

static int put_record(MDB_txn *txn, MDB_dbi dbi, uint64_t project_id, const struct buf *b)
{
	unsigned char key[STATE_KEY_LEN];
	MDB_val k = state_val(key, sizeof(key)), v = state_val(b->data, b->len);

	index_be64(project_id, key);
	return mdb_put(txn, dbi, &k, &v, 0);
}

static int delete_record(MDB_txn *txn, MDB_dbi dbi, uint64_t project_id)
{
	unsigned char key[STATE_KEY_LEN];
	MDB_val k = state_val(key, sizeof(key));

	index_be64(project_id, key);
	return mdb_del(txn, dbi, &k, NULL);
}

static int do_sandbox_get(struct state *s, MDB_txn *txn, void *arg)
{
	struct access *a = arg;
	MDB_val v;
	int r = get_record(txn, s->sandbox, a->project_id, &v);

	if (r)
		return r;
	r = state_sandbox_decode(v.mv_data, v.mv_size, a->sandbox_ret);
	if (!r)
		a->sandbox_ret->project_id = a->project_id;
	return said_if_bad(r, a->project_id, "sandbox");
}

int state_sandbox_get(struct store *st, uint64_t project_id, struct state_sandbox *ret)
{
	struct access a = {.project_id = project_id, .sandbox_ret = ret};

	return state_transact(st, MDB_RDONLY, do_sandbox_get, &a);
}

static int put_sandbox(struct state *s, MDB_txn *txn, const struct state_sandbox *sandbox)
{
	CLEANUP(buf_deinit) struct buf b;
	int r;

	buf_init(&b, STATE_RECORD_MAX);
	r = state_sandbox_encode(sandbox, &b);
	if (r)
		return fail(r, "record sandbox '%s'", sandbox->id);
	return put_record(txn, s->sandbox, sandbox->project_id, &b);
}

static int do_sandbox_put(struct state *s, MDB_txn *txn, void *arg)
{
	return put_sandbox(s, txn, ((struct access *)arg)->sandbox);
}

int state_sandbox_put(struct store *st, const struct state_sandbox *s)
{
	struct access a = {.sandbox = s};

	return state_transact(st, 0, do_sandbox_put, &a);
}

/* The open operation goes with its sandbox. */
static int do_sandbox_delete(struct state *s, MDB_txn *txn, void *arg)
{
	const struct access *a = arg;
	int r = delete_record(txn, s->op, a->project_id);

	return r && r != MDB_NOTFOUND ? r : delete_record(txn, s->sandbox, a->project_id);
}

int state_sandbox_delete(struct store *st, uint64_t project_id)
{
	struct access a = {.project_id = project_id};

	return state_transact(st, 0, do_sandbox_delete, &a);
}

struct sandboxes {
	struct state_sandbox *all;
	size_t n, cap;
};

static void sandboxes_deinit(struct sandboxes *l)
{
	free(l->all);
}

static int do_sandbox_each(struct state *s, MDB_txn *txn, void *arg)
{
	CLEANUP(mdb_cursor_closep) MDB_cursor *cursor = NULL;
	struct sandboxes *l = arg;
	MDB_val k, v;
	int r = mdb_cursor_open(txn, s->sandbox, &cursor);

	l->n = 0;
	if (!r)
		r = mdb_cursor_get(cursor, &k, &v, MDB_FIRST);
	for (; !r; r = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) {
		struct reader in;
		uint64_t id = 0;

		reader_init(&in, k.mv_data, k.mv_size);
		for (int i = 0; i < STATE_KEY_LEN; i++)
			id = id << 8 | reader_u8(&in);
		alloc_grow(&l->all, &l->cap, l->n + 1, sizeof(*l->all));
		/* A record that cannot be read must not hide the others. */
		if (said_if_bad(state_sandbox_decode(v.mv_data, v.mv_size, &l->all[l->n]), id,
				"sandbox"))
			continue;
		l->all[l->n++].project_id = id;
	}
	return r == MDB_NOTFOUND ? 0 : r;
}

int state_sandbox_each(struct store *st, state_sandbox_fn fn, void *arg)
{
	CLEANUP(sandboxes_deinit) struct sandboxes l = {0};
	int r = state_transact(st, MDB_RDONLY, do_sandbox_each, &l);

	/* Outside the transaction, so that `fn` may write. */
	for (size_t i = 0; !r && i < l.n; i++)
		r = fn(&l.all[i], arg);
	return r;
}

int state_next_id(struct state *s, MDB_txn *txn, const char *name, uint64_t *ret)
{
	MDB_val key = name_val(name), val;
	unsigned char le[8];
	struct reader in;
	uint64_t id = 0;
	int r = mdb_get(txn, s->meta, &key, &val);

	if (r && r != MDB_NOTFOUND)
		return r;
	if (!r) {
		reader_init(&in, val.mv_data, val.mv_size);
		id = reader_u64(&in);
	}
	*ret = ++id;
	for (int i = 0; i < 8; i++)
		le[i] = (unsigned char)(id >> (8 * i));
	val = state_val(le, sizeof(le));
	return mdb_put(txn, s->meta, &key, &val, 0);
}

static int do_op_open(struct state *s, MDB_txn *txn, void *arg)
{
	CLEANUP(buf_deinit) struct buf b;
	struct access *a = arg;
	int r = state_next_id(s, txn, "op", &a->op->op_id);

	buf_init(&b, STATE_RECORD_MAX);
	if (!r)
		r = state_op_encode(a->op, &b);
	return r ? r : put_record(txn, s->op, a->op->project_id, &b);
}

int state_op_open(struct store *st, struct state_op *op)
{
	struct access a = {.op = op};

	return state_transact(st, 0, do_op_open, &a);
}

static int do_op_get(struct state *s, MDB_txn *txn, void *arg)
{
	struct access *a = arg;
	MDB_val v;
	int r = get_record(txn, s->op, a->project_id, &v);

	if (r)
		return r;
	r = state_op_decode(v.mv_data, v.mv_size, a->op);
	if (!r)
		a->op->project_id = a->project_id;
	return said_if_bad(r, a->project_id, "operation");
}

int state_op_get(struct store *st, uint64_t project_id, struct state_op *ret)
{
	struct access a = {.project_id = project_id, .op = ret};

	return state_transact(st, MDB_RDONLY, do_op_get, &a);
}

static int do_op_close(struct state *s, MDB_txn *txn, void *arg)
{
	const struct access *a = arg;
	struct state_op open;
	MDB_val v;
	int r = get_record(txn, s->op, a->op->project_id, &v);

	if (!r)
		r = said_if_bad(state_op_decode(v.mv_data, v.mv_size, &open), a->op->project_id,
				"operation");
	if (!r && open.op_id != a->op->op_id)
		r = STATE_MISSING;
	if (!r)
		r = delete_record(txn, s->op, a->op->project_id);
	return r ? r : put_sandbox(s, txn, a->sandbox);
}

int state_op_close(struct store *st, const struct state_op *op, const struct state_sandbox *s)
{
	struct state_op copy = *op;
	struct access a = {.op = &copy, .sandbox = s};

	return state_transact(st, 0, do_op_close, &a);
}
