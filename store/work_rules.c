/* The matcher of base/gitignore.h over a work tree, read through the engine and never through the mount: whoever asks may be
 * what the mount waits for.
 *
 * A .gitignore that is a link, or larger than any that people write, is none.
 */
#include "store/work_rules.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/gitignore.h"
#include "base/io.h"
#include "store/project.h"
#include "store/work.h"

enum { RULES_MAX = 1 << 20 };

/* Copies what is lent; false when it cannot be read. */
static bool copy(const struct work_bytes *b, char *to)
{
	if (!b->data)
		return pread(b->fd, to, b->len, (off_t)b->fd_off) == (ssize_t)b->len;
	memcpy(to, b->data, b->len);
	return true;
}

static char *read_file(struct work *w, const struct work_attr *attr, size_t *len)
{
	CLEANUP(free_p) char *text = NULL;
	struct work_bytes bytes;
	bool read;

	if (!S_ISREG(attr->mode) || attr->size > RULES_MAX ||
	    work_read(w, attr->ino, 0, attr->size, &bytes))
		return NULL;
	text = alloc_zero(bytes.len + 1);
	read = copy(&bytes, text);
	*len = bytes.len;
	work_bytes_done(w, &bytes);
	return read ? TAKE(text) : NULL;
}

static char *read_rules(const char *dir, size_t *len, void *arg)
{
	struct work *w = arg;
	CLEANUP(free_p) char *path = alloc_fmt("%s%s.gitignore", dir, *dir ? "/" : "");
	struct work_attr attr;
	char *text;

	if (work_resolve_hold(w, path, &attr))
		return NULL;
	text = read_file(w, &attr, len);
	work_release(w, attr.ino, 1);
	return text;
}

struct gitignore *work_rules_new(struct work *w)
{
	CLEANUP(buf_deinit) struct buf exclude;
	int dir = project_dir_fd(work_project(w));

	buf_init(&exclude, RULES_MAX);
	/* Missing, or unreadable and said so: no rules of that file. */
	if (dir >= 0 && io_slurp(dir, "info/exclude", &exclude))
		buf_clear(&exclude);
	return gitignore_new(exclude.data, exclude.len, read_rules, w);
}
