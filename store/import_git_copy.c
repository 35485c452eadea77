/* Copying objects instead of transferring them.
 *
 * The objects of a local source need not be counted, compressed or indexed again: a pack is copied
 * with its index, a loose object as it is. Nothing is decoded, so damage in one object does not
 * keep the others out. Copies share blocks with the source where the file system can (reflinks);
 * they never share the file: what somebody later does to the source's files does not
 * reach the project.
 *
 * A pack gets its name when it is complete and synced, the .pack before the .idx, so a killed
 * copy goes on with the pack it was at. Links and special files are passed over.
 *
 * A source that is repacked meanwhile loses files between listing and opening them: the listing is
 * taken again, a few times.
 */
#include "store/import_git_copy.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/log.h"
#include "store/import_git_source.h"
#include "store/import_stage.h"

enum { TRIES = 4, VANISHED = 1, CHUNK = 1 << 20 };

struct copy {
	int to; /* objects/ of the stage */
	int skip_fd;
	const struct import_git_child *progress;
	struct import_git_copied *done;
	uint64_t bytes, total;
	bool last; /* what is missing now is missing for good */
};

static void show(const struct copy *c)
{
	if (c->progress->progress)
		c->progress->progress("copying objects", c->bytes, c->total, c->progress->arg);
}

static int copy_by_hand(int from, int to, struct copy *c)
{
	CLEANUP(free_p) char *chunk = alloc_zero(CHUNK);
	ssize_t n;
	int r;

	while ((n = io_read_all(from, chunk, CHUNK)) > 0) {
		r = io_write_all(to, chunk, (size_t)n);
		if (r)
			return r;
		c->bytes += (uint64_t)n;
		show(c);
	}
	return (int)n;
}

static int copy_bytes(int from, int to, uint64_t size, struct copy *c)
{
	uint64_t left = size;

	if (!ioctl(to, FICLONE, from)) {
		c->bytes += size;
		return 0;
	}
	while (left) {
		ssize_t n = copy_file_range(from, NULL, to, NULL,
					    left < (64U << 20) ? left : 64U << 20, 0);

		/* Some file systems cannot, and some say so by copying nothing. */
		if (!n || (n < 0 && (errno == EXDEV || errno == EINVAL || errno == EOPNOTSUPP ||
				     errno == ENOSYS)))
			return copy_by_hand(from, to, c);
		if (n < 0)
			return -errno;
		left -= (uint64_t)n;
		c->bytes += (uint64_t)n;
		show(c);
	}
	return 0;
}

/* Copies one file under a temporary name, and gives it its name. 0, VANISHED, or a fault. */
static int copy_file(int from_dir, const char *name, int to_dir, bool sync, struct copy *c)
{
	CLEANUP(close_p)
	int from = openat(from_dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	CLEANUP(close_p) int to = -1;
	struct stat st;
	int r;

	if (from < 0)
		return errno == ENOENT
			       ? VANISHED
			       : fail(-errno, "open the source's object file '%s'", name);
	if (fstat(from, &st) || !S_ISREG(st.st_mode))
		return fail(-EINVAL, "the source's object file '%s' is not a file", name);
	(void)unlinkat(to_dir, "tmp_copy", 0);
	to = openat(to_dir, "tmp_copy", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
	if (to < 0)
		return fail(-errno, "create a copy of '%s'", name);
	r = copy_bytes(from, to, (uint64_t)st.st_size, c);
	if (!r && sync && fsync(to))
		r = -errno;
	if (!r && renameat(to_dir, "tmp_copy", to_dir, name))
		r = -errno;
	if (!r)
		return 0;
	(void)unlinkat(to_dir, "tmp_copy", 0);
	return fail(r, "copy the object file '%s'", name);
}

static bool is_there(int dir, const char *name)
{
	return dir >= 0 && !faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW);
}

/* "pack-<hex>.idx": the stem's length, or 0. */
static size_t pack_stem(const char *name)
{
	size_t len = strlen(name);

	if (strncmp(name, "pack-", 5) != 0 || len <= 9 || len > 200 ||
	    strcmp(name + len - 4, ".idx") != 0)
		return 0;
	return len - 4;
}

static int open_dir(int at, const char *path)
{
	return openat(at, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static int copy_pack(int from, int to, int skip, const char *idx, struct copy *c)
{
	static const char *const ends[] = {".pack", ".rev", ".idx"};
	size_t stem = pack_stem(idx);
	char name[256];
	int r = 0;

	if (is_there(to, idx) || is_there(skip, idx))
		return 0;
	for (size_t i = 0; !r && i < sizeof(ends) / sizeof(*ends); i++) {
		(void)snprintf(name, sizeof(name), "%.*s%s", (int)stem, idx, ends[i]);
		if (i == 1 && !is_there(from, name))
			continue;
		r = copy_file(from, name, to, true, c);
	}
	if (!r)
		c->done->n_packs++;
	if (r != VANISHED || !c->last)
		return r;
	log_warn("import: the source's pack '%s' has no data, ignoring", idx);
	return 0;
}

static int copy_packs(int objects, struct copy *c)
{
	CLEANUP(closedirp) DIR *d = NULL;
	CLEANUP(close_p) int from = open_dir(objects, "pack");
	CLEANUP(close_p) int own = from < 0 ? -1 : open_dir(from, ".");
	CLEANUP(close_p) int to = open_dir(c->to, "pack");
	CLEANUP(close_p) int skip = c->skip_fd < 0 ? -1 : open_dir(c->skip_fd, "pack");
	const struct dirent *e;
	int r = 0;

	if (from < 0)
		return errno == ENOENT ? 0 : fail(-errno, "open the source's packs");
	d = own >= 0 ? fdopendir(own) : NULL;
	if (!d || to < 0)
		return fail(-errno, "open a directory of packs");
	own = -1;
	while (!r && (e = readdir(d))) {
		if (pack_stem(e->d_name))
			r = copy_pack(from, to, skip, e->d_name, c);
	}
	return r ? r : io_sync_dir(to, ".");
}

static bool is_hex(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (!isxdigit((unsigned char)s[i]) || isupper((unsigned char)s[i]))
			return false;
	}
	return s[len] == '\0';
}

static int copy_loose(int objects, const char *fan, struct copy *c)
{
	CLEANUP(closedirp) DIR *d = NULL;
	CLEANUP(close_p) int from = open_dir(objects, fan);
	CLEANUP(close_p) int own = from < 0 ? -1 : open_dir(from, ".");
	CLEANUP(close_p) int to = -1;
	const struct dirent *e;
	int r = 0;

	d = own >= 0 ? fdopendir(own) : NULL;
	if (!d)
		return errno == ENOENT || errno == ENOTDIR || errno == ELOOP
			       ? 0
			       : fail(-errno, "open the source's loose objects");
	own = -1;
	while (!r && (e = readdir(d))) {
		if (strlen(e->d_name) != 38 || !is_hex(e->d_name, 38) || e->d_type != DT_REG)
			continue;
		if (to < 0 && !io_mkdir(c->to, fan, 0755))
			to = open_dir(c->to, fan);
		if (to < 0)
			return fail(-errno, "make the directory '%s'", fan);
		if (is_there(to, e->d_name))
			continue;
		r = copy_file(from, e->d_name, to, false, c);
		c->done->n_loose += !r;
		r = r == VANISHED ? 0 : r;
	}
	return r;
}

static int copy_objects(const char *path, struct copy *c)
{
	CLEANUP(close_p) int objects = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char fan[3];
	int r;

	if (objects < 0)
		return fail(-errno, "open the objects '%s'", path);
	r = copy_packs(objects, c);
	for (unsigned i = 0; !r && i < 256; i++) {
		(void)snprintf(fan, sizeof(fan), "%02x", i);
		r = copy_loose(objects, fan, c);
	}
	return r;
}

/* Bytes of the packs of one object directory; loose objects are not worth the stats. */
static uint64_t measure(const char *path)
{
	CLEANUP(free_p) char *packs = alloc_fmt("%s/pack", path);
	CLEANUP(closedirp) DIR *d = opendir(packs);
	const struct dirent *e;
	uint64_t sum = 0;

	while (d && (e = readdir(d))) {
		struct stat st;

		if (!fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) &&
		    S_ISREG(st.st_mode))
			sum += (uint64_t)st.st_size;
	}
	return sum;
}

static int check_room(const struct copy *c, const struct import_stage *stage)
{
	struct statvfs fs;
	uint64_t room;

	if (fstatvfs(stage->fd, &fs))
		return fail(-errno, "look at the free space of '%s'", stage->path);
	room = (uint64_t)fs.f_bavail * fs.f_frsize;
	/* A stage that is taken up again holds some of it already. */
	if (room >= c->total || stage->resumed)
		return 0;
	return fail(-ENOSPC,
		    "import '%s': its packs take %" PRIu64 " MiB, %" PRIu64 " MiB are free",
		    stage->name, c->total >> 20, room >> 20);
}

int import_git_copy(const struct import_git_source *s, struct import_stage *stage, int skip_fd,
		    const struct import_git_child *progress, struct import_git_copied *ret)
{
	CLEANUP(close_p) int to = open_dir(stage->fd, "objects");
	struct copy c = {.to = to, .skip_fd = skip_fd, .progress = progress, .done = ret};
	int r = VANISHED;

	if (to < 0)
		return fail(-errno, "open the staged objects");
	for (size_t i = 0; i < s->n_object_dirs; i++)
		c.total += measure(s->object_dirs[i]);
	if (check_room(&c, stage))
		return -ENOSPC;
	show(&c);
	for (int i = 0; r == VANISHED && i < TRIES; i++) {
		r = 0;
		c.last = i == TRIES - 1;
		for (size_t k = 0; !r && k < s->n_object_dirs; k++)
			r = copy_objects(s->object_dirs[k], &c);
	}
	ret->bytes += c.bytes;
	return r == VANISHED ? fail(-EAGAIN, "import '%s': its packs change all the time",
				    stage->name)
			     : r;
}
