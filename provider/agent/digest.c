/* provider/agent/digest.c - a blob's id from a live file.
 *
 * git's id starts with the size, so the size is taken first and exactly as many bytes are hashed. A
 * file that grows, shrinks or is written meanwhile is read again, three times at most; after that its stamp
 * says "racy" and the next look reads it anew. Opened without following and without
 * waiting: a pipe put under the name must not hang the agent.
 */
#include "provider/agent/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/judge.h"
#include "base/sha1.h"

enum { TRIES = 3, CHUNK = 128 << 10 };

/* Hashes `size` bytes from the start; false when there were fewer. */
static int hash_fd(int fd, uint64_t size, struct oid *ret)
{
	static char chunk[CHUNK];
	struct sha1 s;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	sha1_init_blob(&s, size);
	while (size) {
		ssize_t n = read(fd, chunk, size < CHUNK ? (size_t)size : CHUNK);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return -EAGAIN;
		sha1_add(&s, chunk, (size_t)n);
		size -= (uint64_t)n;
	}
	sha1_end(&s, ret);
	return 0;
}

static int digest_file(int fd, struct manifest_entry *e)
{
	struct stat before, after;
	struct stamp a, b;
	int r = 0;

	for (int i = 0; i < TRIES; i++) {
		if (fstat(fd, &before))
			return -errno;
		r = hash_fd(fd, (uint64_t)before.st_size, &e->oid);
		if (r && r != -EAGAIN)
			return r;
		if (fstat(fd, &after))
			return -errno;
		stamp_of(&before, &a);
		stamp_of(&after, &b);
		e->stamp = a;
		e->mode = stamp_mode(&after);
		a.racy = false;
		if (!r && stamp_same(&a, &b))
			return 0;
	}
	e->stamp.racy = true;
	return r == -EAGAIN ? -EBUSY : 0;
}

static int digest_link(int dirfd, const char *name, const struct stat *st,
		       struct manifest_entry *e)
{
	char target[4097];
	ssize_t n = readlinkat(dirfd, name, target, sizeof(target));

	if (n < 0)
		return -errno;
	sha1_blob(target, (size_t)n, &e->oid);
	e->mode = MODE_LINK;
	stamp_of(st, &e->stamp);
	return 0;
}

int digest_at(int dirfd, const char *name, struct manifest_entry *e)
{
	CLEANUP(close_p) int fd = -1;
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW))
		return -errno;
	if (S_ISLNK(st.st_mode))
		return digest_link(dirfd, name, &st, e);
	if (!S_ISREG(st.st_mode))
		return DIGEST_NOT;
	fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return errno == EACCES || errno == EPERM ? DIGEST_SHUT : -errno;
	if (fstat(fd, &st))
		return -errno;
	return S_ISREG(st.st_mode) ? digest_file(fd, e) : DIGEST_NOT;
}
