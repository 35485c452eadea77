/* tests/peers/toolbox_transfer.c - Daytona's uploads and downloads, one file or many.
 *
 * Bulk uploads have two parts for each file, `files[N].path` and then `files[N].file`; what failed is said at the
 * end, what landed stays. Bulk downloads are one part for each path, streamed, with the length in front.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "tests/peers/answer.h"
#include "tests/peers/daytona.h"
#include "tests/peers/multipart.h"
#include "tests/peers/peer_private.h"
#include "tests/peers/script.h"
#include "tests/peers/transfer.h"

enum { FILES_MAX = 4096 };

static const char boundary[] = "DAYTONA-FILE-BOUNDARY";

struct upload {
	struct request *r;
	struct multipart parts;
	bool is_multipart, failed, in_path;
	struct sink *sink;
	struct buf name, path; /* `files[N].path`: its N as text, and its value */
	struct answer errors, files;
	size_t n_errors, n_files;
	char why[256];
	int err;
};

static void upload_free(void *arg)
{
	struct upload *u = arg;
	char why[256];

	if (u->sink)
		(void)sink_close(u->sink, why);
	multipart_deinit(&u->parts);
	buf_deinit(&u->name);
	buf_deinit(&u->path);
	buf_deinit(&u->errors.buf);
	buf_deinit(&u->files.buf);
	free(u);
}

static struct upload *upload_new(struct request *r)
{
	struct upload *u = alloc_zero(sizeof(*u));

	u->r = r;
	r->own = u;
	r->own_free = upload_free;
	buf_init(&u->parts.in, 0);
	buf_init(&u->name, MULTIPART_HEAD_MAX);
	buf_init(&u->path, 4 * REQUEST_PATH_MAX);
	answer_begin(&u->errors, '[');
	answer_begin(&u->files, '[');
	return u;
}

static void add_error(struct upload *u, const char *what, const char *why)
{
	char text[700];

	(void)snprintf(text, sizeof(text), "%.300s: %.300s", what, why);
	json_put_str(&u->errors.out, text);
	u->n_errors++;
}

static void open_sink(struct upload *u, const char *path)
{
	struct buf full;

	buf_init(&full, 4 * REQUEST_PATH_MAX);
	(void)toolbox_path(&full, path);
	u->err = sink_open(u->r->guest, full.data, &u->sink, u->why);
	if (u->err)
		add_error(u, path, u->why);
	buf_deinit(&full);
}

static void close_sink(struct upload *u)
{
	uint64_t len = sink_len(u->sink);

	u->err = sink_close(TAKE(u->sink), u->why);
	if (u->err) {
		add_error(u, u->path.data, u->why);
		return;
	}
	json_begin(&u->files.out, '{');
	json_str_field(&u->files.out, "path", u->path.data);
	json_int_field(&u->files.out, "bytes", (int64_t)len);
	json_end(&u->files.out, '}');
	u->n_files++;
}

static void trim(struct buf *b)
{
	size_t n = strspn(b->data, " \t\r\n");

	b->len -= n;
	memmove(b->data, b->data + n, b->len + 1);
	while (b->len && strchr(" \t\r\n", b->data[b->len - 1]))
		b->data[--b->len] = '\0';
}

static void begin_bulk_part(struct upload *u, const char *disposition)
{
	struct buf name;
	char *dot;

	buf_init(&name, MULTIPART_HEAD_MAX);
	if (!multipart_param(&name, disposition, "name") || !(dot = strrchr(name.data, '.'))) {
		add_error(u, "part", "unexpected name");
	} else if (!strcmp(dot, ".path")) {
		*dot = '\0';
		buf_clear(&u->name);
		buf_clear(&u->path);
		(void)buf_str(&u->name, name.data);
		u->in_path = true;
	} else if (!strcmp(dot, ".file")) {
		*dot = '\0';
		if (!u->path.len || strcmp(u->name.data, name.data))
			add_error(u, name.data, "file without a path before it");
		else
			open_sink(u, u->path.data);
	}
	buf_deinit(&name);
}

static bool on_bulk(void *arg, enum multipart_event e, const char *data, size_t len)
{
	struct upload *u = arg;

	switch (e) {
	case MULTIPART_PART:
		begin_bulk_part(u, data);
		break;
	case MULTIPART_DATA:
		if (u->in_path)
			return !buf_add(&u->path, data, len);
		if (u->sink)
			(void)sink_write(u->sink, data, len);
		break;
	case MULTIPART_END:
		if (u->in_path)
			trim(&u->path);
		if (u->sink) {
			close_sink(u);
			buf_clear(&u->path);
		}
		u->in_path = false;
	}
	return true;
}

bool toolbox_feed_bulk(struct request *r, const void *data, size_t len)
{
	struct upload *u = r->own;

	if (!u) {
		u = upload_new(r);
		u->failed = multipart_init(
			&u->parts, request_header(r, MHD_HTTP_HEADER_CONTENT_TYPE), on_bulk, u);
	} else {
		u->failed = multipart_feed(&u->parts, data, len);
	}
	return !u->failed;
}

static void close_list(struct answer *list)
{
	json_end(&list->out, ']');
}

void toolbox_bulk_upload(struct request *r)
{
	struct upload *u = r->own;
	struct answer a;
	bool ok;

	if (u->failed || !multipart_is_whole(&u->parts))
		add_error(u, "reading part", "unexpected EOF");
	ok = !u->n_errors;
	close_list(&u->files);
	close_list(&u->errors);
	answer_begin(&a, '{');
	if (!ok) {
		json_key_out(&a.out, "errors");
		(void)buf_str(&a.buf, u->errors.buf.data);
		a.out.comma = true;
	}
	json_key_out(&a.out, "files");
	(void)buf_str(&a.buf, u->n_files || ok ? u->files.buf.data : "null");
	answer_send(r, &a, '}', ok ? 200 : 400);
}

static bool on_single(void *arg, enum multipart_event e, const char *data, size_t len)
{
	struct upload *u = arg;

	if (e == MULTIPART_PART && !u->n_files && !u->sink) {
		buf_clear(&u->name);
		if (multipart_param(&u->name, data, "name") && !strcmp(u->name.data, "file"))
			open_sink(u, u->path.data);
	} else if (e == MULTIPART_DATA && u->sink) {
		(void)sink_write(u->sink, data, len);
	} else if (e == MULTIPART_END && u->sink) {
		close_sink(u);
	}
	return true;
}

bool toolbox_feed_upload(struct request *r, const void *data, size_t len)
{
	const char *type = request_header(r, MHD_HTTP_HEADER_CONTENT_TYPE);
	struct upload *u = r->own;
	bool v2 = strstr(r->path, "-v2");

	if (!u) {
		u = upload_new(r);
		if (v2 && peer_has(r->peer, QUIRK_DAYTONA_S190))
			return false;
		if (!request_query(r, "path")) {
			u->failed = true;
			return false;
		}
		(void)buf_str(&u->path, request_query(r, "path"));
		u->is_multipart = type && !strncmp(type, "multipart/", 10);
		if (u->is_multipart || !v2)
			u->failed = multipart_init(&u->parts, type, on_single, u);
		else
			open_sink(u, u->path.data);
		return !u->failed && !u->err;
	}
	if (u->is_multipart)
		u->failed = multipart_feed(&u->parts, data, len);
	else
		(void)sink_write(u->sink, data, len);
	return !u->failed;
}

void toolbox_upload(struct request *r)
{
	struct upload *u = r->own;
	struct answer a;
	const char *slash;

	if (u->sink)
		close_sink(u);
	if (u->failed || u->err || u->n_errors || !u->n_files) {
		toolbox_file_error(r, 400, "BAD_REQUEST",
				   *u->why ? u->why : "bad request: no file");
		return;
	}
	if (!strstr(r->path, "-v2")) {
		reply_empty(r, 200);
		return;
	}
	slash = strrchr(u->path.data, '/');
	answer_begin(&a, '{');
	json_str_field(&a.out, "name", slash ? slash + 1 : u->path.data);
	json_str_field(&a.out, "path", u->path.data);
	json_str_field(&a.out, "type", "file");
	answer_send(r, &a, '}', 200);
}

void toolbox_download(struct request *r)
{
	struct file_facts facts;
	struct buf path;
	char why[256];
	int err;

	buf_init(&path, 4 * REQUEST_PATH_MAX);
	(void)toolbox_path(&path, request_query(r, "path"));
	err = file_facts(r->guest, path.data, &facts, why);
	if (err == SCRIPT_MISSING)
		toolbox_file_error(r, 404, "FILE_NOT_FOUND", why);
	else if (err == SCRIPT_IS_DIR)
		toolbox_file_error(r, 400, "INVALID_FILE_PATH", why);
	else if (err)
		toolbox_file_error(r, 403, "FILE_ACCESS_DENIED", why);
	else
		send_file(r, path.data, &facts, "application/octet-stream", "attachment");
	buf_deinit(&path);
}

/* A bulk download under way. */
struct bulk {
	struct guest *guest; /* the request's, which outlives the answer */
	struct json *doc;
	const struct json *next;
	struct tap *tap;
	struct buf head; /* what is to be sent before the contents */
	size_t at;
	bool truncates, ended;
};

static void bulk_free(void *arg)
{
	struct bulk *b = arg;

	if (b->tap)
		tap_close(b->tap);
	json_free(b->doc);
	buf_deinit(&b->head);
	free(b);
}

static void put_encoded(struct buf *to, const char *text)
{
	for (const unsigned char *c = (const unsigned char *)text; *c; c++)
		if ((*c | 0x20) >= 'a' && (*c | 0x20) <= 'z')
			(void)buf_add(to, c, 1);
		else if ((*c >= '0' && *c <= '9') || strchr("-._~", *c))
			(void)buf_add(to, c, 1);
		else
			(void)buf_fmt(to, "%%%02X", *c);
}

static void put_part_error(struct bulk *b, const char *path, int err, const char *why)
{
	const char *code = err == SCRIPT_MISSING  ? "FILE_NOT_FOUND"
			   : err == SCRIPT_IS_DIR ? "INVALID_FILE_PATH"
						  : "FILE_ACCESS_DENIED";
	struct json_out o;
	struct buf doc;

	buf_init(&doc, 64 << 10);
	json_out_buf(&o, &doc);
	json_begin(&o, '{');
	json_int_field(&o, "statusCode",
		       err == SCRIPT_MISSING  ? 404
		       : err == SCRIPT_IS_DIR ? 400
					      : 403);
	json_str_field(&o, "message", why);
	json_str_field(&o, "code", code);
	json_end(&o, '}');
	(void)buf_str(&b->head,
		      "Content-Disposition: form-data; name=\"error\"; filename*=utf-8''");
	put_encoded(&b->head, path);
	(void)buf_fmt(&b->head,
		      "\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
		      doc.len, doc.data);
	buf_deinit(&doc);
}

/* The head of the next part, and its contents opened. */
static void next_part(struct bulk *b, bool first)
{
	const char *name = json_str(b->next) ? json_str(b->next) : "";
	struct file_facts facts = {0};
	struct buf path;
	char why[256] = "";
	int err;

	buf_init(&path, 4 * REQUEST_PATH_MAX);
	(void)toolbox_path(&path, name);
	(void)buf_fmt(&b->head, "%s--%s\r\n", first ? "" : "\r\n", boundary);
	err = file_facts(b->guest, path.data, &facts, why);
	if (!err)
		err = tap_open(b->guest, path.data, 0, facts.size, &b->tap, why);
	if (err) {
		put_part_error(b, name, err, why);
	} else {
		(void)buf_str(
			&b->head,
			"Content-Disposition: form-data; name=\"file\"; filename*=utf-8''");
		put_encoded(&b->head, name);
		(void)buf_fmt(&b->head,
			      "\r\nContent-Type: application/octet-stream\r\nContent-Length: "
			      "%llu\r\n\r\n",
			      (unsigned long long)facts.size);
	}
	b->next = json_next(b->next);
	buf_deinit(&path);
}

static ssize_t bulk_read(void *arg, uint64_t sent, char *to, size_t max)
{
	struct bulk *b = arg;

	for (;;) {
		size_t n = b->head.len - b->at;
		ssize_t got;

		if (n) {
			n = n < max ? n : max;
			memcpy(to, b->head.data + b->at, n);
			b->at += n;
			return (ssize_t)n;
		}
		got = b->tap ? tap_read(b->tap, to, max) : 0;
		if (got < 0)
			return MHD_CONTENT_READER_END_WITH_ERROR;
		if (got)
			return got;
		if (b->tap)
			tap_close(TAKE(b->tap));
		if (b->ended)
			return MHD_CONTENT_READER_END_OF_STREAM;
		buf_clear(&b->head);
		b->at = 0;
		if (b->next) {
			next_part(b, !sent);
			continue;
		}
		b->ended = true;
		if (!b->truncates)
			(void)buf_fmt(&b->head, "\r\n--%s--\r\n", boundary);
	}
}

void toolbox_bulk_download(struct request *r)
{
	const struct json *doc = request_json(r), *paths = NULL;
	char type[100];
	struct bulk *b;

	if (!doc || json_get(doc, "paths", &paths) || !json_is_array(paths) ||
	    !json_count(paths)) {
		toolbox_error(r, 400, "INVALID_REQUEST_BODY",
			      "request body must be {\"paths\": [ ... ]} and non-empty");
		return;
	}
	b = alloc_zero(sizeof(*b));
	b->guest = r->guest;
	b->doc = TAKE(r->json);
	b->next = json_first(paths);
	b->truncates = peer_has(r->peer, QUIRK_DAYTONA_TRUNCATE);
	buf_init(&b->head, 1 << 20);
	(void)snprintf(type, sizeof(type), "multipart/form-data; boundary=%s", boundary);
	reply_stream(r, &(struct reply){.status = 200, .type = type},
		     &(struct reply_source){
			     .read = bulk_read, .free = bulk_free, .arg = b, .len = -1});
}
