/* provider/e2b_files.c - files over plain HTTP.
 *
 * A file goes up as one body: octet-stream where envd is new enough (0.5.7), one multipart part before. The answer
 * names what was written and is compared with what was asked. envd truncates in place, keeps an old
 * file's mode and has no call to set one, so a chmod inside follows each upload. A reply that ends with its connection
 * is not taken for a whole file.
 */
#include "provider/e2b_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "provider/connect_frame.h"
#include "provider/e2b_upload.h"

enum { OCTET_VERSION = 507, FILE_STALL_MS = 60000 };

struct upload {
	struct e2b_op op;
	const struct provider_file *file;
	char boundary[E2B_BOUNDARY_LEN + 1];
	struct buf head, tail; /* around the file, in multipart */
	size_t at;             /* of head, file and tail in one */
	struct provider_call chmod_call;
	struct provider_exec chmod;
	const char *argv[5];
	char mode[8];
	bool in_chmod;
	size_t read; /* from file->on_read so far */
	bool read_over;
};

static struct upload *upload_of(struct e2b_op *op)
{
	return (struct upload *)(void *)op;
}

static void upload_deinit(struct e2b_op *op)
{
	struct upload *u = upload_of(op);

	buf_deinit(&u->head);
	buf_deinit(&u->tail);
}

/* "/files?path=…[&username=…]" */
static int put_target(struct buf *b, const struct e2b_op *op, const char *path)
{
	const struct e2b_box *box = e2b_box_find(op->p, op->id);
	const char *user = op->p->user ? op->p->user : box->version < 400 ? "user" : NULL;
	int r = buf_str(b, "/files?path=");

	if (!r)
		r = e2b_percent(b, path);
	if (!r && user)
		r = buf_str(b, "&username=");
	return r || !user ? r : e2b_percent(b, user);
}

static void chmod_done(struct provider_call *c, int result)
{
	struct upload *u = c->arg;

	u->op.p->n_done--; /* it was no call of the caller's */
	if (!result && u->chmod.status)
		e2b_end(&u->op, PROVIDER_REFUSED, "the mode could not be set");
	else
		e2b_end(&u->op, result, c->why);
}

static void set_mode(struct upload *u)
{
	(void)snprintf(u->mode, sizeof(u->mode), "%o", (unsigned)u->file->mode & 0777);
	u->argv[0] = "chmod";
	u->argv[1] = u->mode;
	u->argv[2] = "--";
	u->argv[3] = u->file->path;
	u->chmod.argv = u->argv;
	u->chmod_call = (struct provider_call){
		.done = chmod_done, .arg = u, .deadline_ms = e2b_left_ms(&u->op)};
	u->in_chmod = true;
	if (e2b_exec(&u->op.p->base, u->op.id, &u->chmod, &u->chmod_call))
		e2b_end(&u->op, PROVIDER_REFUSED, u->chmod_call.why);
}

static void upload_done(struct http_request *r, int result)
{
	struct upload *u = r->arg;
	const char *reply;
	size_t len;

	if (result) {
		e2b_end_envd(&u->op, r, result);
		return;
	}
	reply = http_reply(r, &len);
	if (e2b_upload_check(reply, len, u->file->path)) {
		e2b_end(&u->op, fail(-EPROTO, "e2b: an upload that wrote something else"),
			"the reply does not name the file that was sent");
		return;
	}
	if (u->file->mode & 0777)
		set_mode(u);
	else
		e2b_end(&u->op, 0, NULL);
}

/* The bytes from `at` on of what starts at `from` in the whole body. */
static size_t copy_part(const struct upload *u, size_t from, const void *part, size_t len,
			char *data, size_t cap)
{
	size_t skip = u->at > from ? u->at - from : 0;
	size_t n = skip < len ? len - skip : 0;

	n = n < cap ? n : cap;
	if (n)
		memcpy(data, (const char *)part + skip, n);
	return n;
}

/* The same of a file that is read as it goes: `read_over` once it said that it ends. */
static ssize_t send_read(struct upload *u, char *data, size_t cap)
{
	ssize_t n = (ssize_t)copy_part(u, 0, u->head.data, u->head.len, data, cap);

	if (n == 0 && !u->read_over) {
		n = u->file->on_read(u->op.c, data, cap);
		if (n < 0)
			return n;
		u->op.retried = true; /* these bytes come only once */
		u->read += (size_t)n;
		u->read_over = n == 0;
	}
	if (n == 0)
		n = (ssize_t)copy_part(u, u->head.len + u->read, u->tail.data, u->tail.len,
				       data, cap);
	u->at += (size_t)n;
	return n;
}

static ssize_t upload_send(struct http_request *r, void *data, size_t cap)
{
	struct upload *u = r->arg;
	const struct provider_file *f = u->file;
	size_t n;

	if (f->on_read)
		return send_read(u, data, cap);
	n = copy_part(u, 0, u->head.data, u->head.len, data, cap);
	n += copy_part(u, u->head.len, f->data, f->len, (char *)data + n, cap - n);
	n += copy_part(u, u->head.len + f->len, u->tail.data, u->tail.len, (char *)data + n,
		       cap - n);
	u->at += n;
	return (ssize_t)n;
}

static void upload_inside(struct e2b_op *op)
{
	struct upload *u = upload_of(op);
	CLEANUP(buf_deinit) struct buf target = {0};
	CLEANUP(free_p) char *type = NULL;
	bool octet = e2b_box_find(op->p, op->id)->version >= OCTET_VERSION;
	int64_t size = u->file->on_read ? u->file->size : (int64_t)u->file->len;

	buf_init(&target, HTTP_URL_LIMIT);
	buf_clear(&u->head);
	buf_clear(&u->tail);
	u->at = 0;
	e2b_boundary(u->boundary);
	type = octet ? alloc_str("application/octet-stream")
		     : alloc_fmt("multipart/form-data; boundary=%s", u->boundary);
	if (put_target(&target, op, u->file->path) ||
	    (!octet && (e2b_part_head(&u->head, u->boundary, u->file->path) ||
			e2b_part_tail(&u->tail, u->boundary)))) {
		e2b_end_later(op, PROVIDER_REFUSED, "a path that is too long");
		return;
	}
	op->http = (struct http_request){
		.on_send = upload_send,
		.body_size = size < 0 ? -1 : (int64_t)(u->head.len + u->tail.len) + size,
		.bulk = size < 0 || size > 65536,
		/* envd sniffs the type of its own answer */
		.expect = "application/json text/plain",
		.deadline_ms = op->c->deadline_ms > 0 ? e2b_left_ms(op) : -1,
		.stall_ms = FILE_STALL_MS,
		.done = upload_done,
		.arg = u,
	};
	(void)e2b_envd(op, &op->http, "POST", target.data, type);
}

static void upload_cancel(struct e2b_op *op)
{
	struct upload *u = upload_of(op);

	if (u->in_chmod)
		(void)provider_cancel(&op->p->base, &u->chmod_call);
	else
		http_cancel(op->p->http, &op->http);
}

void e2b_more(struct provider *p, struct provider_call *c)
{
	struct e2b_op *op = c->impl;

	if (op && !op->later)
		http_resume(op->p->http, &op->http);
}

int e2b_put(struct provider *p, const char *id, const struct provider_file *file,
	    struct provider_call *c)
{
	struct upload *u;

	if (!e2b_id_good(id))
		return PROVIDER_GONE;
	if (file->path[0] != '/')
		return PROVIDER_REFUSED;
	u = e2b_op_new(e2b_of(p), c, id, sizeof(*u));
	u->file = file;
	u->op.inside = upload_inside;
	u->op.deinit = upload_deinit;
	u->op.cancel = upload_cancel;
	buf_init(&u->head, HTTP_URL_LIMIT);
	buf_init(&u->tail, 256);
	e2b_inside(&u->op);
	return 0;
}

/* Fetch. */

struct download {
	struct e2b_op op;
	char *path;
	struct provider_sink *to;
	size_t was; /* length of to->into before */
};

static void download_deinit(struct e2b_op *op)
{
	free(((struct download *)(void *)op)->path);
}

static int download_body(struct http_request *r, const void *data, size_t len)
{
	struct download *d = r->arg;

	return d->to->on_write ? d->to->on_write(d->op.c, data, len)
			       : buf_add(d->to->into, data, len);
}

static void download_done(struct http_request *r, int result)
{
	struct download *d = r->arg;

	if (result == 0) {
		e2b_end(&d->op, 0, NULL);
		return;
	}
	if (!d->to->on_write) {
		d->to->into->len = d->was;
		d->to->into->data[d->was] = '\0';
	}
	e2b_end_envd(&d->op, r, result);
}

static void download_inside(struct e2b_op *op)
{
	struct download *d = (struct download *)(void *)op;
	CLEANUP(buf_deinit) struct buf target = {0};

	buf_init(&target, HTTP_URL_LIMIT);
	if (put_target(&target, op, d->path)) {
		e2b_end_later(op, PROVIDER_REFUSED, "a path that is too long");
		return;
	}
	op->http = (struct http_request){
		.on_body = download_body,
		.bulk = true,
		.deadline_ms = op->c->deadline_ms > 0 ? e2b_left_ms(op) : -1,
		.stall_ms = FILE_STALL_MS,
		.done = download_done,
		.arg = d,
	};
	(void)e2b_envd(op, &op->http, "GET", target.data, NULL);
}

int e2b_fetch(struct provider *p, const char *id, struct provider_sink *to,
	      struct provider_call *c)
{
	struct download *d;

	if (!e2b_id_good(id))
		return PROVIDER_GONE;
	if (to->path[0] != '/')
		return PROVIDER_REFUSED;
	d = e2b_op_new(e2b_of(p), c, id, sizeof(*d));
	d->path = alloc_str(to->path);
	d->to = to;
	d->was = to->on_write ? 0 : to->into->len;
	d->op.inside = download_inside;
	d->op.deinit = download_deinit;
	e2b_inside(&d->op);
	return 0;
}
