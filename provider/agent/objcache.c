/* provider/agent/objcache.c - a directory of files named by their ids, and a ring that says which is oldest.
 *
 * Files come in by rename, so keeping one costs what removing it would. After a restart the order
 * is that of the listing, which is no order: it only decides what is forgotten first.
 */
#include "provider/agent/objcache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

static void forget_oldest(struct objcache *c)
{
	const struct cached *old = &c->ring[c->first];
	char hex[OID_HEX_LEN + 1];

	(void)unlinkat(c->dir, oid_hex(&old->oid, hex), 0);
	c->bytes -= old->size;
	c->first = (c->first + 1) % OBJCACHE_N;
	c->n--;
}

static void remember(struct objcache *c, const struct cached *what)
{
	while (c->n && (c->n == OBJCACHE_N || c->bytes + what->size > OBJCACHE_BYTES))
		forget_oldest(c);
	c->ring[(c->first + c->n) % OBJCACHE_N] = *what;
	c->n++;
	c->bytes += what->size;
}

static void find_again(struct objcache *c, DIR *dir)
{
	struct dirent *e;

	while ((e = readdir(dir))) {
		struct cached found;
		struct stat st;

		if (e->d_name[0] == '.')
			continue;
		if (!oid_parse(e->d_name, strlen(e->d_name), &found.oid) ||
		    fstatat(c->dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) ||
		    !S_ISREG(st.st_mode) || st.st_size > OBJCACHE_FILE) {
			(void)unlinkat(c->dir, e->d_name, 0);
			continue;
		}
		found.size = (uint64_t)st.st_size;
		remember(c, &found);
	}
}

int objcache_open(struct objcache *c, int frag)
{
	CLEANUP(closedirp) DIR *dir = NULL;
	int fd;

	c->first = c->n = 0;
	c->bytes = 0;
	if (mkdirat(frag, "objects", 0700) && errno != EEXIST)
		return -errno;
	c->dir = openat(frag, "objects", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (c->dir < 0)
		return -errno;
	fd = fcntl(c->dir, F_DUPFD_CLOEXEC, 0);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		close_p(&fd);
		return -ENOMEM;
	}
	find_again(c, dir);
	return 0;
}

void objcache_close(struct objcache *c)
{
	close_p(&c->dir);
	c->dir = -1;
}

void objcache_take(struct objcache *c, int dirfd, const char *name, const struct cached *what)
{
	char hex[OID_HEX_LEN + 1];

	(void)oid_hex(&what->oid, hex);
	if (what->size > OBJCACHE_FILE || !faccessat(c->dir, hex, F_OK, 0) ||
	    renameat(dirfd, name, c->dir, hex)) {
		(void)unlinkat(dirfd, name, 0);
		return;
	}
	remember(c, what);
}

int objcache_get(const struct objcache *c, const struct oid *oid)
{
	char hex[OID_HEX_LEN + 1];
	int fd = openat(c->dir, oid_hex(oid, hex), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -ENOENT : fd;
}
