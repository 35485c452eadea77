/* A tree hash in one pass over sorted paths.
 *
 * A stack holds one buffer of raw tree entries per open directory. When the next path leaves a directory, that
 * directory is hashed and becomes an entry of the one above. Nothing is kept of what was hashed.
 */
#include "provider/agent/treehash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/judge.h"
#include "base/sha1.h"

enum {
	DEPTH_MAX = 128,           /* judge_path()'s */
	LEVEL_BYTES_MAX = 1 << 28, /* entries of one directory: some five million */
	TREE_PATH_MAX = 4096,
};

struct treehash {
	struct buf level[DEPTH_MAX + 1];
	size_t depth;             /* open directories below the root */
	char path[TREE_PATH_MAX]; /* the last one added */
	size_t len;
	int err;
};

struct treehash *treehash_new(void)
{
	struct treehash *t = alloc_zero(sizeof(*t));

	for (size_t i = 0; i <= DEPTH_MAX; i++)
		buf_init(&t->level[i], LEVEL_BYTES_MAX);
	return t;
}

void treehash_free(struct treehash *t)
{
	if (!t)
		return;
	for (size_t i = 0; i <= DEPTH_MAX; i++)
		buf_deinit(&t->level[i]);
	free(t);
}

static void hash_level(struct treehash *t, struct oid *ret)
{
	struct buf *b = &t->level[t->depth];
	char head[32];
	struct sha1 s;
	struct buf h;

	buf_init(&h, sizeof(head));
	(void)buf_fmt(&h, "tree %zu", b->len);
	sha1_init(&s);
	sha1_add(&s, h.data, h.len + 1);
	sha1_add(&s, b->data, b->len);
	sha1_end(&s, ret);
	buf_deinit(&h);
}

static int add_entry(struct buf *b, uint32_t mode, const char *name, size_t len,
		     const struct oid *oid)
{
	/* git writes a directory's mode with five digits. */
	int r = buf_fmt(b, "%o ", mode);

	if (!r)
		r = buf_add(b, name, len);
	if (!r)
		r = buf_u8(b, 0);
	return r ? r : buf_add(b, oid->id, OID_LEN);
}

/* Where the name of the deepest open directory stands in the last path. */
static void open_name(const struct treehash *t, size_t *start, size_t *end)
{
	size_t d = 0;

	*start = *end = 0;
	for (size_t i = 0; d < t->depth; i++) {
		if (t->path[i] != '/')
			continue;
		if (d++)
			*start = *end + 1;
		*end = i;
	}
}

static int close_level(struct treehash *t)
{
	size_t start, end;
	struct oid oid;

	open_name(t, &start, &end);
	hash_level(t, &oid);
	buf_clear(&t->level[t->depth]);
	t->depth--;
	return add_entry(&t->level[t->depth], MODE_TREE, t->path + start, end - start, &oid);
}

/* How many leading directories two paths share. */
static size_t shared_depth(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t d = 0;

	for (size_t i = 0; i < a_len && i < b_len && a[i] == b[i]; i++)
		d += a[i] == '/';
	return d;
}

static size_t depth_of(const char *path)
{
	size_t d = 0;

	for (; *path; path++)
		d += *path == '/';
	return d;
}

static int add(struct treehash *t, const char *path, uint32_t mode, const struct oid *oid)
{
	size_t len = strlen(path), depth = depth_of(path);
	const char *name = strrchr(path, '/');
	size_t shared = shared_depth(t->path, t->len, path, len);
	int r;

	if (!len || len >= TREE_PATH_MAX || depth > DEPTH_MAX || path[0] == '/' ||
	    path[len - 1] == '/' || strstr(path, "//") ||
	    (t->len && strcmp(t->path, path) >= 0))
		return -EINVAL;
	while (t->depth > shared) {
		r = close_level(t);
		if (r)
			return r;
	}
	t->depth = depth;
	memcpy(t->path, path, len + 1);
	t->len = len;
	name = name ? name + 1 : path;
	return add_entry(&t->level[depth], mode, name, len - (size_t)(name - path), oid);
}

int treehash_add(struct treehash *t, const char *path, uint32_t mode, const struct oid *oid)
{
	int r = add(t, path, mode, oid);

	if (r && !t->err)
		t->err = r;
	return r;
}

int treehash_end(struct treehash *t, struct oid *ret)
{
	int r = t->err;

	while (!r && t->depth)
		r = close_level(t);
	if (!r)
		hash_level(t, ret);
	for (size_t i = 0; i <= DEPTH_MAX; i++)
		buf_clear(&t->level[i]);
	t->depth = t->len = 0;
	t->path[0] = '\0';
	t->err = 0;
	return r;
}
