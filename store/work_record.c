/* Items of a work tree's log to bytes and back.
 *
 * The decoder distrusts: a length is checked against what is left, a name against what a name can be, a mode against the
 * kinds there are. What it lets through can be applied without a further look at the bytes; whether inodes
 * and directories that are named exist is for the replay to ask.
 */
#include "store/work_format.h"

#include <errno.h>
#include <string.h>

#include <zlib.h>

#include "base/buf.h"

static void le32(unsigned char *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (unsigned char)(v >> (8 * i));
}

static uint32_t get32(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	       (uint32_t)p[3] << 24;
}

static uint64_t get64(const unsigned char *p)
{
	return (uint64_t)get32(p) | (uint64_t)get32(p + 4) << 32;
}

void work_frame_seal(void *frame, size_t len, uint64_t seq)
{
	unsigned char *p = frame;

	le32(p, (uint32_t)(len - WORK_FRAME_HEAD));
	le32(p + 8, (uint32_t)seq);
	le32(p + 12, (uint32_t)(seq >> 32));
	le32(p + 4, (uint32_t)crc32_z(0, p + 8, len - 8));
}

const void *work_frame_items(const void *data, size_t len, uint64_t seq, uint32_t *ret_len)
{
	const unsigned char *p = data;
	uint32_t items;

	if (len < WORK_FRAME_HEAD)
		return NULL;
	items = get32(p);
	if (items > len - WORK_FRAME_HEAD || get64(p + 8) != seq)
		return NULL;
	if (get32(p + 4) != (uint32_t)crc32_z(0, p + 8, (size_t)items + 8))
		return NULL;
	*ret_len = items;
	return p + WORK_FRAME_HEAD;
}

/* Integers into a record that was reserved: no check a field. */
struct pen {
	unsigned char *p;
};

static void pen8(struct pen *o, uint8_t v)
{
	*o->p++ = v;
}

static void pen32(struct pen *o, uint32_t v)
{
	le32(o->p, v);
	o->p += 4;
}

static void pen64(struct pen *o, uint64_t v)
{
	pen32(o, (uint32_t)v);
	pen32(o, (uint32_t)(v >> 32));
}

static void pen_bytes(struct pen *o, const void *data, size_t len)
{
	memcpy(o->p, data, len);
	o->p += len;
}

static int pen_begin(struct buf *b, size_t len, struct pen *ret)
{
	int r = buf_reserve(b, len);

	if (!r)
		ret->p = (unsigned char *)b->data + b->len;
	return r;
}

static int pen_end(struct buf *b, const struct pen *o)
{
	b->len = (size_t)((char *)o->p - b->data);
	b->data[b->len] = '\0';
	return 0;
}

int work_put_meta(struct buf *b, uint64_t next_ino, const struct oid *base)
{
	struct pen o;
	int r = pen_begin(b, 2 + 8 + OID_LEN, &o);

	if (r)
		return r;
	pen8(&o, WORK_ITEM_META);
	pen8(&o, WORK_LOG_VERSION);
	pen64(&o, next_ino);
	pen_bytes(&o, base->id, OID_LEN);
	return pen_end(b, &o);
}

int work_put_rec(struct buf *b, const struct work_rec *c)
{
	size_t target = c->target ? 2 + c->target->len : 0;
	size_t xattrs = c->xattrs ? 4 + c->xattrs->len : 0;
	bool oid = !oid_is_zero(&c->oid);
	struct pen o;
	int r = pen_begin(b, 1 + 8 + 16 + 2 + 32 + OID_LEN + target + xattrs, &o);

	if (r)
		return r;
	pen8(&o, WORK_ITEM_INODE);
	pen64(&o, c->ino);
	pen32(&o, c->mode);
	pen32(&o, c->uid);
	pen32(&o, c->gid);
	pen32(&o, c->nlink);
	pen8(&o, (uint8_t)c->flags);
	pen8(&o, (uint8_t)((oid ? WORK_HAS_OID : 0) | (target ? WORK_HAS_TARGET : 0) |
			   (xattrs ? WORK_HAS_XATTRS : 0)));
	pen64(&o, (uint64_t)c->atime);
	pen64(&o, (uint64_t)c->mtime);
	pen64(&o, (uint64_t)c->ctime);
	pen64(&o, c->size);
	if (oid)
		pen_bytes(&o, c->oid.id, OID_LEN);
	if (target) {
		pen8(&o, (uint8_t)c->target->len);
		pen8(&o, (uint8_t)(c->target->len >> 8));
		pen_bytes(&o, c->target->data, c->target->len);
	}
	if (xattrs) {
		pen32(&o, c->xattrs->len);
		pen_bytes(&o, c->xattrs->data, c->xattrs->len);
	}
	return pen_end(b, &o);
}

int work_put_name(struct buf *b, enum work_name_kind kind, uint64_t dir, uint64_t ino,
		  const char *name, size_t len)
{
	static const uint8_t kinds[] = {WORK_ITEM_NAME, WORK_ITEM_WHITE, WORK_ITEM_DROP};
	struct pen o;
	int r = pen_begin(b, 1 + 16 + 1 + len, &o);

	if (r)
		return r;
	pen8(&o, kinds[kind]);
	pen64(&o, dir);
	if (kind == WORK_NAME_SET)
		pen64(&o, ino);
	pen8(&o, (uint8_t)len);
	pen_bytes(&o, name, len);
	return pen_end(b, &o);
}

int work_put_gone(struct buf *b, uint64_t ino)
{
	int r = buf_u8(b, WORK_ITEM_GONE);

	return r ? r : buf_u64(b, ino);
}

int work_put_base(struct buf *b, const struct oid *base)
{
	int r = buf_u8(b, WORK_ITEM_BASE);

	return r ? r : buf_add(b, base->id, OID_LEN);
}

bool work_xattrs_ok(const void *data, size_t len)
{
	struct reader in;

	reader_init(&in, data, len);
	while (reader_left(&in) && !in.bad) {
		uint8_t n = reader_u8(&in);
		const void *name = reader_bytes(&in, n);

		if (!n || !name || memchr(name, '\0', n))
			return false;
		(void)reader_bytes(&in, reader_u32(&in));
	}
	return !in.bad;
}

static void get_oid(struct reader *in, struct oid *ret)
{
	const void *p = reader_bytes(in, OID_LEN);

	if (p)
		memcpy(ret->id, p, OID_LEN);
}

static bool mode_ok(uint32_t mode)
{
	uint32_t type = mode & S_IFMT;

	return !(mode & ~(uint32_t)(S_IFMT | 07777)) &&
	       (type == S_IFREG || type == S_IFDIR || type == S_IFLNK || type == S_IFIFO ||
		type == S_IFSOCK);
}

static struct work_text *get_text(struct reader *in, size_t len, size_t most)
{
	const void *p = len <= most ? reader_bytes(in, len) : NULL;

	if (!p) {
		in->bad = 1;
		return NULL;
	}
	return work_text_new(p, len);
}

static void get_rec(struct reader *in, struct work_rec *ret)
{
	uint8_t has;

	ret->ino = reader_u64(in);
	ret->mode = reader_u32(in);
	ret->uid = reader_u32(in);
	ret->gid = reader_u32(in);
	ret->nlink = reader_u32(in);
	ret->flags = reader_u8(in);
	has = reader_u8(in);
	ret->atime = (int64_t)reader_u64(in);
	ret->mtime = (int64_t)reader_u64(in);
	ret->ctime = (int64_t)reader_u64(in);
	ret->size = reader_u64(in);
	if (has & WORK_HAS_OID)
		get_oid(in, &ret->oid);
	if (has & WORK_HAS_TARGET) {
		ret->target = get_text(in, reader_u16(in), WORK_TARGET_MAX);
		if (ret->target && memchr(ret->target->data, '\0', ret->target->len))
			in->bad = 1;
	}
	if (has & WORK_HAS_XATTRS) {
		ret->xattrs = get_text(in, reader_u32(in), WORK_XATTRS_MAX);
		if (ret->xattrs && !work_xattrs_ok(ret->xattrs->data, ret->xattrs->len))
			in->bad = 1;
	}
	if (!ret->ino || !mode_ok(ret->mode) || ret->flags > WORK_FLAGS ||
	    has > (WORK_HAS_OID | WORK_HAS_TARGET | WORK_HAS_XATTRS))
		in->bad = 1;
}

static void get_name(struct reader *in, struct work_item *ret)
{
	ret->name_len = reader_u8(in);
	ret->name = reader_bytes(in, ret->name_len);
	if (!ret->name_len || !ret->name || memchr(ret->name, '/', ret->name_len) ||
	    memchr(ret->name, '\0', ret->name_len))
		in->bad = 1;
}

static void get_named(struct reader *in, struct work_item *ret)
{
	ret->dir = reader_u64(in);
	if (ret->kind == WORK_ITEM_NAME)
		ret->ino = reader_u64(in);
	get_name(in, ret);
}

static void get_meta(struct reader *in, struct work_item *ret)
{
	ret->version = reader_u8(in);
	ret->ino = reader_u64(in);
	get_oid(in, &ret->base);
	if (!ret->version)
		in->bad = 1;
}

int work_get_item(struct reader *in, struct work_item *ret)
{
	*ret = (struct work_item){0};
	if (!reader_left(in))
		return 1;
	ret->kind = (enum work_item_kind)reader_u8(in);
	switch (ret->kind) {
	case WORK_ITEM_META:
		get_meta(in, ret);
		break;
	case WORK_ITEM_INODE:
		get_rec(in, &ret->rec);
		break;
	case WORK_ITEM_NAME:
	case WORK_ITEM_WHITE:
	case WORK_ITEM_DROP:
		get_named(in, ret);
		break;
	case WORK_ITEM_GONE:
		ret->ino = reader_u64(in);
		break;
	case WORK_ITEM_BASE:
		get_oid(in, &ret->base);
		break;
	default:
		in->bad = 1;
	}
	if (!in->bad)
		return 0;
	work_item_deinit(ret);
	return -EINVAL;
}

void work_item_deinit(struct work_item *it)
{
	work_rec_deinit(&it->rec);
	it->rec = (struct work_rec){0};
}
