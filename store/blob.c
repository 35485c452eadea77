/* Contents, from memory or from a file.
 *
 * One cache holds both kinds: a small blob's inflated bytes, or the descriptor of a large one's
 * extracted file, which counts as much as DESCRIPTOR_BYTES so that few are open at a time. Its
 * rule that one thread makes a value while others wait is what makes a thousand readers of
 * one blob inflate it once.
 *
 * The key has the project in it: who knows an object's id in one project learns nothing of another's.
 * The header is asked first, so an object of any size costs its header until it is found fit.
 */
#include "store/blob.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "store/lru.h"
#include "store/object.h"
#include "store/project_private.h"
#include "store/store_private.h"

enum {
	DESCRIPTOR_BYTES = 512 << 10,
	ONCE_MAX = 8 << 20, /* a blob read whole up to this size needs no file */
};

struct content {
	struct lru_item item;
	size_t len;
	void *data; /* or … */
	int fd;     /* … a file; -1 */
};

static void destroy(struct lru_item *it)
{
	struct content *c = (struct content *)it;

	free(c->data);
	close_p(&c->fd);
	free(c);
}

int blob_size(struct project *p, const struct oid *oid, uint64_t *ret)
{
	char hex[OID_HEX_LEN + 1];
	git_object_t type;
	size_t size;
	int r = object_header(p, oid, &type, &size);

	if (r)
		return r < 0 ? r : BLOB_MISSING;
	if (type != GIT_OBJECT_BLOB)
		return fail(-EIO, "read '%s' of project '%s' as a blob, which it is not",
			    oid_hex(oid, hex), project_name(p));
	*ret = size;
	return 0;
}

static int checked_size(struct project *p, const struct oid *oid, uint64_t *ret)
{
	char hex[OID_HEX_LEN + 1];
	uint64_t size = 0;
	int r = blob_size(p, oid, &size);

	if (r)
		return r;
	if (size > BLOB_SIZE_MAX)
		return fail(-EFBIG, "read blob '%s' of %" PRIu64 " bytes", oid_hex(oid, hex),
			    size);
	*ret = size;
	return 0;
}

static int inflate(struct project *p, const struct oid *oid, struct content *c)
{
	CLEANUP(git_odb_object_freep) git_odb_object *obj = NULL;
	char hex[OID_HEX_LEN + 1];
	int r = object_read(p, oid, &obj);

	if (r)
		return r < 0 ? r : BLOB_MISSING;
	c->len = git_odb_object_size(obj);
	c->data = malloc(c->len + 1);
	if (!c->data)
		return fail(-ENOMEM, "read blob '%s'", oid_hex(oid, hex));
	memcpy(c->data, git_odb_object_data(obj), c->len);
	return 0;
}

static int make(struct project *p, const struct oid *oid, struct content **ret)
{
	struct content *c;
	uint64_t size;
	int r = checked_size(p, oid, &size);

	if (r)
		return r;
	c = alloc_zero(sizeof(*c));
	c->fd = -1;
	c->len = (size_t)size;
	c->item.destroy = destroy;
	c->item.oid = *oid;
	c->item.project = project_id(p);
	c->item.bytes = sizeof(*c) + c->len;
	if (size <= BLOB_MEMORY_MAX) {
		r = inflate(p, oid, c);
	} else {
		c->item.bytes = DESCRIPTOR_BYTES;
		c->fd = blob_cache_open(&p->st->blob_files, p, oid, size);
		r = c->fd < 0 ? c->fd : 0;
	}
	if (r) {
		destroy(&c->item);
		return r;
	}
	*ret = c;
	return 0;
}

/* A counted reference to the content, or BLOB_MISSING or a fault. */
static int get(struct project *p, const struct oid *oid, struct content **ret)
{
	struct lru *cache = p->st->blobs;
	struct lru_item *it;
	int r;

	if (!lru_get(cache, project_id(p), oid, &it)) {
		*ret = (struct content *)it;
		return 0;
	}
	r = make(p, oid, ret);
	if (r)
		lru_give_up(cache, project_id(p), oid);
	else
		lru_keep(cache, &(*ret)->item);
	return r;
}

static void content_unrefp(struct content **c)
{
	if (*c)
		lru_unref(&(*c)->item);
}

static int slurp(int fd, size_t len, struct buf *b)
{
	int r = buf_reserve(b, len);

	for (size_t at = 0; !r && at < len;) {
		ssize_t n = pread(fd, b->data + b->len, len - at, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return fail(n ? -errno : -EIO, "read an extracted blob");
		b->len += (size_t)n;
		at += (size_t)n;
		b->data[b->len] = '\0';
	}
	return r;
}

static int read_once(struct project *p, const struct oid *oid, struct buf *b)
{
	CLEANUP(git_odb_object_freep) git_odb_object *obj = NULL;
	int r = object_read(p, oid, &obj);

	if (r)
		return r < 0 ? r : BLOB_MISSING;
	return buf_add(b, git_odb_object_data(obj), git_odb_object_size(obj));
}

int blob_read(struct project *p, const struct oid *oid, struct buf *b)
{
	CLEANUP(content_unrefp) struct content *c = NULL;
	uint64_t size;
	int r = checked_size(p, oid, &size);

	if (r)
		return r;
	if (size > b->limit - b->len)
		return -E2BIG;
	if (size > BLOB_MEMORY_MAX && size <= ONCE_MAX)
		return read_once(p, oid, b);
	r = get(p, oid, &c);
	if (r)
		return r;
	return c->data ? buf_add(b, c->data, c->len) : slurp(c->fd, c->len, b);
}

ssize_t blob_pread(struct project *p, const struct oid *oid, void *data, size_t len,
		   uint64_t off)
{
	CLEANUP(content_unrefp) struct content *c = NULL;
	char hex[OID_HEX_LEN + 1];
	ssize_t n;
	int r = get(p, oid, &c);

	if (r)
		return r < 0 ? r : -ENOENT;
	if (off >= c->len)
		return 0;
	if (len > c->len - off)
		len = c->len - off;
	if (c->data) {
		memcpy(data, (const char *)c->data + off, len);
		return (ssize_t)len;
	}
	do {
		n = pread(c->fd, data, len, (off_t)off);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? fail(-errno, "read the extracted blob '%s'", oid_hex(oid, hex)) : n;
}

int blob_view(struct project *p, const struct oid *oid, struct blob_view *ret)
{
	struct content *c;
	int r = get(p, oid, &c);

	if (r)
		return r;
	*ret = (struct blob_view){.data = c->data, .len = c->len, .fd = c->fd, .owner = c};
	return 0;
}

void blob_done(struct blob_view *v)
{
	struct content *c = v->owner;

	v->owner = NULL;
	if (c)
		lru_unref(&c->item);
}
