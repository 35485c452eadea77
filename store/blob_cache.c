/* Extraction of large blobs in bounded memory, and its eviction.
 *
 * libgit2 inflates a packed object whole, and twice that while it applies a delta, so a blob beyond
 * INFLATE_MAX is written by a `git cat-file` child: git streams what is not a delta, and
 * where it cannot the memory is the child's and gone with it. Smaller ones are inflated here: a child
 * costs some milliseconds.
 *
 * A file appears by rename, so a reader sees a whole one or none. It is not synced; a file of
 * another size than the object's header says is extracted again, and all files of an earlier boot
 * are removed (cache/boot names the boot), because only then could a size lie about content.
 *
 * Use is noted in a file's mtime, which nobody else needs. Eviction runs after an extraction that passed
 * the limit and goes down to three quarters of it, oldest first. Files that somebody has open lose their
 * name only.
 */
#include "store/blob_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/log.h"
#include "base/proc.h"
#include "store/git_child.h"
#include "store/object.h"
#include "store/project_private.h"
#include "store/store.h"

enum {
	INFLATE_MAX = 8 << 20,
	PATH_SIZE = 128,
	STRAY_SECONDS = 3600, /* a temporary file as old as this has lost its writer */
};

void blob_cache_init(struct blob_cache *c, const struct store *st)
{
	*c = (struct blob_cache){.st = st, .limit = BLOB_CACHE_MAX};
	pthread_mutex_init(&c->lock, NULL);
	pthread_mutex_init(&c->child, NULL);
}

void blob_cache_deinit(struct blob_cache *c)
{
	pthread_mutex_destroy(&c->lock);
	pthread_mutex_destroy(&c->child);
}

/* A file of the cache, as the eviction sees it. */
struct kept {
	char path[PATH_SIZE];
	uint64_t bytes;
	int64_t used;
};

struct kept_list {
	struct kept *v;
	size_t n, cap;
	uint64_t bytes;
};

static void kept_done(const struct kept_list *l)
{
	free(l->v);
}

static void note(struct kept_list *l, const char *dir, const char *name, const struct stat *st)
{
	struct kept *k;

	alloc_grow(&l->v, &l->cap, l->n + 1, sizeof(*l->v));
	k = &l->v[l->n];
	if (snprintf(k->path, sizeof(k->path), "cache/%s/%s", dir, name) >= PATH_SIZE)
		return;
	k->bytes = (uint64_t)st->st_size;
	k->used = st->st_mtim.tv_sec;
	/* A dot marks a temporary file; one whose writer is gone goes first. */
	if (strchr(name, '.') && k->used < time(NULL) - STRAY_SECONDS)
		k->used = INT64_MIN;
	else if (strchr(name, '.'))
		return;
	l->bytes += k->bytes;
	l->n++;
}

static DIR *open_dir(int at, const char *path)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d && fd >= 0)
		close(fd);
	return d;
}

static void scan_project(int cache_fd, const char *dir, struct kept_list *l)
{
	CLEANUP(closedirp) DIR *d = open_dir(cache_fd, dir);
	const struct dirent *e;
	struct stat st;

	/* NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is this call's own */
	while (d && (e = readdir(d))) {
		if (!fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) &&
		    S_ISREG(st.st_mode))
			note(l, dir, e->d_name, &st);
	}
}

static void scan(int home_fd, struct kept_list *l)
{
	CLEANUP(closedirp) DIR *d = open_dir(home_fd, "cache");
	const struct dirent *e;

	/* NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is this call's own */
	while (d && (e = readdir(d))) {
		if (e->d_name[0] != '.')
			scan_project(dirfd(d), e->d_name, l);
	}
}

static int older_first(const void *a, const void *b)
{
	const struct kept *x = a, *y = b;

	return (x->used > y->used) - (x->used < y->used);
}

static void evict_locked(struct blob_cache *c)
{
	CLEANUP(kept_done) struct kept_list l = {0};

	scan(store_home_fd(c->st), &l);
	if (l.n && l.bytes > c->limit)
		qsort(l.v, l.n, sizeof(*l.v), older_first);
	for (size_t i = 0; i < l.n && l.bytes > c->limit / 4 * 3; i++) {
		if (!unlinkat(store_home_fd(c->st), l.v[i].path, 0))
			l.bytes -= l.v[i].bytes;
	}
	c->bytes = l.bytes;
}

uint64_t blob_cache_trim(struct blob_cache *c, uint64_t limit)
{
	CLEANUP(kept_done) struct kept_list l = {0};
	uint64_t before;
	LOCKED(&c->lock);

	scan(store_home_fd(c->st), &l);
	before = l.bytes;
	if (l.n)
		qsort(l.v, l.n, sizeof(*l.v), older_first);
	for (size_t i = 0; i < l.n && l.bytes > limit; i++) {
		if (!unlinkat(store_home_fd(c->st), l.v[i].path, 0))
			l.bytes -= l.v[i].bytes;
	}
	c->bytes = l.bytes;
	return before - l.bytes;
}

/* Removes what another boot left. */
static int settle_boot(struct blob_cache *c)
{
	CLEANUP(buf_deinit) struct buf now;
	CLEANUP(buf_deinit) struct buf then;
	int r;

	buf_init(&now, 256);
	buf_init(&then, 256);
	r = io_slurp(AT_FDCWD, "/proc/sys/kernel/random/boot_id", &now);
	if (r < 0)
		return r;
	r = io_slurp(store_home_fd(c->st), "cache/boot", &then);
	if (r == 0 && now.len && now.len == then.len && !memcmp(now.data, then.data, now.len))
		return 0;
	r = io_remove_tree(store_home_fd(c->st), "cache");
	if (!r)
		r = io_mkdirs(store_home_fd(c->st), "cache", 0700);
	return r ? r : io_replace(store_home_fd(c->st), "cache/boot", now.data, now.len, 0600);
}

static int make_ready(struct blob_cache *c)
{
	CLEANUP(kept_done) struct kept_list l = {0};
	LOCKED(&c->lock);
	int r;

	if (c->ready)
		return 0;
	r = settle_boot(c);
	if (r)
		return r;
	scan(store_home_fd(c->st), &l);
	c->bytes = l.bytes;
	c->ready = true;
	return 0;
}

static int write_inflated(struct project *p, const struct oid *oid, int fd)
{
	CLEANUP(git_odb_object_freep) git_odb_object *obj = NULL;
	int r = object_read(p, oid, &obj);

	if (r)
		return r < 0 ? r : -ENOENT;
	return io_write_all(fd, git_odb_object_data(obj), git_odb_object_size(obj));
}

static int write_by_child(struct project *p, const char *hex, int fd)
{
	/* The threshold makes git stream every blob that is stored whole. */
	const char *args[] = {"-c", "core.bigFileThreshold=1m", "cat-file", "blob", hex, NULL};
	pid_t pid;
	int r = git_child_start(project_dir_fd(p), args, -1, fd, &pid);

	if (r)
		return r;
	r = proc_wait(pid);
	return r > 0 ? -EIO : r;
}

static int extract(struct blob_cache *c, struct project *p, const struct oid *oid,
		   uint64_t size, int fd)
{
	char hex[OID_HEX_LEN + 1];
	struct stat st;
	int r;

	oid_hex(oid, hex);
	if (size <= INFLATE_MAX) {
		r = write_inflated(p, oid, fd);
	} else {
		LOCKED(&c->child);
		r = write_by_child(p, hex, fd);
	}
	if (r)
		return fail(r, "extract blob '%s' of project '%s'", hex, p->name);
	if (fstat(fd, &st))
		return fail(-errno, "stat the extracted blob '%s'", hex);
	if ((uint64_t)st.st_size != size)
		return fail(-EIO, "extract blob '%s': %jd bytes instead of %" PRIu64, hex,
			    (intmax_t)st.st_size, size);
	return 0;
}

/* An fd of a file that is there and whole, or a negative errno (silent). */
static int open_whole(struct blob_cache *c, const char *path, uint64_t size)
{
	CLEANUP(close_p)
	int fd = openat(store_home_fd(c->st), path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || (uint64_t)st.st_size != size)
		return -ESTALE;
	(void)futimens(fd,
		       (struct timespec[2]){{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_NOW}});
	return TAKE_FD(fd);
}

/* Extracts into `path` by way of a temporary file. */
static int fill(struct blob_cache *c, struct project *p, const struct oid *oid, uint64_t size,
		const char *path)
{
	CLEANUP(close_p) int fd = -1;
	char tmp[PATH_SIZE + 40];
	int r;

	(void)snprintf(tmp, sizeof(tmp), "%s.%lx.%lx", path, (long)getpid(),
		       (long)pthread_self());
	fd = openat(store_home_fd(c->st), tmp,
		    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fail(-errno, "create '%s'", tmp);
	r = extract(c, p, oid, size, fd);
	if (!r && renameat(store_home_fd(c->st), tmp, store_home_fd(c->st), path))
		r = fail(-errno, "rename '%s'", tmp);
	if (r) {
		(void)unlinkat(store_home_fd(c->st), tmp, 0);
		return r;
	}
	return 0;
}

static int extract_and_open(struct blob_cache *c, struct project *p, const struct oid *oid,
			    uint64_t size, const char *path)
{
	int fd, r = fill(c, p, oid, size, path);

	if (r)
		return r;
	fd = open_whole(c, path, size);
	if (fd < 0)
		return fail(fd, "open '%s'", path);
	pthread_mutex_lock(&c->lock);
	c->bytes += size;
	if (c->bytes > c->limit)
		evict_locked(c);
	pthread_mutex_unlock(&c->lock);
	return fd;
}

int blob_cache_open(struct blob_cache *c, struct project *p, const struct oid *oid,
		    uint64_t size)
{
	char path[PATH_SIZE], hex[OID_HEX_LEN + 1];
	int fd, r = make_ready(c);

	if (r)
		return r;
	(void)snprintf(path, sizeof(path), "cache/%016" PRIx64, project_id(p));
	r = io_mkdirs(store_home_fd(c->st), path, 0700);
	if (r)
		return r;
	(void)snprintf(path, sizeof(path), "cache/%016" PRIx64 "/%s", project_id(p),
		       oid_hex(oid, hex));
	fd = open_whole(c, path, size);
	return fd >= 0 ? fd : extract_and_open(c, p, oid, size, path);
}
