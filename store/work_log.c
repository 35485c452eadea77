/* The log of a work tree: everything that is explicit, in the order it became so.
 *
 * One frame an operation, one write() a frame, before the caller has its answer: a killed process loses nothing,
 * because the page cache keeps what was written. fdatasync makes it survive a power cut, and only work_fsync(),
 * a switch and the like pay for that. A frame that could not be written whole is taken back; if even that fails, the log
 * takes no more.
 *
 * When it has grown to twice what a fresh one would need, it is written anew beside itself, synced and renamed. The replay
 * stops at the first frame that is cut, torn or out of order, says so and cuts the file there.
 *
 * A clean file's native bytes are not trusted after a restart: a power cut may have lost the frame that called
 * it dirty and kept a part of its bytes. They are its blob's, so the blob is used.
 */
#include "store/work_private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/log.h"
#include "store/project.h"
#include "store/store.h"
#include "store/work_format.h"

enum {
	CHUNK = 1 << 20,   /* of a log that is written anew */
	SLACK = 1 << 20,   /* below, it is not worth it */
	INODE_BYTES = 112, /* about what one takes in the log */
	NAME_BYTES = 1 + 16 + 1,
};
#define FRAME_MAX ((size_t)1 << 30)

void work_frame_begin(struct work *w)
{
	static const char head[WORK_FRAME_HEAD];

	buf_clear(&w->log.frame);
	(void)buf_add(&w->log.frame, head, sizeof(head));
}

/* ---- appending ---- */

static int write_at_end(struct work *w, const void *data, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pwrite(w->log.fd, (const char *)data + done, len - done,
				   (off_t)(w->log.len + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		done += (size_t)n;
	}
	return 0;
}

int work_log_append(struct work *w)
{
	struct buf *b = &w->log.frame;
	int r;

	if (w->log.broken)
		return -EIO; /* said when it broke */
	work_frame_seal(b->data, b->len, w->log.seq + 1);
	r = write_at_end(w, b->data, b->len);
	if (r) {
		if (ftruncate(w->log.fd, (off_t)w->log.len)) {
			w->log.broken = true;
			(void)fail(-errno,
				   "take back a torn record of work tree '%s'; it takes "
				   "no more changes",
				   w->info.name);
		}
		return fail(r, "write the log of work tree '%s'", w->info.name);
	}
	w->log.len += b->len;
	w->log.seq++;
	if (b->cap > CHUNK) {
		buf_deinit(b);
		buf_init(b, FRAME_MAX);
	}
	return 0;
}

static int sync_dirs(struct work *w)
{
	int home = store_home_fd(project_store(w->project));
	int r = io_sync_dir(w->dir_fd, ".");

	if (!r)
		r = io_sync_dir(home, "work");
	return r ? r : io_sync_dir(home, ".");
}

int work_log_sync(struct work *w)
{
	CLEANUP(close_p) int fd = -1;
	uint64_t len, generation;
	bool dirs;
	int r;

	pthread_mutex_lock(&w->lock);
	len = w->log.len;
	generation = w->log.generation;
	dirs = w->log.dirs_unsynced;
	/* Another one: a compaction may close ours meanwhile, and then has synced everything. */
	fd = len > w->log.synced || dirs ? fcntl(w->log.fd, F_DUPFD_CLOEXEC, 0) : -1;
	r = (len > w->log.synced || dirs) && fd < 0 ? -errno : 0;
	pthread_mutex_unlock(&w->lock);
	if (r)
		return fail(r, "sync the log of work tree '%s'", w->info.name);
	if (fd < 0)
		return 0;
	if (fdatasync(fd))
		return fail(-errno, "sync the log of work tree '%s'", w->info.name);
	r = dirs ? sync_dirs(w) : 0;
	if (r)
		return r;
	LOCKED(&w->lock);
	if (generation != w->log.generation)
		return 0;
	if (len > w->log.synced)
		w->log.synced = len;
	if (dirs)
		w->log.dirs_unsynced = false;
	return 0;
}

/* ---- writing it anew ---- */

struct anew {
	struct work *w;
	int fd;
	uint64_t len, seq;
};

static int anew_flush(struct anew *a, bool all)
{
	struct buf *b = &a->w->log.frame;
	int r;

	if (b->len == WORK_FRAME_HEAD || (!all && b->len < CHUNK))
		return 0;
	work_frame_seal(b->data, b->len, ++a->seq);
	r = io_write_all(a->fd, b->data, b->len);
	a->len += b->len;
	work_frame_begin(a->w);
	return r;
}

static int anew_names(struct anew *a, const struct work_node *dir)
{
	const struct work_names *t = dir->kids;
	int r = 0;

	for (uint32_t i = 0; t && !r && i < t->cap; i++) {
		const struct work_name *e = t->slots[i];

		if (!e || !e->is_counted)
			continue;
		r = work_put_name(&a->w->log.frame, e->node ? WORK_NAME_SET : WORK_NAME_WHITE,
				  dir->r.ino, e->node ? e->node->r.ino : 0, e->text, e->len);
		if (!r)
			r = anew_flush(a, false);
	}
	return r;
}

static int anew_write(struct anew *a)
{
	struct work *w = a->w;
	struct buf *b = &w->log.frame;
	int r;

	work_frame_begin(w);
	r = work_put_meta(b, w->next_ino, &w->base);
	for (size_t i = 0; !r && i < w->nodes_cap; i++) {
		const struct work_node *n = w->nodes[i];

		if (!n || !n->is_explicit)
			continue;
		r = work_put_rec(b, &n->r);
		if (!r)
			r = anew_flush(a, false);
	}
	for (size_t i = 0; !r && i < w->nodes_cap; i++) {
		const struct work_node *n = w->nodes[i];

		if (n && n->is_explicit)
			r = anew_names(a, n);
	}
	return r ? r : anew_flush(a, true);
}

static int replace_log(struct work *w)
{
	CLEANUP(close_p)
	int fd = openat(w->dir_fd, "log.new", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct anew a = {.w = w, .fd = fd};
	int r = fd < 0 ? -errno : anew_write(&a);

	if (!r && fdatasync(fd))
		r = -errno;
	if (!r && renameat(w->dir_fd, "log.new", w->dir_fd, "log"))
		r = -errno;
	if (r) {
		(void)unlinkat(w->dir_fd, "log.new", 0);
		return fail(r, "write the log of work tree '%s' anew", w->info.name);
	}
	close_p(&w->log.fd);
	w->log.fd = TAKE_FD(fd);
	w->log.len = a.len;
	w->log.seq = a.seq;
	w->log.broken = false;
	w->log.generation++;
	w->log.synced = a.len;
	w->log.dirs_unsynced = true; /* until the rename is durable a cut leaves the old one */
	return 0;
}

int work_log_compact(struct work *w, bool now)
{
	uint64_t live = w->n_explicit * INODE_BYTES + w->n_names * NAME_BYTES + w->name_bytes;

	if (!now && w->log.len < 2 * live + SLACK)
		return 0;
	return replace_log(w);
}

/* ---- replay ---- */

static int replay_name(struct work *w, const struct work_item *it)
{
	static const enum work_name_kind kinds[] = {[WORK_ITEM_NAME] = WORK_NAME_SET,
						    [WORK_ITEM_WHITE] = WORK_NAME_WHITE,
						    [WORK_ITEM_DROP] = WORK_NAME_DROP};
	struct work_node *dir = work_node_find(w, it->dir), *node = NULL;

	if (!dir || !work_is_dir(dir))
		return -EINVAL;
	if (it->kind == WORK_ITEM_NAME) {
		node = work_node_find(w, it->ino);
		if (!node)
			return -EINVAL;
	}
	work_apply_name(w, kinds[it->kind], dir, it->name, it->name_len, node);
	return 0;
}

static int replay_item(struct work *w, const struct work_item *it)
{
	struct work_node *n;

	switch (it->kind) {
	case WORK_ITEM_META:
		if (it->version > WORK_LOG_VERSION)
			return WORK_NEWER;
		w->base = it->base;
		if (it->ino > w->next_ino)
			w->next_ino = it->ino;
		return 0;
	case WORK_ITEM_INODE:
		(void)work_apply_rec(w, &it->rec);
		return 0;
	case WORK_ITEM_NAME:
	case WORK_ITEM_WHITE:
	case WORK_ITEM_DROP:
		return replay_name(w, it);
	case WORK_ITEM_GONE:
		n = work_node_find(w, it->ino);
		if (n && it->ino != WORK_ROOT_INO)
			work_apply_gone(w, n);
		return n ? 0 : -EINVAL;
	case WORK_ITEM_BASE:
		w->base = it->base;
		return 0;
	}
	return -EINVAL;
}

static int replay_frame(struct work *w, const void *items, uint32_t len)
{
	struct reader in;
	int r = 0;

	reader_init(&in, items, len);
	while (!r) {
		struct work_item it;

		r = work_get_item(&in, &it);
		if (r)
			return r > 0 ? 0 : r;
		r = replay_item(w, &it);
		work_item_deinit(&it);
	}
	return r;
}

static int replay(struct work *w, const unsigned char *data, size_t len)
{
	size_t at = 0;

	while (at < len) {
		uint32_t n = 0;
		const void *items = work_frame_items(data + at, len - at, w->log.seq + 1, &n);
		int r;

		if (!items)
			break;
		r = replay_frame(w, items, n);
		if (r == WORK_NEWER)
			return r;
		if (r)
			return fail(-EIO, "replay the log of work tree '%s' at byte %zu",
				    w->info.name, at);
		at += WORK_FRAME_HEAD + n;
		w->log.seq++;
	}
	w->log.len = at;
	return 0;
}

/* Names of a directory that the log never had are applied all the same, so only the graph is to be checked. */
static int check_replayed(struct work *w)
{
	w->root = work_node_find(w, WORK_ROOT_INO);
	if (!w->root || !work_is_dir(w->root))
		return fail(-EIO, "the log of work tree '%s' has no root", w->info.name);
	for (size_t i = 0; i < w->nodes_cap; i++) {
		struct work_node *n = w->nodes[i];

		if (!n)
			continue;
		if (!oid_is_zero(&n->r.oid) && S_ISREG(n->r.mode))
			n->r.flags &= ~(uint32_t)WORK_NATIVE;
	}
	return 0;
}

static int read_log(struct work *w)
{
	off_t size = lseek(w->log.fd, 0, SEEK_END);
	void *map;
	int r;

	if (size < 0)
		return fail(-errno, "read the log of work tree '%s'", w->info.name);
	if (!size)
		return WORK_MISSING;
	map = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, w->log.fd, 0);
	if (map == MAP_FAILED)
		return fail(-errno, "read the log of work tree '%s'", w->info.name);
	(void)madvise(map, (size_t)size, MADV_SEQUENTIAL);
	r = replay(w, map, (size_t)size);
	(void)munmap(map, (size_t)size);
	if (r)
		return r;
	/* It was renamed into place whole and synced: this is damage, and starting anew would hide it. */
	if (!w->log.len)
		return fail(-EIO, "the log of work tree '%s' is damaged from its start",
			    w->info.name);
	if (w->log.len < (uint64_t)size) {
		log_warn("work tree '%s': the last %" PRIu64
			 " bytes of its log are no whole record, cutting them off",
			 w->info.name, (uint64_t)size - w->log.len);
		if (ftruncate(w->log.fd, (off_t)w->log.len))
			return fail(-errno, "cut the log of work tree '%s'", w->info.name);
	}
	return check_replayed(w);
}

/* A log that never had its first frame is one whose making was interrupted. */
static int begin_log(struct work *w, const struct work_rec *root, const struct oid *base)
{
	w->next_ino = WORK_ROOT_INO + 1;
	w->base = *base;
	w->root = work_apply_rec(w, root);
	return work_log_compact(w, true);
}

int work_log_open(struct work *w, const struct work_rec *root, const struct oid *base)
{
	int r;

	buf_init(&w->log.frame, FRAME_MAX);
	(void)unlinkat(w->dir_fd, "log.new", 0);
	w->log.fd = openat(w->dir_fd, "log", O_RDWR | O_CLOEXEC);
	if (w->log.fd < 0) {
		if (errno != ENOENT)
			return fail(-errno, "open the log of work tree '%s'", w->info.name);
		return begin_log(w, root, base);
	}
	r = read_log(w);
	return r == WORK_MISSING ? begin_log(w, root, base) : r;
}

void work_log_close(struct work *w)
{
	close_p(&w->log.fd);
	w->log.fd = -1;
	buf_deinit(&w->log.frame);
}
