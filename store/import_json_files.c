/* Which files there are to read documents from.
 *
 * Every document is read twice more after it was found (to write it, to compare it), so only regular
 * files will do. One descriptor is open at a time.
 */
#include "store/import_json_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "store/import.h"
#include "store/import_json.h"

static bool ends_in(const char *s, const char *end)
{
	size_t len = strlen(s), n = strlen(end);

	return len > n && !strcasecmp(s + len - n, end);
}

bool import_json_is_file(const char *name)
{
	return ends_in(name, ".json") || ends_in(name, ".jsonl") || ends_in(name, ".ndjson");
}

static void add(struct import_json_files *f, const char *name, off_t size)
{
	alloc_grow(&f->names, &f->cap, f->n + 1, sizeof(*f->names));
	f->names[f->n++] = alloc_str(name);
	f->bytes += (uint64_t)size;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int list(const struct import_request *q, struct import_json_files *f)
{
	CLEANUP(closedirp) DIR *d = NULL;
	const struct dirent *e;
	struct stat st;

	f->dir = open(q->source, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = f->dir < 0 ? NULL : opendir(q->source);
	if (!d)
		return import_refuse(q, "check its permissions", "'%s' cannot be read: %s",
				     q->source, strerror(errno));
	while ((e = readdir(d))) {
		if (import_json_is_file(e->d_name) && *e->d_name != '.' &&
		    !fstatat(f->dir, e->d_name, &st, 0) && S_ISREG(st.st_mode))
			add(f, e->d_name, st.st_size);
	}
	qsort(f->names, f->n, sizeof(*f->names), by_name);
	if (f->n)
		return 0;
	return import_refuse(q, "name the folder that holds them, or one file",
			     "there are no .json, .jsonl or .ndjson files in '%s'", q->source);
}

int import_json_files_open(const struct import_request *q, struct import_json_files *ret)
{
	struct stat st;

	*ret = (struct import_json_files){.dir = AT_FDCWD, .fd = -1};
	if (stat(q->source, &st))
		return import_refuse(q, "check the spelling", "'%s' cannot be read: %s",
				     q->source, strerror(errno));
	if (S_ISDIR(st.st_mode))
		return list(q, ret);
	if (!S_ISREG(st.st_mode))
		return import_refuse(q, "save the documents to a file first",
				     "'%s' is neither a file nor a folder", q->source);
	add(ret, q->source, st.st_size);
	return 0;
}

void import_json_files_close(struct import_json_files *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->names[i]);
	free(f->names);
	close_p(&f->fd);
	if (f->dir != AT_FDCWD)
		close_p(&f->dir);
	*f = (struct import_json_files){.dir = AT_FDCWD, .fd = -1};
}

int import_json_files_fd(struct import_json_files *f, size_t at)
{
	if (f->fd >= 0 && f->at == at)
		return lseek(f->fd, 0, SEEK_SET) < 0 ? -1 : f->fd;
	close_p(&f->fd);
	f->at = at;
	f->fd = openat(f->dir, f->names[at], O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	return f->fd;
}

int import_json_files_read(struct import_json_files *f, size_t at, uint64_t offset, size_t len,
			   struct buf *ret)
{
	int fd = f->fd >= 0 && f->at == at ? f->fd : import_json_files_fd(f, at), r;

	if (fd < 0)
		return fail(-errno, "open '%s' again", f->names[at]);
	buf_clear(ret);
	r = buf_reserve(ret, len);
	if (r)
		return fail(r, "read a document of '%s' again", f->names[at]);
	while (ret->len < len) {
		ssize_t n = pread(fd, ret->data + ret->len, len - ret->len,
				  (off_t)(offset + ret->len));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return fail(n ? -errno : -ESTALE,
				    "'%s' was changed while it was imported", f->names[at]);
		ret->len += (size_t)n;
	}
	ret->data[len] = '\0';
	return 0;
}
