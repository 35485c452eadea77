/* provider/agent/upload.c - files outside the project's tree of record.
 *
 * A PUT is written beside its name and renamed, so that a reader never sees half of one. Absolute paths are
 * resolved like any program's in the sandbox: the agent has no more rights there than what runs beside it.
 * Paths of a FETCH that are relative stay below the project and follow no link.
 */
#include "provider/agent/upload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/judge.h"
#include "provider/agent/beneath.h"
#include "provider/agent/site.h"

static int make_parents(char *path)
{
	for (char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(path, 0755) && errno != EEXIST && errno != EROFS && errno != EACCES) {
			*p = '/';
			return -errno;
		}
		*p = '/';
	}
	return 0;
}

int upload_begin(struct upload *u, const struct wire_frame *f, struct refusal *why)
{
	int r;

	if (f->path.p[0] != '/' || f->path.p[f->path.len - 1] == '/')
		return refuse(why, WIRE_E_PATH, "'%.*s' is no absolute path of a file",
			      (int)f->path.len, f->path.p);
	memcpy(u->path, f->path.p, f->path.len);
	u->path[f->path.len] = '\0';
	(void)snprintf(u->temp, sizeof(u->temp), "%s.frag-put-%u", u->path, f->id);
	u->mode = f->mode & 0777;
	u->id = f->id;
	r = make_parents(u->path);
	if (r)
		return refuse_io(why, r, "make the folders of '%s'", u->path);
	u->fd = open(u->temp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (u->fd < 0)
		return refuse_io(why, errno, "create '%s'", u->path);
	u->active = true;
	/* A first frame without bytes is no end: an empty file is told by the MORE after it. */
	return f->data.len ? upload_more(u, &f->data, why) : 0;
}

static int finish(struct upload *u, struct refusal *why)
{
	int r = 0;

	if (fchmod(u->fd, u->mode ? u->mode : 0644) || rename(u->temp, u->path))
		r = refuse_io(why, errno, "put '%s' in place", u->path);
	if (r) {
		upload_abort(u);
		return r;
	}
	close(u->fd);
	u->active = false;
	return 0;
}

int upload_more(struct upload *u, const struct wire_data *data, struct refusal *why)
{
	const char *p = data->p;
	size_t len = data->len;

	if (!len)
		return finish(u, why);
	while (len) {
		ssize_t n = write(u->fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int r = refuse_io(why, errno, "write '%s'", u->path);

			upload_abort(u);
			return r;
		}
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

void upload_abort(struct upload *u)
{
	if (!u->active)
		return;
	close(u->fd);
	(void)unlink(u->temp);
	u->active = false;
}

static int open_failed(int err, const char *path, struct refusal *why)
{
	if (err == ENOENT || err == ENOTDIR || err == ELOOP || err == EXDEV)
		return refuse(why, WIRE_E_MISSING, "there is no file '%s'", path);
	return refuse_io(why, err, "open '%s'", path);
}

static int read_link(int root, const char *path, struct buf *target, struct refusal *why)
{
	char text[WIRE_PATH_MAX + 1];
	struct beneath b;
	const char *name;
	ssize_t n;
	int dir;

	beneath_init(&b, root);
	dir = beneath_dir(&b, path, &name);
	n = dir < 0 ? -1 : readlinkat(dir, name, text, sizeof(text));
	beneath_deinit(&b);
	if (n < 0 || buf_add(target, text, (size_t)n))
		return refuse(why, WIRE_E_MISSING, "there is no file '%s'", path);
	return 0;
}

int upload_open(struct site *p, struct wire_str str, int *fd, struct buf *target,
		struct refusal *why)
{
	const int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	char path[WIRE_PATH_MAX + 1];
	CLEANUP(close_p) int f = -1;
	struct stat st;

	memcpy(path, str.p, str.len);
	path[str.len] = '\0';
	*fd = -1;
	if (path[0] != '/') {
		f = beneath_open(p->root, path, flags | O_NOFOLLOW, 0);
		if (f == -ELOOP)
			return read_link(p->root, path, target, why);
		errno = f < 0 ? -f : 0;
	} else {
		f = open(path, flags);
	}
	if (f < 0)
		return open_failed(errno, path, why);
	if (fstat(f, &st) || !S_ISREG(st.st_mode))
		return refuse(why, WIRE_E_MISSING, "'%s' is not a file", path);
	*fd = TAKE_FD(f);
	return 0;
}
