/* provider/agent/inspect.c - the compare of a compare-and-swap, path by path.
 *
 * For each change there is what was applied (old), what shall be (new) and what stands there (live):
 *
 *	live = new           settled, whoever did it
 *	live = old           go
 *	live missing         go when it is added, settled when it is removed, else drift
 *	live is a directory  go when all it holds is removed by this apply, else drift
 *	anything else        drift
 *
 * Live is hashed unless its stamp is the one of the manifest. Between this look and the rename a file may still
 * change; the sweep looks at what it got out and puts it back then.
 */
#include "provider/agent/inspect.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/judge.h"
#include "provider/agent/digest.h"
#include "provider/agent/phase.h"

static int by_path(const void *key, const void *member)
{
	return strcmp(key, ((const struct change *)member)->path);
}

static struct change *find_change(const struct inspection *in, const char *path)
{
	return bsearch(path, in->apply->changes, in->apply->n, sizeof(struct change), by_path);
}

/* The change that puts a file where a directory above `path` stands, or takes a file from there. */
static struct change *change_above(const struct inspection *in, const char *path)
{
	char dir[WIRE_PATH_MAX + 1];
	size_t len = strlen(path);

	memcpy(dir, path, len + 1);
	while (len--) {
		struct change *c;

		if (dir[len] != '/')
			continue;
		dir[len] = '\0';
		c = find_change(in, dir);
		if (c)
			return c;
	}
	return NULL;
}

static bool only_removals(const struct inspection *in, int fd, struct buf *path);

static bool entry_is_removed(const struct inspection *in, int dirfd, const char *name,
			     struct buf *path)
{
	const struct change *c = find_change(in, path->data);
	int fd;

	if (c)
		return !c->mode;
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd >= 0 && only_removals(in, fd, path);
}

/* Takes `fd` over. */
static bool only_removals(const struct inspection *in, int fd, struct buf *path)
{
	CLEANUP(closedirp) DIR *dir = fdopendir(fd);
	size_t len = path->len;
	struct dirent *e;
	bool only = dir;

	if (!dir)
		close(fd);
	while (only && (e = readdir(dir))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		path->len = len;
		only = !buf_str(path, "/") && !buf_str(path, e->d_name) &&
		       entry_is_removed(in, dirfd(dir), e->d_name, path);
	}
	path->len = len;
	return only;
}

bool inspect_only_removals(const struct inspection *in, int dirfd, const char *name,
			   const char *path)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct buf b;
	bool only;

	if (fd < 0)
		return false;
	buf_init(&b, WIRE_PATH_MAX + 1);
	if (buf_str(&b, path)) {
		close(fd);
		return false;
	}
	only = only_removals(in, fd, &b);
	buf_deinit(&b);
	return only;
}

static int drift(const struct inspection *in, struct change *c, const char *what,
		 struct refusal *why)
{
	if (in->resume) {
		c->settled = true;
		return 0;
	}
	return refuse(why, WIRE_E_DRIFT, "'%s' %s", c->path, what);
}

static int look_missing(const struct inspection *in, struct change *c,
			const struct manifest_entry *old, struct refusal *why)
{
	if (!c->mode) {
		c->settled = true;
		return 0;
	}
	if (old && old->mode != MODE_GITLINK)
		return drift(in, c, "was removed inside the sandbox", why);
	return 0;
}

/* A link or file stands where a directory above the path should be. */
static int look_blocked(const struct inspection *in, struct change *c, struct refusal *why)
{
	const struct change *above = change_above(in, c->path);

	if (!c->mode) {
		c->settled = true;
		return 0;
	}
	if (above && !above->mode)
		return 0;
	return drift(in, c, "cannot be made: a file or link stands where its folder should be",
		     why);
}

static int look_dir(const struct inspection *in, struct change *c, int dirfd, const char *name,
		    struct refusal *why)
{
	const struct manifest_entry *old = manifest_find(in->current, c->path);
	bool submodule = old && old->mode == MODE_GITLINK;

	if (c->mode == MODE_GITLINK) {
		c->settled = true;
		return 0;
	}
	if (!c->mode) {
		c->settled = submodule || manifest_below(in->next, c->path, strlen(c->path));
		return c->settled ? 0 : drift(in, c, "is a folder inside the sandbox", why);
	}
	if (inspect_only_removals(in, dirfd, name, c->path))
		return 0;
	return drift(in, c, "is a folder with files of its own inside the sandbox", why);
}

static int look_file(const struct inspection *in, struct change *c, int dirfd, const char *name,
		     struct refusal *why)
{
	const struct manifest_entry *old = manifest_find(in->current, c->path);
	struct manifest_entry live = {0};
	int r;

	stamp_of(&c->seen, &live.stamp);
	if (old && old->mode == stamp_mode(&c->seen) && stamp_same(&old->stamp, &live.stamp)) {
		c->settled = old->mode == c->mode && oid_eq(&old->oid, &c->oid);
		return 0;
	}
	r = digest_at(dirfd, name, &live);
	if (r == DIGEST_NOT || r == DIGEST_SHUT || r == -ENOENT || r == -EBUSY)
		return drift(in, c, "was changed inside the sandbox", why);
	if (r)
		return refuse_io(why, r, "read '%s'", c->path);
	if (c->mode == live.mode && oid_eq(&c->oid, &live.oid)) {
		c->settled = true;
		return 0;
	}
	if (old && old->mode == live.mode && oid_eq(&old->oid, &live.oid))
		return 0;
	return drift(in, c,
		     old ? "was changed inside the sandbox"
			 : "was made inside the sandbox with other content",
		     why);
}

static int look(const struct inspection *in, struct change *c, struct refusal *why)
{
	const struct manifest_entry *old = manifest_find(in->current, c->path);
	const char *name;
	int dirfd, r = 0;

	c->phase = phase_of(c, old);
	if (!c->mode && manifest_below(in->next, c->path, strlen(c->path)))
		c->phase = PHASE_BECOMES_DIR;
	dirfd = beneath_dir(in->live, c->path, &name);
	if (dirfd >= 0 && fstatat(dirfd, name, &c->seen, AT_SYMLINK_NOFOLLOW))
		r = -errno;
	if (dirfd < 0)
		r = dirfd;
	if (r == -ENOENT)
		return look_missing(in, c, old, why);
	if (r == -ENOTDIR || r == -ELOOP || r == -EXDEV)
		return look_blocked(in, c, why);
	if (r)
		return refuse_io(why, r, "look at '%s'", c->path);
	c->stands = true;
	if (!S_ISDIR(c->seen.st_mode))
		return look_file(in, c, dirfd, name, why);
	if (c->mode && !old)
		c->phase = PHASE_LINK;
	return look_dir(in, c, dirfd, name, why);
}

/* A removal below a directory that is swapped out as a whole needs nothing of its own. */
static void settle_covered(const struct inspection *in, struct change *c)
{
	const struct change *above = c->mode ? NULL : change_above(in, c->path);

	if (above && above->mode && !above->settled)
		c->settled = true;
}

int inspect_all(struct inspection *in, struct refusal *why)
{
	int r = 0;

	for (size_t i = 0; !r && i < in->apply->n; i++)
		r = look(in, &in->apply->changes[i], why);
	for (size_t i = 0; !r && i < in->apply->n; i++)
		settle_covered(in, &in->apply->changes[i]);
	return r;
}
