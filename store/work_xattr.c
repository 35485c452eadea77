/* Extended attributes: user.* only, kept whole in the inode's record. They are few and small where they are used at all. */
#include "store/work_private.h"

#include <errno.h>
#include <string.h>
#include <sys/xattr.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"

/* Where an attribute stands in the list. */
struct found {
	size_t at, len; /* of the whole entry */
	const char *name, *value;
	size_t name_len, value_len;
};

/* The entry at `at`; false at the end. The list was checked when it was made or read. */
static bool entry_at(const struct work_text *x, size_t at, struct found *ret)
{
	struct reader in;

	if (!x || at >= x->len)
		return false;
	reader_init(&in, x->data + at, x->len - at);
	*ret = (struct found){.at = at};
	ret->name_len = reader_u8(&in);
	ret->name = reader_bytes(&in, ret->name_len);
	ret->value_len = reader_u32(&in);
	ret->value = reader_bytes(&in, ret->value_len);
	ret->len = x->len - at - reader_left(&in);
	return !in.bad;
}

static bool find(const struct work_text *x, const char *name, struct found *ret)
{
	size_t len = strlen(name);

	for (size_t at = 0; entry_at(x, at, ret); at += ret->len) {
		if (ret->name_len == len && !memcmp(ret->name, name, len))
			return true;
	}
	return false;
}

static int check_name(const char *name)
{
	if (strncmp(name, "user.", 5) != 0)
		return EOPNOTSUPP;
	if (!name[5])
		return EINVAL;
	return strlen(name) > 255 ? ERANGE : 0;
}

/* Copies out as getxattr(2) and listxattr(2) do. */
static int give(const void *data, size_t need, void *ret, size_t *len)
{
	size_t room = *len;

	*len = need;
	if (!ret)
		return 0;
	if (need > room)
		return ERANGE;
	memcpy(ret, data, need);
	return 0;
}

int work_getxattr(struct work *w, uint64_t ino, const char *name, void *ret, size_t *len)
{
	const struct work_node *n;
	struct found f;
	int r = check_name(name);

	if (r)
		return r;
	LOCKED(&w->lock);
	n = work_node_find(w, ino);
	if (!n)
		return ESTALE;
	return find(n->r.xattrs, name, &f) ? give(f.value, f.value_len, ret, len) : ENODATA;
}

int work_listxattr(struct work *w, uint64_t ino, void *ret, size_t *len)
{
	CLEANUP(buf_deinit) struct buf b;
	const struct work_node *n;
	struct found f;
	int r = 0;

	buf_init(&b, WORK_XATTRS_MAX);
	LOCKED(&w->lock);
	n = work_node_find(w, ino);
	if (!n)
		return ESTALE;
	for (size_t at = 0; !r && entry_at(n->r.xattrs, at, &f); at += f.len) {
		r = buf_add(&b, f.name, f.name_len);
		if (!r)
			r = buf_add(&b, "", 1);
	}
	return r ? fail(r, "list attributes") : give(b.data, b.len, ret, len);
}

/* The list without `f` (when it has a name) and with the new value (when there is one). */
static int rebuild(const struct work_text *x, const struct found *f, const char *name,
		   const void *value, size_t len, struct buf *b)
{
	int r = 0;

	if (x && f->name) {
		r = buf_add(b, x->data, f->at);
		if (!r)
			r = buf_add(b, x->data + f->at + f->len, x->len - f->at - f->len);
	} else if (x) {
		r = buf_add(b, x->data, x->len);
	}
	if (r || !value)
		return r;
	r = buf_u8(b, (uint8_t)strlen(name));
	if (!r)
		r = buf_str(b, name);
	if (!r)
		r = buf_u32(b, (uint32_t)len);
	return r ? r : buf_add(b, value, len);
}

static int replace(struct work *w, struct work_node *n, const struct buf *b)
{
	struct work_rec *r;
	struct work_txn t;
	int e;

	work_txn_init(&t, w);
	r = work_txn_rec(&t, n);
	work_text_unref(r->xattrs);
	r->xattrs = b->len ? work_text_new(b->data, b->len) : NULL;
	r->ctime = t.now;
	e = work_txn_commit(&t);
	work_txn_deinit(&t);
	return e;
}

/* `value` NULL removes. */
static int change(struct work *w, uint64_t ino, const char *name, const void *value, size_t len,
		  int flags)
{
	CLEANUP(buf_deinit) struct buf b;
	struct found f = {0};
	struct work_node *n;
	bool has;
	int r;

	buf_init(&b, WORK_XATTRS_MAX);
	LOCKED(&w->lock);
	n = work_node_find(w, ino);
	if (!n)
		return ESTALE;
	has = find(n->r.xattrs, name, &f);
	if (!has)
		f = (struct found){0};
	if (has && flags & XATTR_CREATE)
		return EEXIST;
	if (!has && (flags & XATTR_REPLACE || !value))
		return ENODATA;
	r = rebuild(n->r.xattrs, &f, name, value, len, &b);
	return r ? ENOSPC : replace(w, n, &b);
}

int work_setxattr(struct work *w, uint64_t ino, const char *name, const void *value, size_t len,
		  int flags)
{
	int r = check_name(name);

	if (r)
		return r;
	return len > WORK_XATTR_MAX ? E2BIG
				    : change(w, ino, name, value ? value : "", len, flags);
}

int work_removexattr(struct work *w, uint64_t ino, const char *name)
{
	int r = check_name(name);

	return r ? r : change(w, ino, name, NULL, 0, 0);
}
