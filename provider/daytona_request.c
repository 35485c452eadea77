/* provider/daytona_request.c - requests to the API and to toolboxes, and what their failures mean.
 *
 * The same status means different things on the two planes: 404 from the API is a sandbox that is gone, 404 from a toolbox a file,
 * a route the daemon does not have, or a hop that found no container. Hops answer for a sandbox that is stopped
 * with an empty 502 or a 400 in words. So whenever a toolbox did not clearly answer itself, the API is asked what the
 * sandbox does, and only it decides between gone, asleep, busy and merely lost. What got lost is sent again a
 * few times, which is safe since everything sent to a toolbox bears a second delivery.
 */
#include "provider/daytona_private.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "provider/daytona_body.h"

/* >= 0.167.0 makes the daemon answer in its newest form. */
#define SDK_VERSION "X-Daytona-SDK-Version: 0.218.0"
#define SOURCE      "X-Daytona-Source: fragfs"

static void request_done(struct http_request *r, int result)
{
	struct daytona_op *op = r->arg;

	op->running = false;
	if (strcmp(r->method, "GET") != 0 && r->sent && r->status / 100 != 4)
		op->touched = true;
	if (op->cancelled)
		daytona_end(op, -ECANCELED, NULL);
	else
		op->then(op, result);
	/* r is gone */
}

void daytona_fresh(struct daytona_op *op)
{
	op->http = (struct http_request){.done = request_done, .arg = op};
}

static void start(struct daytona_op *op, const char *method, const char *url, const char *type,
		  void (*then)(struct daytona_op *, int))
{
	const char *headers[] = {
		"Accept: application/json", SOURCE, SDK_VERSION, NULL, NULL, NULL};
	const char *secrets[] = {op->p->auth, NULL};
	char why[HTTP_WHY_MAX], kind[128];
	size_t n = 3;
	int r;

	if (op->p->organization)
		headers[n++] = op->p->organization;
	if (type) {
		(void)snprintf(kind, sizeof(kind), "Content-Type: %s", type);
		headers[n++] = kind;
	}
	op->http.method = method;
	op->http.url = url;
	op->http.headers = headers;
	op->http.secrets = secrets;
	if (!op->http.deadline_ms)
		op->http.deadline_ms = daytona_left_ms(op);
	op->then = then;
	op->running = true;
	r = http_start(op->p->http, &op->http);
	op->http.headers = op->http.secrets = NULL;
	op->http.url = NULL;
	if (!r)
		return;
	op->running = false;
	memcpy(why, op->http.why, sizeof(why));
	daytona_end(op, r, why);
}

/* The control plane. */

void daytona_api(struct daytona_op *op, const char *method,
		 void (*then)(struct daytona_op *, int), const char *path, ...)
{
	bool has = op->body.len && strcmp(method, "GET") != 0;
	CLEANUP(buf_deinit) struct buf url = {0};
	char tail[DAYTONA_CURSOR_MAX * 3 + 256];
	va_list ap;

	buf_init(&url, HTTP_URL_LIMIT);
	va_start(ap, path);
	(void)vsnprintf(tail, sizeof(tail), path, ap);
	va_end(ap);
	(void)buf_fmt(&url, "%s%s", op->p->api_url, tail);
	daytona_fresh(op);
	op->http.expect = "application/json";
	op->http.body = has ? op->body.data : NULL;
	op->http.body_len = has ? op->body.len : 0;
	/* two thirds of what is left, so that what became of a lost one can still be asked */
	op->http.deadline_ms = op->answer_ms;
	if (op->answer_ms && daytona_left_ms(op) / 3 * 2 < op->answer_ms)
		op->http.deadline_ms = daytona_left_ms(op) / 3 * 2 + 1;
	op->answer_ms = 0;
	start(op, method, url.data, has ? "application/json" : NULL, then);
}

/* Limits are kept per kind of call, and so are the headers that say when to come back. */
static int64_t retry_of(const struct http_request *r)
{
	static const char *const names[] = {
		"retry-after-sandbox-create",       "retry-after-sandbox-lifecycle",
		"retry-after-authenticated",        "retry-after-anonymous",
		"x-ratelimit-reset-sandbox-create", "x-ratelimit-reset-sandbox-lifecycle",
		"x-ratelimit-reset-authenticated",
	};

	if (r->retry_ms)
		return r->retry_ms;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const char *value = http_header(r, names[i]);
		int64_t ms = value ? http_outcome_retry(value) : -1;

		if (ms > 0)
			return ms;
	}
	return 0;
}

/* The reply's own words over ours, without secrets. */
static void read_error(const struct http_request *r, struct daytona_error *err, char *why)
{
	const char *text;
	size_t len;

	(void)snprintf(why, PROVIDER_WHY_MAX, "%s", r->why);
	memset(err, 0, sizeof(*err));
	if (!r->status || r->status / 100 == 2)
		return;
	text = http_reply(r, &len);
	daytona_error_read(text, len, err);
	if (!err->message[0])
		return;
	(void)snprintf(why, PROVIDER_WHY_MAX, "%s", err->message);
	http_hide(r, why);
}

int daytona_api_outcome(struct daytona_op *op, int result, char *why)
{
	struct daytona_error err;
	int better;

	read_error(&op->http, &err, why);
	if (result <= 0)
		return result;
	if (result == PROVIDER_THROTTLED || result == PROVIDER_BUSY)
		op->http.retry_ms = retry_of(&op->http);
	better = daytona_error_outcome(op->http.status, &err);
	return better ? better : result;
}

void daytona_end_api(struct daytona_op *op, int result)
{
	char why[PROVIDER_WHY_MAX];

	result = daytona_api_outcome(op, result, why);
	if (result == PROVIDER_GONE)
		daytona_box_forget(op->p, op->id);
	daytona_end(op, result, why);
}

/* A toolbox. */

static void went_inside(struct daytona_op *op)
{
	if (daytona_box_find(op->p, op->id))
		op->inside(op);
	else
		daytona_end(op,
			    fail(-EPROTO, "daytona: no toolbox that we would send a key to"),
			    "the API names no toolbox that a key may be sent to");
}

static void told_where(struct daytona_op *op, int result)
{
	struct daytona_sandbox s = {0};
	const char *text;
	size_t len;

	if (result) {
		daytona_end_api(op, result);
		return;
	}
	text = http_reply(&op->http, &len);
	memcpy(s.info.id, op->id, sizeof(op->id));
	if (daytona_url_read(text, len, s.toolbox) == 0)
		(void)daytona_box_learn(op->p, &s);
	went_inside(op);
}

/* The outcome of a sandbox that is not up, or 0. */
static int outcome_of_phase(const struct daytona_sandbox *s, const char **why)
{
	*why = "";
	switch (s->phase) {
	case DAYTONA_UP:
		return 0;
	case DAYTONA_LEAVING:
		return PROVIDER_GONE;
	case DAYTONA_MOVING_UP:
	case DAYTONA_MOVING:
		return PROVIDER_BUSY;
	case DAYTONA_FAILED:
		*why = s->reason;
		return PROVIDER_ASLEEP;
	case DAYTONA_STOPPING:
	case DAYTONA_STOPPED:
	case DAYTONA_PAUSING:
	case DAYTONA_PAUSED:
		break;
	}
	return PROVIDER_ASLEEP;
}

/* The description that was asked for because the box was missing, or because a request got lost. */
static void looked(struct daytona_op *op, int result)
{
	struct daytona_sandbox s;
	const char *why;
	int r;

	if (result) {
		if (op->was && result != PROVIDER_GONE)
			daytona_end(op, op->was, op->was_why);
		else
			daytona_end_api(op, result);
		return;
	}
	r = daytona_described(op, &s);
	if (r) {
		daytona_end(op, r, "the description of the sandbox is not understood");
		return;
	}
	r = outcome_of_phase(&s, &why);
	if (r) {
		daytona_end(op, r, why);
		return;
	}
	if (op->was) { /* it runs: once more, after a while */
		op->was = 0;
		op->tries++;
		daytona_later(op, went_inside);
		return;
	}
	if (daytona_box_find(op->p, op->id) || s.toolbox[0])
		went_inside(op);
	else
		daytona_api(op, "GET", told_where, "/sandbox/%s/toolbox-proxy-url", op->id);
}

static void look(struct daytona_op *op)
{
	/* a GET leaves op->body alone, which is for the request behind this one */
	daytona_api(op, "GET", looked, "/sandbox/%s", op->id);
}

void daytona_inside(struct daytona_op *op, void (*inside)(struct daytona_op *op))
{
	op->inside = inside;
	op->was = 0;
	if (daytona_box_find(op->p, op->id))
		inside(op);
	else
		look(op);
}

void daytona_toolbox(struct daytona_op *op, const char *method, const char *path,
		     const char *type, void (*then)(struct daytona_op *, int))
{
	const struct daytona_box *box = daytona_box_find(op->p, op->id);
	CLEANUP(buf_deinit) struct buf url = {0};

	buf_init(&url, HTTP_URL_LIMIT);
	if (buf_fmt(&url, "%s%s", box->toolbox, path)) {
		daytona_end(op, PROVIDER_REFUSED, "that path is too long");
		return;
	}
	start(op, method, url.data, type, then);
}

/* Whether the toolbox itself spoke, or something on the way to it. */
static bool got_lost(const struct http_request *r, int result, const struct daytona_error *err)
{
	if (result == PROVIDER_OFFLINE || err->not_running)
		return true;
	return r->status == 503;
}

void daytona_end_toolbox(struct daytona_op *op, int result)
{
	struct daytona_error err;

	read_error(&op->http, &err, op->was_why);
	if (result > 0 && op->http.status == 408)
		result = -ETIMEDOUT;
	else if (result == -ETIMEDOUT && daytona_left_ms(op) > 1)
		result = PROVIDER_OFFLINE; /* only this request took too long */
	if (result == PROVIDER_THROTTLED)
		op->http.retry_ms = retry_of(&op->http);
	if (result == PROVIDER_GONE) /* not the sandbox: only the API says that */
		result = err.no_route ? PROVIDER_UNSUPPORTED : PROVIDER_REFUSED;
	if (result <= 0 || !got_lost(&op->http, result, &err)) {
		daytona_end(op, result, op->was_why);
		return;
	}
	if (op->tries + 1 >= DAYTONA_TRIES) {
		daytona_end(op, PROVIDER_OFFLINE, op->was_why);
		return;
	}
	op->was = PROVIDER_OFFLINE;
	look(op);
}

/* process/execute. op->body holds the text until it is sent, and again when it has to be sent once more. */

static void execute(struct daytona_op *op)
{
	CLEANUP(buf_deinit) struct buf json = {0};

	daytona_fresh(op);
	op->http.expect = "application/json";
	op->http.deadline_ms = op->hold_ms + DAYTONA_ANSWER_MS;
	if (op->http.deadline_ms > daytona_left_ms(op))
		op->http.deadline_ms = daytona_left_ms(op);
	op->http.body = op->body.data;
	op->http.body_len = op->body.len;
	daytona_toolbox(op, "POST", "/process/execute", "application/json", op->executed);
}

void daytona_execute(struct daytona_op *op, const struct buf *text,
		     void (*then)(struct daytona_op *, int))
{
	buf_clear(&op->body);
	if (daytona_execute_put(&op->body, text->data)) {
		daytona_end(op, PROVIDER_REFUSED, "a command that is too long");
		return;
	}
	op->executed = then;
	daytona_inside(op, execute);
}

int daytona_executed(struct daytona_op *op, int *code, struct buf *printed)
{
	size_t len;
	const char *text = http_reply(&op->http, &len);

	return daytona_executed_read(text, len, code, printed);
}

static void obeyed(struct daytona_op *op, int result)
{
	if (result)
		daytona_end_toolbox(op, result);
	else
		daytona_end(op, 0, NULL);
}

void daytona_order(struct daytona *p, const char *id, const struct buf *text)
{
	daytona_execute(daytona_op_new(p, NULL, id, sizeof(struct daytona_op)), text, obeyed);
}
