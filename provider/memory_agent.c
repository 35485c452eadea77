/* The agent inside a memory sandbox: the other end of provider/agent/wire.h.
 *
 * A session takes whole frames from its stream, in order, and queues its replies, each with the time from which the
 * client can read it. An apply is collected until its COMMIT, checked as a whole, and then carried out change
 * by change, so that a test may end it between any two. Everything the real agent refuses is refused here
 * with the same codes.
 */
#include "provider/memory_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/judge.h"
#include "base/sha1.h"

enum {
	INBOX_MAX = 256 << 10, /* what a client can send before the agent works */
	FILE_BYTES_MAX = 64 << 20,
	REPLY_MAX = WIRE_FRAME_MAX + 4,
};

static const char agent_root[] = "/project";

/* A reply on its way. */
struct reply {
	char *data;
	size_t len, at;
	int64_t due;
	struct reply *next;
};

/* An apply being received. */
struct staged {
	bool open, failed;
	uint32_t id;
	struct oid from, to;
	struct memory_map changes; /* mode 0 removes */
	struct memory_file file;   /* the one whose bytes are coming; no path: none */
	uint64_t size;
	struct buf bytes;
};

struct memory_session {
	struct channel channel;
	struct memory *m;
	struct memory_box *box; /* NULL once cut */
	struct buf inbox;       /* sent by the client, not yet seen by the agent */
	struct wire_stream in;
	struct reply *replies, **last;
	struct staged staged;
	uint32_t watch_id;    /* 0: it does not want to be told */
	bool news;            /* something changed since it was told */
	bool welcome, ending; /* ending: nothing follows the queued replies */
	struct memory_session *next;
};

static struct memory_session *session_of(struct channel *ch)
{
	return (struct memory_session *)(void *)ch;
}

static void staged_deinit(struct staged *st)
{
	memory_map_deinit(&st->changes);
	free(st->file.path);
	buf_deinit(&st->bytes);
	*st = (struct staged){0};
	buf_init(&st->bytes, FILE_BYTES_MAX);
}

static void queue(struct memory_session *s, const void *data, size_t len, int64_t delay)
{
	struct reply *r = alloc_zero(sizeof(*r));

	r->data = alloc_copy(data, len);
	r->len = len;
	r->due = clock_now(s->m->clock) + delay;
	*s->last = r;
	s->last = &r->next;
}

static void end_stream(struct memory_session *s)
{
	s->ending = true;
	s->box = NULL;
	staged_deinit(&s->staged);
}

static void say(struct memory_session *s, const struct wire_frame *f)
{
	struct memory_fate fate = memory_ask(s->m, MEMORY_REPLY, f->type);
	struct buf b;

	if (fate.verdict == MEMORY_DROP)
		return;
	if (fate.verdict == MEMORY_CLOSE) {
		end_stream(s);
		return;
	}
	buf_init(&b, REPLY_MAX);
	if (!wire_encode(&b, f)) {
		if (fate.verdict == MEMORY_TRUNCATE)
			b.len /= 2;
		queue(s, b.data, b.len, fate.verdict == MEMORY_DELAY ? fate.delay_ms : 0);
		if (fate.verdict == MEMORY_DUPLICATE)
			queue(s, b.data, b.len, 0);
	}
	buf_deinit(&b);
	if (fate.verdict == MEMORY_TRUNCATE)
		end_stream(s);
}

static void refuse(struct memory_session *s, uint32_t id, enum wire_error code, const char *why)
{
	struct wire_frame f = {
		.type = WIRE_ERROR,
		.id = id,
		.code = (uint16_t)code,
		.message = wire_str(why),
	};

	if (s->box)
		f.tree = s->box->current;
	s->staged.failed = true;
	say(s, &f);
	if (code == WIRE_E_PROTOCOL)
		end_stream(s);
}

static void welcome(struct memory_session *s, const struct wire_frame *f)
{
	struct wire_frame a = {
		.type = WIRE_WELCOME,
		.id = f->id,
		.version = WIRE_VERSION,
		.tree = s->box->current,
		.pid = 1,
		.root = wire_str(agent_root),
	};

	memcpy(a.epoch, s->box->epoch, sizeof(a.epoch));
	s->welcome = true;
	say(s, &a);
}

static void plant(struct memory_session *s, const struct wire_frame *f)
{
	static const unsigned char none[16];

	if (memcmp(s->box->epoch, none, sizeof(none)) != 0 &&
	    memcmp(s->box->epoch, f->epoch, sizeof(none)) != 0) {
		refuse(s, f->id, WIRE_E_MOVED, "another epoch is planted");
		return;
	}
	memcpy(s->box->epoch, f->epoch, sizeof(s->box->epoch));
	say(s, &(struct wire_frame){.type = WIRE_OK, .id = f->id});
}

static void begin_apply(struct memory_session *s, const struct wire_frame *f)
{
	staged_deinit(&s->staged);
	s->staged.open = true;
	s->staged.id = f->id;
	s->staged.from = f->from;
	s->staged.to = f->to;
}

static void stage_done(struct memory_session *s)
{
	struct staged *st = &s->staged;
	struct oid oid;

	sha1_blob(st->bytes.data, st->bytes.len, &oid);
	if (st->file.mode != MODE_GITLINK && !oid_eq(&oid, &st->file.oid)) {
		refuse(s, st->id, WIRE_E_HASH, st->file.path);
		return;
	}
	if (st->file.mode != MODE_GITLINK)
		memory_keep(s->m, st->bytes.data, st->bytes.len, &oid);
	memory_map_put(&st->changes, st->file.path, st->file.mode, &st->file.oid);
	free(st->file.path);
	st->file.path = NULL;
	buf_clear(&st->bytes);
}

static void stage_bytes(struct memory_session *s, const struct wire_data *d)
{
	struct staged *st = &s->staged;

	if (!st->file.path || d->len > st->size - st->bytes.len) {
		refuse(s, st->id, WIRE_E_PROTOCOL, "more bytes than announced");
		return;
	}
	if (buf_add(&st->bytes, d->p, d->len)) {
		refuse(s, st->id, WIRE_E_IO, "no space left on device");
		return;
	}
	if (st->bytes.len == st->size)
		stage_done(s);
}

static void stage_file(struct memory_session *s, const struct wire_frame *f)
{
	struct staged *st = &s->staged;
	char *path = alloc_copy(f->path.p, f->path.len);
	const struct memory_content *have = memory_content(s->m, &f->oid);

	if (judge_path(path, f->path.len) != JUDGE_FINE || f->mode == MODE_TREE ||
	    judge_entry("x", 1, f->mode) != JUDGE_FINE) {
		refuse(s, st->id, WIRE_E_PATH, path);
		free(path);
		return;
	}
	if (f->source == WIRE_CACHED && !(have && have->resident)) {
		refuse(s, st->id, WIRE_E_NOT_RESIDENT, path);
		free(path);
		return;
	}
	if (f->source == WIRE_CACHED) {
		memory_map_put(&st->changes, path, f->mode, &f->oid);
		free(path);
		return;
	}
	free(st->file.path);
	st->file = (struct memory_file){.path = path, .mode = f->mode, .oid = f->oid};
	st->size = f->size;
	buf_clear(&st->bytes);
	stage_bytes(s, &f->data);
}

static void stage_removal(struct memory_session *s, const struct wire_frame *f)
{
	char *path = alloc_copy(f->path.p, f->path.len);

	memory_map_put(&s->staged.changes, path, 0, &(struct oid){0});
	free(path);
}

static bool same_file(const struct memory_file *a, const struct memory_file *b)
{
	if (!a || !b)
		return a == b;
	return a->mode == b->mode && oid_eq(&a->oid, &b->oid);
}

/* What the sandbox's files are with the changes made; false when a file is where a directory must be. */
static bool outcome_of(struct memory_session *s, struct memory_map *applied,
		       struct memory_map *files)
{
	const struct memory_map *ch = &s->staged.changes;
	bool fits = true;

	memory_map_copy(&s->box->applied, applied);
	memory_map_copy(&s->box->files, files);
	for (size_t i = 0; i < ch->n; i++) {
		memory_map_remove(applied, ch->files[i].path);
		memory_map_remove(files, ch->files[i].path);
	}
	for (size_t i = 0; i < ch->n; i++) {
		if (!ch->files[i].mode)
			continue;
		fits &= !memory_map_blocked(files, ch->files[i].path);
		memory_map_put(applied, ch->files[i].path, ch->files[i].mode,
			       &ch->files[i].oid);
		memory_map_put(files, ch->files[i].path, ch->files[i].mode, &ch->files[i].oid);
	}
	return fits;
}

/* Carries the changes out one by one. False when the test ended it on the way. */
static bool sweep(struct memory_session *s, bool *lied)
{
	const struct memory_map *ch = &s->staged.changes;

	for (size_t pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < ch->n; i++) {
			const struct memory_file *f = &ch->files[i];
			struct memory_fate fate;

			if ((pass == 0) != (f->mode == 0))
				continue;
			fate = memory_ask(s->m, MEMORY_RENAME, (unsigned)i);
			if (fate.verdict == MEMORY_CLOSE)
				return false;
			*lied |= fate.verdict == MEMORY_LIE;
			if (*lied)
				continue;
			if (f->mode)
				memory_map_put(&s->box->files, f->path, f->mode, &f->oid);
			else
				memory_map_remove(&s->box->files, f->path);
		}
	}
	return true;
}

static void carry_out(struct memory_session *s, struct memory_map *applied)
{
	struct staged *st = &s->staged;
	uint32_t id = st->id;
	bool lied = false;

	if (!sweep(s, &lied)) {
		end_stream(s);
		return;
	}
	memory_map_copy(applied, &s->box->applied);
	s->box->current = st->to;
	say(s, &(struct wire_frame){
		       .type = WIRE_APPLIED,
		       .id = id,
		       .tree = st->to,
		       .n_files = (uint32_t)st->changes.n,
		       .apply_us = 1,
	       });
}

/* The path that is not as it was applied, of those to be changed; NULL: none. */
static const char *drifted(const struct memory_session *s)
{
	const struct memory_map *ch = &s->staged.changes;

	for (size_t i = 0; i < ch->n; i++)
		if (!same_file(memory_map_find(&s->box->applied, ch->files[i].path),
			       memory_map_find(&s->box->files, ch->files[i].path)))
			return ch->files[i].path;
	return NULL;
}

static void commit(struct memory_session *s)
{
	struct staged *st = &s->staged;
	struct memory_map applied = {0}, files = {0};
	const char *path = drifted(s);
	struct oid to;

	if (st->file.path) {
		refuse(s, st->id, WIRE_E_PROTOCOL, "a file is not complete");
		return;
	}
	if (!oid_eq(&st->from, &s->box->current)) {
		refuse(s, st->id, WIRE_E_MOVED, "another tree is there");
		return;
	}
	if (path) {
		refuse(s, st->id, WIRE_E_DRIFT, path);
		return;
	}
	if (!outcome_of(s, &applied, &files))
		refuse(s, st->id, WIRE_E_IO, "a file is in the way of a directory");
	else if (memory_map_tree(&applied, &to), !oid_eq(&to, &st->to))
		refuse(s, st->id, WIRE_E_HASH, "the changes do not make that tree");
	else
		carry_out(s, &applied);
	memory_map_deinit(&applied);
	memory_map_deinit(&files);
}

static uint32_t count_drift(const struct memory_map *a, const struct memory_map *b)
{
	uint32_t n = 0;

	for (size_t i = 0; i < a->n; i++)
		n += !same_file(&a->files[i], memory_map_find(b, a->files[i].path));
	for (size_t i = 0; i < b->n; i++)
		n += !memory_map_find(a, b->files[i].path);
	return n;
}

static void verify(struct memory_session *s, const struct wire_frame *f)
{
	struct wire_frame a = {.type = WIRE_VERIFIED, .id = f->id};
	struct memory_map counted = {0};

	memory_counted(s->box, &counted);
	memory_map_tree(&counted, &a.tree);
	a.n_files = (uint32_t)counted.n;
	a.n_drift = count_drift(&s->box->applied, &counted);
	memory_map_deinit(&counted);
	say(s, &a);
}

static void manifest(struct memory_session *s, const struct wire_frame *f)
{
	struct memory_map counted = {0};
	struct memory_box *box = s->box;

	memory_counted(box, &counted);
	memory_map_copy(&counted, &box->applied);
	memory_map_tree(&counted, &box->current);
	for (size_t i = 0; i < counted.n && s->box; i++) {
		const struct memory_file *file = &counted.files[i];
		const struct memory_content *c = memory_content(s->m, &file->oid);

		say(s, &(struct wire_frame){
			       .type = WIRE_ENTRY,
			       .id = f->id,
			       .mode = file->mode,
			       .oid = file->oid,
			       .size = c ? c->len : 0,
			       .path = wire_str(file->path),
		       });
	}
	if (s->box)
		say(s, &(struct wire_frame){
			       .type = WIRE_END,
			       .id = f->id,
			       .n = (uint32_t)counted.n,
			       .tree = box->current,
		       });
	memory_map_deinit(&counted);
}

static void fetch(struct memory_session *s, const struct wire_frame *f)
{
	char *path = alloc_copy(f->path.p, f->path.len);
	const struct memory_file *file = memory_map_find(&s->box->files, path);
	const struct memory_content *c = file ? memory_content(s->m, &file->oid) : NULL;
	uint32_t n = 0;

	free(path);
	if (!c) {
		refuse(s, f->id, WIRE_E_MISSING, "no such file");
		return;
	}
	for (size_t at = 0; at < c->len && s->box; n++) {
		size_t len = c->len - at < WIRE_DATA_MAX ? c->len - at : WIRE_DATA_MAX;

		say(s, &(struct wire_frame){.type = WIRE_BYTES,
					    .id = f->id,
					    .data = wire_data(c->data + at, len)});
		at += len;
	}
	if (s->box)
		say(s, &(struct wire_frame){
			       .type = WIRE_END, .id = f->id, .n = n, .tree = s->box->current});
}

static void tell_changed(struct memory_session *s)
{
	struct wire_frame f = {.type = WIRE_CHANGED, .id = s->watch_id};
	struct memory_map counted = {0};

	s->news = false;
	memory_counted(s->box, &counted);
	f.n_drift = count_drift(&s->box->applied, &counted);
	memory_map_deinit(&counted);
	say(s, &f);
}

void memory_sessions_changed(struct memory *m, const struct memory_box *box)
{
	for (struct memory_session *s = m->sessions; s; s = s->next)
		s->news |= s->box == box && s->watch_id;
}

/* Frames of an apply; false when `f` is none of them. */
static bool take_apply(struct memory_session *s, const struct wire_frame *f)
{
	struct staged *st = &s->staged;
	bool ours = st->open && f->id == st->id;

	switch ((unsigned)f->type) {
	case WIRE_APPLY:
		begin_apply(s, f);
		return true;
	case WIRE_FILE:
	case WIRE_MORE:
	case WIRE_REMOVE:
	case WIRE_COMMIT:
		break;
	default:
		return false;
	}
	if (!ours)
		refuse(s, f->id, WIRE_E_PROTOCOL, "no apply is open");
	else if (f->type == WIRE_FILE && !st->failed)
		stage_file(s, f);
	else if (f->type == WIRE_MORE && !st->failed)
		stage_bytes(s, &f->data);
	else if (f->type == WIRE_REMOVE && !st->failed)
		stage_removal(s, f);
	if (ours && f->type == WIRE_COMMIT) {
		if (!st->failed)
			commit(s);
		staged_deinit(st);
	}
	return true;
}

static void take(struct memory_session *s, const struct wire_frame *f)
{
	if (memory_ask(s->m, MEMORY_FRAME, f->type).verdict == MEMORY_CLOSE) {
		end_stream(s);
		return;
	}
	if (!s->welcome && f->type != WIRE_HELLO) {
		refuse(s, f->id, WIRE_E_PROTOCOL, "HELLO comes first");
		return;
	}
	if (take_apply(s, f))
		return;
	switch ((unsigned)f->type) {
	case WIRE_HELLO:
		welcome(s, f);
		return;
	case WIRE_EPOCH:
		plant(s, f);
		return;
	case WIRE_VERIFY:
		verify(s, f);
		return;
	case WIRE_MANIFEST:
		manifest(s, f);
		return;
	case WIRE_FETCH:
		fetch(s, f);
		return;
	case WIRE_WATCH:
		s->watch_id = f->id;
		say(s, &(struct wire_frame){.type = WIRE_OK, .id = f->id});
		return;
	default:
		refuse(s, f->id, WIRE_E_PROTOCOL, "not a request of this sandbox");
	}
}

static void fill(struct memory_session *s)
{
	size_t at = 0, room;

	while (at < s->inbox.len) {
		void *p = wire_stream_room(&s->in, &room);

		if (!p)
			break;
		if (room > s->inbox.len - at)
			room = s->inbox.len - at;
		memcpy(p, s->inbox.data + at, room);
		wire_stream_filled(&s->in, room);
		at += room;
	}
	s->inbox.len = 0;
}

static bool work(struct memory_session *s)
{
	struct wire_frame f;
	bool worked = false;
	int r = 0;

	if (s->box && s->news)
		tell_changed(s);
	if (!s->box || !s->inbox.len)
		return false;
	fill(s);
	while (s->box && (r = wire_stream_next(&s->in, &f)) == 0) {
		take(s, &f);
		worked = true;
	}
	if (s->box && r == WIRE_BAD)
		refuse(s, 0, WIRE_E_PROTOCOL, "not a frame");
	return worked;
}

bool memory_sessions_step(struct memory *m)
{
	bool worked = false;

	for (struct memory_session *s = m->sessions; s; s = s->next)
		worked |= work(s);
	return worked;
}

int64_t memory_sessions_due(const struct memory *m)
{
	int64_t due = INT64_MAX;

	for (const struct memory_session *s = m->sessions; s; s = s->next)
		if (s->replies && s->replies->due < due)
			due = s->replies->due;
	return due;
}

void memory_sessions_cut(struct memory *m, const struct memory_box *box)
{
	for (struct memory_session *s = m->sessions; s; s = s->next)
		if (s->box == box)
			end_stream(s);
}

void memory_sessions_orphan(struct memory *m)
{
	for (struct memory_session *s = m->sessions; s; s = s->next) {
		end_stream(s);
		s->m = NULL;
	}
}

static ssize_t session_send(struct channel *ch, const void *data, size_t len)
{
	struct memory_session *s = session_of(ch);

	if (!s->box)
		return -EPIPE;
	if (s->inbox.len >= INBOX_MAX)
		return -EAGAIN;
	if (len > INBOX_MAX - s->inbox.len)
		len = INBOX_MAX - s->inbox.len;
	if (buf_add(&s->inbox, data, len))
		return -ENOMEM;
	s->m->bytes_in += len;
	return (ssize_t)len;
}

static ssize_t session_recv(struct channel *ch, void *data, size_t len)
{
	struct memory_session *s = session_of(ch);
	struct reply *r = s->replies;

	if (!r)
		return s->ending ? 0 : -EAGAIN;
	if (s->m && r->due > clock_now(s->m->clock))
		return -EAGAIN;
	if (len > r->len - r->at)
		len = r->len - r->at;
	memcpy(data, r->data + r->at, len);
	r->at += len;
	if (r->at == r->len) {
		s->replies = r->next;
		if (!s->replies)
			s->last = &s->replies;
		free(r->data);
		free(r);
	}
	return (ssize_t)len;
}

static int session_fd(const struct channel *ch)
{
	return -1;
}

static void session_close(struct channel *ch)
{
	struct memory_session *s = session_of(ch);

	for (struct memory_session **at = s->m ? &s->m->sessions : NULL; at && *at;
	     at = &(*at)->next)
		if (*at == s) {
			*at = s->next;
			break;
		}
	while (s->replies) {
		struct reply *next = s->replies->next;

		free(s->replies->data);
		free(s->replies);
		s->replies = next;
	}
	staged_deinit(&s->staged);
	buf_deinit(&s->inbox);
	wire_stream_deinit(&s->in);
	free(s);
}

struct channel *memory_session_new(struct memory *m, struct memory_box *box)
{
	static const struct channel_ops ops = {
		.send = session_send,
		.recv = session_recv,
		.fd = session_fd,
		.close = session_close,
	};
	struct memory_session *s = alloc_zero(sizeof(*s));

	s->channel.ops = &ops;
	s->m = m;
	s->box = box;
	s->last = &s->replies;
	buf_init(&s->inbox, INBOX_MAX);
	buf_init(&s->staged.bytes, FILE_BYTES_MAX);
	wire_stream_init(&s->in);
	s->next = m->sessions;
	m->sessions = s;
	return &s->channel;
}
