/* provider/e2b_request.c - requests to the API and to envd, and what their failures mean.
 *
 * The same status means different things on the two planes: 404 from the API is a sandbox that is gone, 404
 * from envd a file or process. 502 from envd is the proxy before it, which does not tell killed from paused; so the API
 * is asked, and only it decides whether a sandbox is gone. A 401 from envd may be a token that changed: the box is
 * fetched anew and the op starts over, once.
 */
#include "provider/e2b_private.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/base64.h"
#include "base/error.h"

static void request_done(struct http_request *r, int result)
{
	struct e2b_op *op = r->arg;

	op->then(op, result);
}

/* op->http keeps its body only when one is set after this. */
static void reset_request(struct e2b_op *op, void (*then)(struct e2b_op *, int))
{
	op->left |= op->http.sent && strcmp(op->http.method, "GET") != 0;
	memset(&op->http, 0, sizeof(op->http));
	op->http.done = request_done;
	op->http.arg = op;
	op->http.deadline_ms = e2b_left_ms(op);
	op->then = then;
}

static void start(struct e2b_op *op)
{
	int r = http_start(op->p->http, &op->http);

	if (r)
		e2b_end_later(op, r, op->http.why);
}

void e2b_api(struct e2b_op *op, const char *method, void (*then)(struct e2b_op *, int),
	     const char *path, ...)
{
	CLEANUP(buf_deinit) struct buf url = {0};
	const char *secrets[] = {op->p->key_header, NULL};
	const char *headers[] = {"Accept: application/json", NULL, NULL};
	bool has = op->body.len && strcmp(method, "GET") != 0;
	char tail[1024];
	va_list ap;

	if (has)
		headers[1] = "Content-Type: application/json";
	va_start(ap, path);
	(void)vsnprintf(tail, sizeof(tail), path, ap);
	va_end(ap);
	buf_init(&url, HTTP_URL_LIMIT);
	(void)buf_fmt(&url, "%s%s", op->p->api_url, tail);
	reset_request(op, then);
	op->http.method = method;
	op->http.url = url.data;
	op->http.headers = headers;
	op->http.secrets = secrets;
	op->http.expect = "application/json";
	op->http.body = has ? op->body.data : NULL;
	op->http.body_len = has ? op->body.len : 0;
	start(op);
}

int e2b_envd_url(struct e2b *p, const struct e2b_box *box, struct buf *ret)
{
	static const char *const shared[] = {"e2b.app", "e2b.dev", "e2b.pro",
					     "e2b-staging.dev"};
	const char *domain = box->domain[0] ? box->domain : p->domain;

	if (p->sandbox_url)
		return buf_str(ret, p->sandbox_url);
	/* One host for all sandboxes is one connection for all. Others may not have it. */
	for (size_t i = 0; i < sizeof(shared) / sizeof(*shared); i++) {
		if (strcmp(domain, shared[i]) == 0)
			return buf_fmt(ret, "https://sandbox.%s", domain);
	}
	return buf_fmt(ret, "https://%d-%s.%s", E2B_PORT, box->id, domain);
}

/* "Authorization: Basic …" of `user`, who has no password. */
static int user_header(struct buf *b, const char *user)
{
	CLEANUP(free_p) char *pair = alloc_fmt("%s:", user);
	int r = buf_str(b, "Authorization: Basic ");

	return r ? r : base64_put(b, pair, strlen(pair));
}

bool e2b_envd(struct e2b_op *op, struct http_request *r, const char *method, const char *path,
	      const char *type)
{
	struct e2b *p = op->p;
	const struct e2b_box *box = e2b_box_find(p, op->id);
	CLEANUP(buf_deinit) struct buf url = {0};
	CLEANUP(buf_deinit) struct buf user = {0};
	CLEANUP(free_p) char *token = alloc_fmt("X-Access-Token: %s", box->token);
	CLEANUP(free_p) char *id = alloc_fmt("E2b-Sandbox-Id: %s", op->id);
	CLEANUP(free_p) char *port = alloc_fmt("E2b-Sandbox-Port: %d", E2B_PORT);
	CLEANUP(free_p)
	char *ping = alloc_fmt("Keepalive-Ping-Interval: %d", E2B_KEEPALIVE_SECONDS);
	CLEANUP(free_p) char *kind = type ? alloc_fmt("Content-Type: %s", type) : NULL;
	const char *headers[E2B_HEADERS] = {id, port};
	const char *secrets[] = {box->token[0] ? token : NULL, NULL};
	/* envd before 0.4.0 has no default user */
	const char *name = op->user             ? op->user
			   : p->user            ? p->user
			   : box->version < 400 ? "user"
						: NULL;
	size_t n = 2;
	int code;

	buf_init(&url, HTTP_URL_LIMIT);
	buf_init(&user, 1024);
	if (e2b_envd_url(p, box, &url) || buf_str(&url, path) ||
	    (name && user_header(&user, name))) {
		e2b_end_later(op, PROVIDER_REFUSED, "a path or user that is too long");
		return false;
	}
	if (kind)
		headers[n++] = kind;
	if (name)
		headers[n++] = user.data;
	if (type && strncmp(type, "application/", 12) == 0 && strstr(type, "json"))
		headers[n++] = "Connect-Protocol-Version: 1";
	if (type && strstr(type, "connect+"))
		headers[n++] = ping;
	if (op->extra)
		headers[n++] = op->extra;
	r->method = method;
	r->url = url.data;
	r->headers = headers;
	r->secrets = secrets;
	code = http_start(p->http, r);
	explicit_bzero(token, strlen(token));
	op->extra = NULL;
	if (code)
		e2b_end_later(op, code, "a request that cannot be sent");
	return !code;
}

void e2b_rpc(struct e2b_op *op, const char *method, void (*then)(struct e2b_op *, int))
{
	CLEANUP(free_p) char *path = alloc_fmt("/%s", method);

	reset_request(op, then);
	op->http.body = op->body.data;
	op->http.body_len = op->body.len;
	op->http.expect = "application/json";
	(void)e2b_envd(op, &op->http, "POST", path, "application/json");
}

void e2b_envd_get(struct e2b_op *op, const char *path, void (*then)(struct e2b_op *, int))
{
	reset_request(op, then);
	op->http.expect = "application/json";
	(void)e2b_envd(op, &op->http, "GET", path, NULL);
}

void e2b_why(const struct http_request *r, char ret[HTTP_WHY_MAX])
{
	struct e2b_error err;
	const char *text;
	size_t len;

	(void)snprintf(ret, HTTP_WHY_MAX, "%s", r->why);
	if (!r->status || r->status / 100 == 2)
		return;
	text = http_reply(r, &len);
	if (e2b_error_read(text, len, &err) && err.message[0]) {
		(void)snprintf(ret, HTTP_WHY_MAX, "%s", err.message);
		http_hide(r, ret);
	}
}

void e2b_reply(const struct http_request *r, struct json_reply *ret)
{
	size_t len;
	const char *text = http_reply(r, &len);

	json_reply_open(ret, text, len);
}

void e2b_end_api(struct e2b_op *op, int result)
{
	char why[HTTP_WHY_MAX];

	e2b_why(&op->http, why);
	if (result == PROVIDER_GONE)
		e2b_box_forget(op->p, op->id);
	e2b_end(op, result, why);
}

/* What the API says of a sandbox that did not answer. */
static void probed(struct e2b_op *op, int result)
{
	struct json_reply j;
	bool paused;

	if (result == PROVIDER_GONE) {
		e2b_end_api(op, PROVIDER_GONE);
		return;
	}
	if (result) {
		e2b_end(op, op->was, op->was_why);
		return;
	}
	e2b_reply(&op->http, &j);
	paused = strcmp(json_reply_str(&j, j.root, "state", ""), "paused") == 0;
	json_reply_close(&j);
	if (paused)
		e2b_end(op, PROVIDER_ASLEEP, "it is paused");
	else
		e2b_end(op, op->was, op->was_why);
}

/* As envd means it. */
static int envd_outcome(const struct http_request *r, int result)
{
	struct e2b_error err;
	const char *text;
	size_t len;

	if (result <= 0 || !r->status || r->status / 100 == 2 || r->status == 502)
		return result;
	text = http_reply(r, &len);
	if (e2b_error_read(text, len, &err))
		return e2b_error_outcome(&err);
	/* "404 page not found" and "405": a call this envd does not have */
	return r->status == 404 || r->status == 405 ? PROVIDER_UNSUPPORTED : result;
}

void e2b_end_envd(struct e2b_op *op, const struct http_request *r, int result)
{
	result = envd_outcome(r, result);
	e2b_why(r, op->was_why);
	op->was = result;
	if (result == PROVIDER_DENIED && r->status == 401 && !op->retried) {
		op->retried = true;
		e2b_box_forget(op->p, op->id);
		e2b_inside(op);
		return;
	}
	/* Gone, asleep, or only the network? The API knows. */
	if (result == PROVIDER_OFFLINE && r->sent) {
		buf_clear(&op->body);
		e2b_api(op, "GET", probed, "/sandboxes/%s", op->id);
		return;
	}
	e2b_end(op, result, op->was_why);
}
