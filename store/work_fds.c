/* Descriptors of native files: few, shared, the least recently used ones closed first.
 *
 * A work tree may have a million native files and a process 20,000 descriptors, so none belongs to an inode. One that is
 * lent stays open; when the limit of the process is reached, idle ones are closed before the caller
 * hears of it.
 *
 * Native files stand in files/<shard>/<number>; thousands made one after the other share a shard, which the backing file
 * system likes better than spreading them. Shards are made as they are needed; a file that a power
 * cut took before it was synced is simply made again, empty, which is what its inode then says.
 */
#include "store/work_private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"

enum { SLOTS = 512 };

struct work_fd {
	uint64_t ino;
	int fd;
	unsigned users;
	bool is_dropped;               /* to be closed by the last user */
	struct work_fd *next;          /* in its slot */
	struct work_fd *older, *newer; /* idle ones */
};

struct work_fds {
	pthread_mutex_t lock; /* inside work.lock */
	struct work_fd *slots[SLOTS];
	struct work_fd idle; /* ring: idle.newer is the oldest */
	unsigned n;
};

struct work_fds *work_fds_new(void)
{
	struct work_fds *f = alloc_zero(sizeof(*f));

	pthread_mutex_init(&f->lock, NULL);
	f->idle.older = f->idle.newer = &f->idle;
	return f;
}

static void leave_idle(struct work_fd *d)
{
	d->older->newer = d->newer;
	d->newer->older = d->older;
	d->older = d->newer = NULL;
}

static void enter_idle(struct work_fds *f, struct work_fd *d)
{
	d->newer = &f->idle;
	d->older = f->idle.older;
	d->older->newer = d;
	f->idle.older = d;
}

static void leave_slot(struct work_fds *f, struct work_fd *d)
{
	struct work_fd **at = &f->slots[d->ino % SLOTS];

	while (*at != d)
		at = &(*at)->next;
	*at = d->next;
	f->n--;
}

static void close_idle(struct work_fds *f, struct work_fd *d)
{
	leave_idle(d);
	leave_slot(f, d);
	close(d->fd);
	free(d);
}

/* False when there is none to close. */
static bool close_oldest(struct work_fds *f)
{
	if (f->idle.newer == &f->idle)
		return false;
	close_idle(f, f->idle.newer);
	return true;
}

void work_fds_free(struct work_fds *f)
{
	if (!f)
		return;
	while (close_oldest(f))
		;
	pthread_mutex_destroy(&f->lock);
	free(f);
}

void work_native_path(uint64_t ino, char ret[WORK_NATIVE_PATH])
{
	(void)snprintf(ret, WORK_NATIVE_PATH, "%02x/%" PRIx64, (unsigned)(ino >> 12 & 0xff),
		       ino);
}

static int open_native(const struct work *w, uint64_t ino, bool make)
{
	char path[WORK_NATIVE_PATH];
	int fd;

	work_native_path(ino, path);
	fd = openat(w->files_fd, path, O_RDWR | (make ? O_CREAT : 0) | O_NOFOLLOW | O_CLOEXEC,
		    0600);
	if (fd >= 0 || errno != ENOENT || !make)
		return fd < 0 ? -errno : fd;
	path[2] = '\0';
	if (mkdirat(w->files_fd, path, 0700) && errno != EEXIST)
		return -errno;
	path[2] = '/';
	fd = openat(w->files_fd, path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : fd;
}

static struct work_fd *find(const struct work_fds *f, uint64_t ino)
{
	struct work_fd *d = f->slots[ino % SLOTS];

	while (d && d->ino != ino)
		d = d->next;
	return d;
}

int work_fd_get(struct work *w, uint64_t ino, bool make, struct work_fd **ret)
{
	struct work_fds *f = w->fds;
	struct work_fd *d;
	int fd;

	LOCKED(&f->lock);
	d = find(f, ino);
	if (d) {
		if (!d->users++)
			leave_idle(d);
		*ret = d;
		return 0;
	}
	if (f->n >= WORK_FDS)
		(void)close_oldest(f);
	do {
		fd = open_native(w, ino, make);
	} while ((fd == -EMFILE || fd == -ENFILE) && close_oldest(f));
	if (fd == -ENOENT && !make)
		return fd;
	if (fd < 0)
		return fail(fd, "open the bytes of inode %" PRIx64 " of work tree '%s'", ino,
			    w->info.name);
	d = alloc_zero(sizeof(*d));
	*d = (struct work_fd){.ino = ino, .fd = fd, .users = 1, .next = f->slots[ino % SLOTS]};
	f->slots[ino % SLOTS] = d;
	f->n++;
	*ret = d;
	return 0;
}

int work_fd_of(const struct work_fd *d)
{
	return d->fd;
}

void work_fd_put(struct work *w, struct work_fd *d)
{
	struct work_fds *f = w->fds;

	if (!d)
		return;
	LOCKED(&f->lock);
	if (--d->users)
		return;
	enter_idle(f, d);
	if (d->is_dropped || f->n > WORK_FDS)
		close_idle(f, d);
}

void work_fds_forget(struct work *w, uint64_t ino)
{
	struct work_fd *d;

	LOCKED(&w->fds->lock);
	d = find(w->fds, ino);
	if (d && d->users)
		d->is_dropped = true;
	else if (d)
		close_idle(w->fds, d);
}

int work_native_stat(struct work *w, uint64_t ino, struct stat *ret)
{
	char path[WORK_NATIVE_PATH];
	const struct work_fd *d;
	int r = 0;

	LOCKED(&w->fds->lock);
	d = find(w->fds, ino);
	if (d)
		return fstat(d->fd, ret) ? -errno : 0;
	work_native_path(ino, path);
	if (fstatat(w->files_fd, path, ret, AT_SYMLINK_NOFOLLOW))
		r = -errno;
	return r == -ENOENT ? r : r ? fail(r, "look at the bytes of inode %" PRIx64, ino) : 0;
}
