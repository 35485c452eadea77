/* provider/agent/ledger.c - manifest file and journal.
 *
 * A rewrite makes generation g+1: first the manifest takes its name, then a new journal takes its. Killed
 * between the two, the old journal is of an older generation and void, which is right, as the
 * manifest holds all it said.
 */
#include "provider/agent/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/sha1.h"
#include "provider/agent/ledger_format.h"

enum {
	FILE_LIMIT = 512 << 20,
	JOURNAL_SMALL = 256 << 10, /* never rewritten below that */
};

static int put_path(struct buf *b, const char *path)
{
	size_t len = strlen(path);
	int r = buf_u16(b, (uint16_t)len);

	return r ? r : buf_add(b, path, len);
}

static int put_entry(struct buf *b, const struct manifest_entry *e)
{
	int r = put_path(b, e->path);

	if (!r)
		r = buf_u32(b, e->mode);
	if (!r)
		r = buf_add(b, e->oid.id, OID_LEN);
	if (!r)
		r = buf_u64(b, e->stamp.size);
	if (!r)
		r = buf_u64(b, e->stamp.ino);
	if (!r)
		r = buf_u64(b, (uint64_t)e->stamp.mtime_ns);
	if (!r)
		r = buf_u64(b, (uint64_t)e->stamp.ctime_ns);
	return r ? r : buf_u8(b, e->stamp.racy);
}

/* NULL when there is no path of a sane length. */
static char *get_path(struct reader *r)
{
	size_t len = reader_u16(r);
	const char *p = reader_bytes(r, len);

	if (!p || !len || memchr(p, 0, len)) {
		r->bad = 1;
		return NULL;
	}
	return alloc_copy(p, len);
}

static void get_oid(struct reader *r, struct oid *ret)
{
	const void *p = reader_bytes(r, OID_LEN);

	if (p)
		memcpy(ret->id, p, OID_LEN);
}

static void get_entry(struct reader *r, struct manifest *m)
{
	struct manifest_entry e = {.path = get_path(r)};

	e.mode = reader_u32(r);
	get_oid(r, &e.oid);
	e.stamp.size = reader_u64(r);
	e.stamp.ino = reader_u64(r);
	e.stamp.mtime_ns = (int64_t)reader_u64(r);
	e.stamp.ctime_ns = (int64_t)reader_u64(r);
	e.stamp.racy = reader_u8(r);
	if (e.path && !r->bad)
		manifest_add(m, &e);
	else
		free(e.path);
}

static int slurp(int dirfd, const char *name, struct buf *b)
{
	CLEANUP(close_p) int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	ssize_t n = 1;
	int r;

	if (fd < 0 || fstat(fd, &st))
		return -errno;
	if (st.st_size > FILE_LIMIT)
		return -E2BIG;
	r = buf_reserve(b, (size_t)st.st_size + 1);
	while (!r && n > 0 && b->cap - b->len) {
		n = read(fd, b->data + b->len, b->cap - b->len);
		if (n < 0)
			return -errno;
		b->len += (size_t)n;
	}
	return r;
}

static bool read_head(struct reader *r, uint32_t magic, uint64_t *generation)
{
	if (reader_u32(r) != magic || reader_u32(r) != LEDGER_VERSION)
		return false;
	*generation = reader_u64(r);
	return !r->bad;
}

static bool parse_manifest(const struct buf *b, uint64_t *generation, struct manifest *ret)
{
	struct reader r;
	struct sha1 s;
	struct oid sum;
	uint32_t n;

	if (b->len < OID_LEN)
		return false;
	sha1_init(&s);
	sha1_add(&s, b->data, b->len - OID_LEN);
	sha1_end(&s, &sum);
	if (memcmp(sum.id, b->data + b->len - OID_LEN, OID_LEN) != 0)
		return false;
	reader_init(&r, b->data, b->len - OID_LEN);
	if (!read_head(&r, LEDGER_MANIFEST, generation))
		return false;
	n = reader_u32(&r);
	for (uint32_t i = 0; i < n && !r.bad; i++)
		get_entry(&r, ret);
	return !r.bad && !reader_left(&r);
}

static bool parse_intent(struct reader *r, struct apply *cut)
{
	uint32_t n;

	cut->number = reader_u32(r);
	get_oid(r, &cut->from);
	get_oid(r, &cut->to);
	n = reader_u32(r);
	for (uint32_t i = 0; i < n && !r->bad; i++) {
		struct change c = {.path = get_path(r)};

		c.mode = reader_u32(r);
		get_oid(r, &c.oid);
		c.size = reader_u64(r);
		c.slot = reader_u32(r);
		if (!c.path)
			break;
		alloc_grow(&cut->changes, &cut->cap, cut->n + 1, sizeof(*cut->changes));
		cut->changes[cut->n++] = c;
	}
	return !r->bad;
}

static void drop_cut(struct apply *cut)
{
	for (size_t i = 0; i < cut->n; i++)
		free(cut->changes[i].path);
	cut->n = 0;
}

static bool parse_done(struct reader *r, struct manifest *m)
{
	struct manifest changes = {0};
	uint32_t n = reader_u32(r);

	for (uint32_t i = 0; i < n && !r->bad; i++)
		get_entry(r, &changes);
	if (!r->bad)
		manifest_merge(m, &changes);
	manifest_deinit(&changes);
	return !r->bad;
}

static uint32_t check_of(const void *data, size_t len)
{
	struct sha1 s;
	struct oid oid;
	uint32_t v;

	sha1_init(&s);
	sha1_add(&s, data, len);
	sha1_end(&s, &oid);
	memcpy(&v, oid.id, sizeof(v));
	return v;
}

/* Takes one record; false at the end of what checks. */
static bool replay_one(struct reader *r, struct manifest *m, struct apply *cut)
{
	uint32_t len = reader_u32(r), check;
	const void *body = reader_bytes(r, len);
	struct reader rec;

	check = reader_u32(r);
	if (r->bad || !len || check != check_of(body, len))
		return false;
	reader_init(&rec, body, len);
	drop_cut(cut);
	switch (reader_u8(&rec)) {
	case LEDGER_INTENT:
		return parse_intent(&rec, cut);
	case LEDGER_DONE:
		return parse_done(&rec, m);
	default:
		return false;
	}
}

/* Replays the journal and says how long its good part is. */
static uint64_t replay(const struct buf *b, uint64_t generation, struct manifest *m,
		       struct apply *cut)
{
	uint64_t of = 0, good;
	struct reader r;

	reader_init(&r, b->data, b->len);
	if (!read_head(&r, LEDGER_JOURNAL, &of) || of != generation)
		return 0;
	do
		good = b->len - reader_left(&r);
	while (replay_one(&r, m, cut));
	return good;
}

static int open_journal(struct ledger *l, uint64_t keep)
{
	int fd = openat(l->frag, "journal", O_WRONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)keep) || lseek(fd, 0, SEEK_END) < 0) {
		close(fd);
		return -errno;
	}
	l->journal = fd;
	l->bytes = keep;
	return 0;
}

int ledger_open(struct ledger *l, int frag, struct manifest *ret, struct apply *cut)
{
	struct buf manifest, journal;
	uint64_t keep = 0;
	int r;

	*l = (struct ledger){.frag = frag, .journal = -1, .behind = true};
	*ret = (struct manifest){0};
	*cut = (struct apply){.dir = -1, .fd = -1};
	buf_init(&cut->target, WIRE_PATH_MAX);
	buf_init(&manifest, FILE_LIMIT + 1);
	buf_init(&journal, FILE_LIMIT + 1);
	r = slurp(frag, "manifest", &manifest);
	if (r == -ENOENT)
		r = LEDGER_EMPTY;
	else if (r || !parse_manifest(&manifest, &l->generation, ret))
		r = LEDGER_BROKEN;
	if (!r && !slurp(frag, "journal", &journal))
		keep = replay(&journal, l->generation, ret, cut);
	if (!r && keep && !open_journal(l, keep))
		l->behind = false;
	if (r)
		manifest_deinit(ret);
	buf_deinit(&manifest);
	buf_deinit(&journal);
	return r;
}

void ledger_close(struct ledger *l)
{
	close_p(&l->journal);
	l->journal = -1;
}

static int write_all(int fd, const char *p, size_t len)
{
	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int replace(int dirfd, const char *name, const struct buf *b)
{
	CLEANUP(close_p) int fd = -1;
	int r;

	fd = openat(dirfd, "new", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = write_all(fd, b->data, b->len);
	if (!r && renameat(dirfd, "new", dirfd, name))
		r = -errno;
	if (r)
		(void)unlinkat(dirfd, "new", 0);
	return r;
}

static int put_head(struct buf *b, uint32_t magic, uint64_t generation)
{
	int r = buf_u32(b, magic);

	if (!r)
		r = buf_u32(b, LEDGER_VERSION);
	return r ? r : buf_u64(b, generation);
}

static int write_manifest(int frag, uint64_t generation, const struct manifest *all)
{
	struct buf b;
	struct sha1 s;
	struct oid sum;
	int r;

	buf_init(&b, FILE_LIMIT);
	r = put_head(&b, LEDGER_MANIFEST, generation);
	if (!r)
		r = buf_u32(&b, (uint32_t)all->n);
	for (size_t i = 0; !r && i < all->n; i++)
		r = put_entry(&b, &all->entries[i]);
	sha1_init(&s);
	sha1_add(&s, b.data, b.len);
	sha1_end(&s, &sum);
	if (!r)
		r = buf_add(&b, sum.id, OID_LEN);
	if (!r)
		r = replace(frag, "manifest", &b);
	buf_deinit(&b);
	return r;
}

int ledger_rewrite(struct ledger *l, const struct manifest *all)
{
	struct buf head;
	int r = write_manifest(l->frag, l->generation + 1, all);

	if (r)
		return r;
	l->generation++;
	l->behind = true; /* until there is a journal of this generation */
	ledger_close(l);
	buf_init(&head, 64);
	r = put_head(&head, LEDGER_JOURNAL, l->generation);
	if (!r)
		r = replace(l->frag, "journal", &head);
	if (!r)
		r = open_journal(l, head.len);
	buf_deinit(&head);
	if (!r)
		l->behind = false;
	return r;
}

/* Appends one record whose type and payload are `body`. */
static int append(struct ledger *l, const struct buf *body)
{
	uint32_t check = check_of(body->data, body->len);
	struct buf b;
	int r;

	if (l->journal < 0)
		return -EBADF;
	buf_init(&b, FILE_LIMIT);
	r = buf_u32(&b, (uint32_t)body->len);
	if (!r)
		r = buf_add(&b, body->data, body->len);
	if (!r)
		r = buf_add(&b, &check, sizeof(check));
	if (!r)
		r = write_all(l->journal, b.data, b.len);
	if (!r)
		l->bytes += b.len;
	else if (ftruncate(l->journal, (off_t)l->bytes) || lseek(l->journal, 0, SEEK_END) < 0)
		l->behind = true;
	buf_deinit(&b);
	return r;
}

int ledger_intend(struct ledger *l, const struct apply *a)
{
	struct buf b;
	int r;

	buf_init(&b, FILE_LIMIT);
	r = buf_u8(&b, LEDGER_INTENT);
	if (!r)
		r = buf_u32(&b, a->number);
	if (!r)
		r = buf_add(&b, a->from.id, OID_LEN);
	if (!r)
		r = buf_add(&b, a->to.id, OID_LEN);
	if (!r)
		r = buf_u32(&b, (uint32_t)a->n);
	for (size_t i = 0; !r && i < a->n; i++) {
		const struct change *c = &a->changes[i];

		r = put_path(&b, c->path);
		if (!r)
			r = buf_u32(&b, c->mode);
		if (!r)
			r = buf_add(&b, c->oid.id, OID_LEN);
		if (!r)
			r = buf_u64(&b, c->size);
		if (!r)
			r = buf_u32(&b, c->slot);
	}
	if (!r)
		r = append(l, &b);
	buf_deinit(&b);
	return r;
}

void ledger_done(struct ledger *l, const struct manifest *changes, const struct manifest *all)
{
	struct buf b;
	int r;

	buf_init(&b, FILE_LIMIT);
	r = buf_u8(&b, LEDGER_DONE);
	if (!r)
		r = buf_u32(&b, (uint32_t)changes->n);
	for (size_t i = 0; !r && i < changes->n; i++)
		r = put_entry(&b, &changes->entries[i]);
	if (!r)
		r = append(l, &b);
	buf_deinit(&b);
	if (r)
		l->behind = true;
	/* A journal longer than what it amends is slower to read than a manifest is to write. */
	if (l->bytes > JOURNAL_SMALL && l->bytes > all->n * 64)
		(void)ledger_rewrite(l, all);
}
