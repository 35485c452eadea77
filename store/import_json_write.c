/* Feeding `git fast-import`.
 *
 * One child writes one pack for any number of documents: contents that many versions share are stored once,
 * neighbours as deltas, and everything is synced once at the end. A document is only sent when it is known to be whole, and the stream has to end with
 * `done`: when we are killed git sees an end without it, and gives up.
 *
 * The commits go to one scratch branch that is reset for each; it is empty again at the end, so no
 * ref is ever written. Which commit a document became is told by the marks file.
 */
#include "store/import_json_write.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "store/import_git_child.h"
#include "store/import_json_doc.h"
#include "store/import_stage.h"

#define SCRATCH "refs/fragfs-import"
#define MARKS   "fragfs-marks"

enum { GATHER = 256 << 10, MARKS_MAX = 1 << 30 };

struct import_json_writer {
	struct import_git_feed feed;
	struct import_stage *stage;
	struct buf out;     /* not yet sent */
	struct buf message; /* scratch */
	size_t n;           /* commits so far */
	int err;
};

int import_json_writer_start(const struct import_git_child *git, struct import_stage *stage,
			     struct import_json_writer **ret)
{
	CLEANUP(free_p) char *marks = alloc_fmt("--export-marks=%s/" MARKS, stage->path);
	const char *const args[] = {"fast-import", "--quiet", "--done",
				    "--depth=20",  marks,     NULL};
	struct import_json_writer *w = alloc_zero(sizeof(*w));
	int r = import_git_child_start(git, args, &w->feed);

	if (r) {
		free(w);
		return r;
	}
	w->stage = stage;
	buf_init(&w->out, GATHER + (1 << 20));
	buf_init(&w->message, 4 << 20);
	*ret = w;
	return 0;
}

static void send_all(struct import_json_writer *w, const char *data, size_t len)
{
	while (!w->err && len) {
		ssize_t n = send(w->feed.in, data, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			w->err = -errno;
			return;
		}
		data += n;
		len -= (size_t)n;
	}
}

static void flush(struct import_json_writer *w)
{
	send_all(w, w->out.data, w->out.len);
	buf_clear(&w->out);
}

/* Bytes to git: small ones gathered, large ones straight. */
static void put(struct import_json_writer *w, const void *data, size_t len)
{
	if (w->out.len + len > GATHER)
		flush(w);
	if (len > GATHER)
		send_all(w, data, len);
	else if (!w->err)
		w->err = buf_add(&w->out, data, len);
}

__attribute__((format(printf, 2, 3))) static void putf(struct import_json_writer *w,
						       const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(text))
		w->err = w->err ? w->err : -EINVAL;
	else
		put(w, text, (size_t)n);
}

static void put_data(struct import_json_writer *w, const char *data, size_t len)
{
	putf(w, "data %zu\n", len);
	put(w, data, len);
	put(w, "\n", 1);
}

static void put_who(struct import_json_writer *w, const char *what,
		    const struct import_json_doc *d, int64_t time)
{
	int tz = d->tz < 0 ? -d->tz : d->tz;

	put(w, what, strlen(what));
	put(w, " ", 1);
	put(w, d->who_name, strlen(d->who_name));
	put(w, " <", 2);
	put(w, d->who_email, strlen(d->who_email));
	putf(w, "> %" PRId64 " %c%02d%02d\n", time, d->tz < 0 ? '-' : '+', tz / 60, tz % 60);
}

/* A path as fast-import reads it: in quotes, with what would end them escaped. */
static void put_path(struct import_json_writer *w, const char *path)
{
	put(w, "\"", 1);
	for (; *path; path++) {
		unsigned char c = (unsigned char)*path;

		if (c == '"' || c == '\\' || c < 0x20 || c == 0x7f)
			putf(w, "\\%03o", c);
		else
			put(w, path, 1);
	}
	put(w, "\"\n", 2);
}

int import_json_writer_add(struct import_json_writer *w, const struct import_json_doc *d,
			   int64_t time, size_t parent, const struct oid *onto)
{
	char hex[OID_HEX_LEN + 1];
	int r;

	buf_clear(&w->message);
	r = import_json_doc_message(d, &w->message);
	if (r)
		return fail(r, "word the message of document '%s'", d->id);
	put(w, "reset " SCRATCH "\n\n", strlen("reset " SCRATCH "\n\n"));
	putf(w, "commit " SCRATCH "\nmark :%zu\n", ++w->n);
	put_who(w, "author", d, time);
	put_who(w, "committer", d, time);
	put_data(w, w->message.data, w->message.len);
	if (parent)
		putf(w, "from :%zu\ndeleteall\n", parent);
	else if (!oid_is_zero(onto))
		putf(w, "from %s\ndeleteall\n", oid_hex(onto, hex));
	for (size_t i = 0; i < d->n_files && !w->err; i++) {
		put(w, "M 100644 inline ", 16);
		put_path(w, d->files[i].path);
		put_data(w, d->files[i].data, d->files[i].len);
	}
	put(w, "\n", 1);
	return w->err;
}

/* ":<number> <id>" lines. */
static int read_marks(struct import_json_writer *w, struct oid *ids, size_t n)
{
	CLEANUP(buf_deinit) struct buf b;
	char *line, *nl;
	size_t found = 0;
	int r;

	buf_init(&b, MARKS_MAX);
	r = n ? io_slurp(w->stage->fd, MARKS, &b) : 0;
	if (r < 0)
		return r;
	for (line = b.data; (nl = strchr(line, '\n')); line = nl + 1) {
		char *end;
		unsigned long long at = *line == ':' ? strtoull(line + 1, &end, 10) : 0;

		if (!at || at > n || *end != ' ' ||
		    !oid_parse(end + 1, (size_t)(nl - end - 1), &ids[at]))
			return fail(-EIO, "git's list of commits is malformed");
		found++;
	}
	(void)unlinkat(w->stage->fd, MARKS, 0);
	return found == n ? 0 : fail(-EIO, "git wrote %zu commits of %zu", found, n);
}

int import_json_writer_finish(struct import_json_writer *w, struct oid *ids, size_t n)
{
	int r;

	if (ids) {
		put(w, "reset " SCRATCH "\n\ndone\n", strlen("reset " SCRATCH "\n\ndone\n"));
		flush(w);
	}
	r = import_git_child_finish(&w->feed, ids ? "fast-import" : NULL);
	if (!ids)
		r = 0;
	else if (r > 0)
		r = -EIO;
	else if (!r && w->err)
		r = fail(w->err, "feed git");
	if (!r && ids)
		r = read_marks(w, ids, n);
	buf_deinit(&w->out);
	buf_deinit(&w->message);
	free(w);
	return r;
}
