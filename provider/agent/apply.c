/* provider/agent/apply.c - receiving a change of tree.
 *
 * Nothing here can touch the project: all writing is below one directory of the agent's own, with names of
 * the agent's own. Every path is judged before anything is done for it. A content whose hash is not the one
 * announced is refused when its last byte came, so a sweep never sees a damaged one. Contents
 * from the cache take the same way as contents from the wire: they are written to a fresh file
 * and hashed, since whoever held the old file open may have written to it.
 */
#include "provider/agent/apply.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/judge.h"
#include "provider/agent/beneath.h"
#include "provider/agent/manifest.h"
#include "provider/agent/objcache.h"

char *apply_slot(uint32_t slot, char ret[SLOT_MAX])
{
	(void)snprintf(ret, SLOT_MAX, "%u", slot);
	return ret;
}

int apply_begin(struct apply *a, int stage_root, uint32_t number, const struct wire_frame *f,
		struct refusal *why)
{
	char name[SLOT_MAX];

	*a = (struct apply){
		.from = f->from,
		.to = f->to,
		.n_expected = f->n_changes,
		.number = number,
		.stage_root = stage_root,
		.dir = -1,
		.fd = -1,
	};
	buf_init(&a->target, WIRE_PATH_MAX);
	if (f->n_changes > MANIFEST_MAX)
		return refuse(why, WIRE_E_PROTOCOL, "%u changes at once, %u are the most",
			      f->n_changes, (unsigned)MANIFEST_MAX);
	if (mkdirat(stage_root, apply_slot(number, name), 0700))
		return refuse_io(why, errno, "make a staging directory");
	a->dir = openat(stage_root, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return a->dir < 0 ? refuse_io(why, errno, "open the staging directory") : 0;
}

void apply_deinit(struct apply *a)
{
	char name[SLOT_MAX];

	close_p(&a->fd);
	if (a->dir >= 0) {
		close(a->dir);
		(void)beneath_wipe(a->stage_root, apply_slot(a->number, name));
	}
	for (size_t i = 0; i < a->n; i++)
		free(a->changes[i].path);
	free(a->changes);
	buf_deinit(&a->target);
	*a = (struct apply){.dir = -1, .fd = -1};
}

static int add_change(struct apply *a, const struct wire_frame *f, struct refusal *why)
{
	enum judge_verdict v = judge_path(f->path.p, f->path.len);
	struct change *c;

	if (v)
		return refuse(why, WIRE_E_PATH, "'%.*s' is refused: %s", (int)f->path.len,
			      f->path.p, judge_words(v));
	if (a->receiving)
		return refuse(why, WIRE_E_PROTOCOL, "a file follows one that is not complete");
	if (a->n == a->n_expected)
		return refuse(why, WIRE_E_PROTOCOL, "more changes than were announced");
	alloc_grow(&a->changes, &a->cap, a->n + 1, sizeof(*a->changes));
	c = &a->changes[a->n];
	*c = (struct change){
		.path = alloc_copy(f->path.p, f->path.len),
		.slot = (uint32_t)a->n,
	};
	a->n++;
	return 0;
}

int apply_remove(struct apply *a, const struct wire_frame *f, struct refusal *why)
{
	return add_change(a, f, why);
}

/* The last byte is here: is it what was announced? */
static int finish_file(struct apply *a, struct refusal *why)
{
	struct change *c = &a->changes[a->n - 1];
	char name[SLOT_MAX];
	struct oid oid;

	close_p(&a->fd);
	a->fd = -1;
	a->receiving = false;
	sha1_end(&a->sha, &oid);
	if (!oid_eq(&oid, &c->oid))
		return refuse(why, WIRE_E_HASH, "'%s' arrived with another content", c->path);
	if (c->mode != MODE_LINK)
		return 0;
	if (!a->target.len || memchr(a->target.data, 0, a->target.len))
		return refuse(why, WIRE_E_PATH, "the link '%s' has no target that can be",
			      c->path);
	if (symlinkat(a->target.data, a->dir, apply_slot(c->slot, name)))
		return refuse_io(why, errno, "make the link '%s'", c->path);
	return 0;
}

static int take_bytes(struct apply *a, const void *data, size_t len, struct refusal *why)
{
	const struct change *c = &a->changes[a->n - 1];
	const char *p = data;

	if (len > a->left)
		return refuse(why, WIRE_E_HASH, "'%s' has more bytes than announced", c->path);
	sha1_add(&a->sha, data, len);
	a->left -= len;
	if (c->mode == MODE_LINK)
		return buf_add(&a->target, data, len)
			       ? refuse(why, WIRE_E_PATH, "the link '%s' is too long", c->path)
			       : 0;
	while (len) {
		ssize_t n = write(a->fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return refuse_io(why, errno, "write '%s'", c->path);
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int take_from_cache(struct apply *a, const struct objcache *cache, struct refusal *why)
{
	static char chunk[64 << 10];
	const struct change *c = &a->changes[a->n - 1];
	CLEANUP(close_p) int fd = objcache_get(cache, &c->oid);
	int r = 0;

	if (fd < 0)
		return refuse(why, WIRE_E_NOT_RESIDENT, "the content of '%s' is not here",
			      c->path);
	while (!r && a->left) {
		ssize_t n = read(fd, chunk, sizeof(chunk));

		if (n <= 0)
			return refuse(why, WIRE_E_NOT_RESIDENT,
				      "the content of '%s' is not whole", c->path);
		r = take_bytes(a, chunk, (size_t)n, why);
	}
	return r == WIRE_E_HASH ? WIRE_E_NOT_RESIDENT : r;
}

static int open_slot(struct apply *a, struct change *c, struct refusal *why)
{
	char name[SLOT_MAX];

	(void)apply_slot(c->slot, name);
	a->left = c->size;
	buf_clear(&a->target);
	sha1_init_blob(&a->sha, c->size);
	a->receiving = true;
	switch (c->mode) {
	case MODE_LINK:
		return 0;
	case MODE_FILE:
	case MODE_EXEC:
		a->fd = openat(a->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
			       c->mode & 0777);
		return a->fd < 0 ? refuse_io(why, errno, "stage '%s'", c->path) : 0;
	case MODE_GITLINK:
		a->receiving = false;
		return mkdirat(a->dir, name, 0755)
			       ? refuse_io(why, errno, "stage '%s'", c->path)
			       : 0;
	default:
		a->receiving = false;
		return refuse(why, WIRE_E_PATH, "'%s' has a mode that git has not: %o", c->path,
			      c->mode);
	}
}

int apply_file(struct apply *a, const struct objcache *cache, const struct wire_frame *f,
	       struct refusal *why)
{
	struct change *c;
	int r = add_change(a, f, why);

	if (r)
		return r;
	c = &a->changes[a->n - 1];
	c->mode = f->mode;
	c->oid = f->oid;
	c->size = f->size;
	if (!c->mode || (c->mode == MODE_GITLINK && (c->size || f->data.len)))
		return refuse(why, WIRE_E_PROTOCOL, "'%s' is announced wrongly", c->path);
	r = open_slot(a, c, why);
	if (r || c->mode == MODE_GITLINK)
		return r;
	if (f->source == WIRE_CACHED)
		r = take_from_cache(a, cache, why);
	else if (f->source == WIRE_INLINE)
		r = take_bytes(a, f->data.p, f->data.len, why);
	else
		r = refuse(why, WIRE_E_PROTOCOL, "'%s' comes from nowhere", c->path);
	if (r || a->left)
		return r;
	r = finish_file(a, why);
	return r == WIRE_E_HASH && f->source == WIRE_CACHED ? WIRE_E_NOT_RESIDENT : r;
}

int apply_more(struct apply *a, const struct wire_frame *f, struct refusal *why)
{
	int r;

	if (!a->receiving)
		return refuse(why, WIRE_E_PROTOCOL, "bytes without a file");
	r = take_bytes(a, f->data.p, f->data.len, why);
	return r || a->left ? r : finish_file(a, why);
}

int apply_complete(const struct apply *a, struct refusal *why)
{
	if (a->receiving)
		return refuse(why, WIRE_E_PROTOCOL, "the last file is not complete");
	if (a->n != a->n_expected)
		return refuse(why, WIRE_E_PROTOCOL, "%u changes were announced, %zu came",
			      a->n_expected, a->n);
	return 0;
}
