/* provider/daytona_files.c - bytes in and out, streamed, of any size and under any name.
 *
 *	put     bulk-upload as <dir>/.frag-put-<nonce>, then one command: size right? chmod, rename
 *	fetch   files/info (is it a file at all?), then files/download
 *
 * The file API of the daemon writes in place: it follows links, keeps an old mode, cannot replace a running program, cannot set
 * a mode, trims the names it is told, and leaves a short file when the upload was cut. Staging beside the target and renaming
 * avoids all of them for the price of the second request, which would be needed for the mode anyway. A
 * pipe would be "downloaded" until somebody writes to it, so what is no file is refused first.
 */
#include "provider/daytona_private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "provider/daytona_body.h"
#include "provider/daytona_job.h"

enum { STALL_MS = 60000, PATH_LIMIT = 4096 };

static bool path_good(const char *path)
{
	size_t len = strnlen(path, PATH_LIMIT);

	return path[0] == '/' && len > 1 && len < PATH_LIMIT && path[len - 1] != '/';
}

/* Put. */

struct put {
	struct daytona_op op;
	const struct provider_file *file;
	char *path, *staged;
	char boundary[DAYTONA_JOB_ID_LEN + 1];
	struct buf head, tail;
	uint64_t at, size; /* of the file: sent; in all, UINT64_MAX: as much as comes */
	size_t head_at, tail_at;
	bool over; /* on_read said so */
};

static struct put *put_of(struct daytona_op *op)
{
	return (struct put *)(void *)op;
}

static void put_deinit(struct daytona_op *op)
{
	struct put *u = put_of(op);

	free(u->path);
	free(u->staged);
	buf_deinit(&u->head);
	buf_deinit(&u->tail);
}

static ssize_t take(const struct buf *b, size_t *at, void *data, size_t cap)
{
	size_t n = b->len - *at < cap ? b->len - *at : cap;

	memcpy(data, b->data + *at, n);
	*at += n;
	return (ssize_t)n;
}

/* The caller's bytes, 0 behind the last. */
static ssize_t take_file(struct put *u, void *data, size_t cap)
{
	uint64_t left = u->size - u->at;
	ssize_t n;

	if (u->over || !left)
		return 0;
	if (left < cap)
		cap = (size_t)left;
	if (u->file->data || !u->file->on_read) {
		memcpy(data, (const char *)u->file->data + u->at, cap);
		n = (ssize_t)cap;
	} else {
		n = u->file->on_read(u->op.c, data, cap);
	}
	if (n > 0)
		u->at += (uint64_t)n;
	if (n == 0)
		u->over = true;
	/* less than was promised: the server would wait for the rest for ever */
	if (n == 0 && u->size != UINT64_MAX)
		return -ENODATA;
	return n;
}

static ssize_t send_more(struct http_request *r, void *data, size_t cap)
{
	struct put *u = put_of(r->arg);
	ssize_t n = take(&u->head, &u->head_at, data, cap);

	if (!n)
		n = take_file(u, data, cap);
	return n ? n : take(&u->tail, &u->tail_at, data, cap);
}

static void put_done(struct daytona_op *op, int result)
{
	CLEANUP(buf_deinit) struct buf printed = {0};
	char why[PROVIDER_WHY_MAX];
	int code;

	if (result) {
		daytona_end_toolbox(op, result);
		return;
	}
	buf_init(&printed, 1 << 16);
	result = daytona_executed(op, &code, &printed);
	if (!result && strncmp(printed.data, "frag1 put done", 14) != 0 &&
	    !strstr(printed.data, "\nfrag1 put done")) {
		daytona_words(printed.data, strcspn(printed.data, "\r\n"), why);
		daytona_end(op, PROVIDER_REFUSED,
			    why[0] ? why : "the file cannot be put there");
		return;
	}
	daytona_end(op, result, "the toolbox is not understood");
}

/* What is staged becomes the file. A second delivery finds it done: the stage is gone and the file has its size. */
static const char settle_script[] =
	"is() { [ -f \"$1\" ] && [ ! -L \"$1\" ] && [ \"$(($(wc -c <\"$1\")))\" = \"$2\" ]; }\n"
	"if [ -d \"$2\" ]; then\n"
	" rm -f \"$1\"\n"
	" echo \"it is a directory\"\n"
	"elif is \"$1\" \"$3\"; then\n"
	" chmod \"$4\" \"$1\" && mv -f \"$1\" \"$2\" && echo \"frag1 put done\"\n"
	"elif [ ! -e \"$1\" ] && is \"$2\" \"$3\"; then\n"
	" echo \"frag1 put done\"\n"
	"else\n"
	" rm -f \"$1\"\n"
	" echo \"the upload was cut short\"\n"
	"fi\n";

static int put_settle(struct put *u, struct buf *text)
{
	CLEANUP(buf_deinit) struct buf script = {0};
	int r;

	buf_init(&script, 16 * PATH_LIMIT);
	r = buf_str(&script, "set -- ");
	r = r ? r : daytona_job_quote(&script, u->staged);
	r = r ? r : buf_str(&script, " ");
	r = r ? r : daytona_job_quote(&script, u->path);
	r = r ? r
	      : buf_fmt(&script, " %" PRIu64 " %04o\n%s", u->at,
			(unsigned)(u->file->mode ? u->file->mode & 07777 : 0644),
			settle_script);
	return r ? r : daytona_job_script(text, script.data);
}

static void settle(struct put *u)
{
	CLEANUP(buf_deinit) struct buf text = {0};

	buf_init(&text, 32 * PATH_LIMIT);
	if (put_settle(u, &text))
		daytona_end(&u->op, PROVIDER_REFUSED, "a path that is too long");
	else
		daytona_execute(&u->op, &text, put_done);
}

/* What was begun and will not become a file goes. */
static void put_ending(struct daytona_op *op, int result)
{
	CLEANUP(buf_deinit) struct buf script = {0};
	CLEANUP(buf_deinit) struct buf text = {0};

	if (!result || !op->touched || result == PROVIDER_GONE || result == PROVIDER_ASLEEP)
		return;
	buf_init(&script, 8 * PATH_LIMIT);
	buf_init(&text, 16 * PATH_LIMIT);
	if (!buf_str(&script, "rm -f ") && !daytona_job_quote(&script, put_of(op)->staged) &&
	    !daytona_job_script(&text, script.data))
		daytona_order(op->p, op->id, &text);
}

static void uploaded(struct daytona_op *op, int result)
{
	struct put *u = put_of(op);
	const char *text;
	size_t len;

	if (result) {
		/* a stream that was begun cannot be sent again */
		if (u->at && !u->file->data)
			op->tries = DAYTONA_TRIES;
		daytona_end_toolbox(op, result);
		return;
	}
	text = http_reply(&op->http, &len);
	result = daytona_uploaded_read(text, len, u->boundary, u->at);
	if (result)
		daytona_end(op, result, "the upload was not confirmed");
	else
		settle(u);
}

static void upload(struct daytona_op *op)
{
	struct put *u = put_of(op);
	char type[64 + sizeof(u->boundary)];

	u->at = 0;
	u->head_at = u->tail_at = 0;
	u->over = false;
	(void)snprintf(type, sizeof(type), "multipart/form-data; boundary=%s", u->boundary);
	daytona_fresh(op);
	op->http.expect = "application/json";
	op->http.bulk = true;
	op->http.stall_ms = STALL_MS;
	op->http.on_send = send_more;
	op->http.body_size =
		u->size == UINT64_MAX ? -1 : (int64_t)(u->head.len + u->size + u->tail.len);
	daytona_toolbox(op, "POST", "/files/bulk-upload", type, uploaded);
}

int daytona_put(struct provider *p, const char *id, const struct provider_file *file,
		struct provider_call *c)
{
	bool memory = file->data || !file->on_read;
	struct put *u;
	int dir;

	if (!daytona_id_good(id))
		return PROVIDER_GONE;
	if (!path_good(file->path))
		return PROVIDER_REFUSED;
	u = daytona_op_new(daytona_of(p), c, id, sizeof(*u));
	u->op.deinit = put_deinit;
	u->op.ending = put_ending;
	u->file = file;
	u->size = memory ? file->len : file->size < 0 ? UINT64_MAX : (uint64_t)file->size;
	daytona_job_nonce(u->boundary);
	dir = (int)(strrchr(file->path, '/') - file->path);
	u->path = alloc_str(file->path);
	u->staged = alloc_fmt("%.*s/.frag-put-%s", dir, file->path, u->boundary);
	buf_init(&u->head, 2 * PATH_LIMIT);
	buf_init(&u->tail, 256);
	(void)daytona_part_head(&u->head, u->boundary, u->staged);
	(void)daytona_part_tail(&u->tail, u->boundary);
	daytona_inside(&u->op, upload);
	return 0;
}

/* Fetch. */

struct fetch {
	struct daytona_op op;
	struct provider_sink *to;
	char *query; /* the path, percent-encoded */
	uint64_t got;
	bool begun;
};

static struct fetch *fetch_of(struct daytona_op *op)
{
	return (struct fetch *)(void *)op;
}

static void fetch_deinit(struct daytona_op *op)
{
	free(fetch_of(op)->query);
}

/* 404 from a toolbox is a file that is not there, unless a hop or a missing route says it in words. */
static void end_fetch(struct daytona_op *op, int result)
{
	struct daytona_error err;
	const char *text;
	size_t len;

	if (fetch_of(op)->got)
		op->tries = DAYTONA_TRIES; /* what was handed over cannot be taken back */
	if (result == PROVIDER_GONE && op->http.status == 404) {
		text = http_reply(&op->http, &len);
		daytona_error_read(text, len, &err);
		if (!err.no_route && !err.not_running) {
			daytona_end(op, PROVIDER_REFUSED, "there is no such file");
			return;
		}
	}
	daytona_end_toolbox(op, result);
}

static void fetched(struct daytona_op *op, int result)
{
	if (result)
		end_fetch(op, result);
	else
		daytona_end(op, 0, NULL);
}

static int take_body(struct http_request *r, const void *data, size_t len)
{
	struct daytona_op *op = r->arg;
	struct fetch *f = fetch_of(op);
	const char *type = http_header(r, "content-type");
	int code;

	/* a portal's page instead of the file: a daemon sends files as attachments or as octets */
	if (!f->begun && type && strncasecmp(type, "text/html", 9) == 0 &&
	    !http_header(r, "content-disposition"))
		return PROVIDER_OFFLINE;
	f->begun = true;
	code = f->to->on_write ? f->to->on_write(op->c, data, len)
			       : buf_add(f->to->into, data, len);
	if (!code)
		f->got += len;
	return code;
}

static void download(struct daytona_op *op)
{
	struct fetch *f = fetch_of(op);
	CLEANUP(buf_deinit) struct buf path = {0};

	buf_init(&path, HTTP_URL_LIMIT);
	(void)buf_fmt(&path, "/files/download?path=%s", f->query);
	daytona_fresh(op);
	op->http.bulk = true;
	op->http.on_body = take_body;
	op->http.stall_ms = STALL_MS;
	op->http.head_ms = STALL_MS;
	daytona_toolbox(op, "GET", path.data, NULL, fetched);
}

static void described(struct daytona_op *op, int result)
{
	struct fetch *f = fetch_of(op);
	const char *text;
	size_t len;
	char type;

	if (result) {
		end_fetch(op, result);
		return;
	}
	text = http_reply(&op->http, &len);
	result = daytona_file_read(text, len, &type, &f->to->mode);
	if (result)
		daytona_end(op, result, "the description of the file is not understood");
	else if (type != '-')
		daytona_end(op, PROVIDER_REFUSED,
			    type == 'd' ? "it is a directory" : "it is no file");
	else
		daytona_inside(op, download);
}

static void describe(struct daytona_op *op)
{
	CLEANUP(buf_deinit) struct buf path = {0};

	buf_init(&path, HTTP_URL_LIMIT);
	(void)buf_fmt(&path, "/files/info?path=%s", fetch_of(op)->query);
	daytona_fresh(op);
	op->http.expect = "application/json";
	daytona_toolbox(op, "GET", path.data, NULL, described);
}

int daytona_fetch(struct provider *p, const char *id, struct provider_sink *to,
		  struct provider_call *c)
{
	CLEANUP(buf_deinit) struct buf query = {0};
	struct fetch *f;

	if (!daytona_id_good(id))
		return PROVIDER_GONE;
	buf_init(&query, 4 * PATH_LIMIT);
	if (!path_good(to->path) || daytona_percent(&query, to->path))
		return PROVIDER_REFUSED;
	f = daytona_op_new(daytona_of(p), c, id, sizeof(*f));
	f->op.deinit = fetch_deinit;
	f->to = to;
	f->query = buf_take(&query);
	to->mode = 0;
	daytona_inside(&f->op, describe);
	return 0;
}
