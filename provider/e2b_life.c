/* provider/e2b_life.c - the API: sandboxes come, sleep, wake, go, and are listed.
 *
 * What is told apart here:
 * - a create that failed in a way that leaves open whether it happened is looked for by a nonce in its metadata, once,
 *   before it is called failed; nothing is ever created twice.
 * - 404 and 405 of a newer path ask for the older one, unless the message is about the thing itself (a template, a
 *   sandbox); the answer is remembered.
 * - 409 of pause means either "already paused", which is done, or "in transition", which is busy.
 * Only sandboxes with our mark in their metadata are listed. The list is paged; the server's cursor is opaque.
 */
#include "provider/e2b_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "provider/e2b_upload.h"

enum { CURSOR_MAX = 512 };

/* An op that fills in a struct provider_sandbox. */
struct describe {
	struct e2b_op op;
	struct provider_sandbox *ret;
	char nonce[E2B_BOUNDARY_LEN + 1];
	int64_t life;
	bool resumed; /* connect: try the old path next */
	char label[sizeof(((struct provider_sandbox *)NULL)->label)];
	char labels[PROVIDER_LABELS_MAX];
	/* what create was given, for the old path */
	struct buf create;
};

struct listing {
	struct e2b_op op;
	struct provider_page *page;
	char cursor[CURSOR_MAX];
};

static bool old_path(const struct http_request *r, int result)
{
	struct e2b_error err;
	const char *text;
	size_t len;

	if (result == PROVIDER_REFUSED && r->status == 405)
		return true;
	if (result != PROVIDER_GONE || r->status != 404)
		return false;
	text = http_reply(r, &len);
	/* "Sandbox "x" doesn't exist …" and "template 'x' not found" are answers; anything else a missing path */
	return !e2b_error_read(text, len, &err) ||
	       (!strcasestr(err.message, "template") && !strcasestr(err.message, "sandbox"));
}

/* All of the metadata but what is ours; those that do not fit are left out. */
static void read_labels(struct json_reply *j, const struct json *meta,
			struct provider_sandbox *s)
{
	size_t at = 0;

	for (const struct json *v = meta ? json_first(meta) : NULL; v; v = json_next(v)) {
		const char *key = json_key(v), *value = json_str(v);
		size_t left = sizeof(s->labels) - 1 - at, len;

		if (!value || strcmp(key, "fragfs") == 0 || strcmp(key, "fragfsCall") == 0 ||
		    strcmp(key, "label") == 0)
			continue;
		len = strlen(key) + 1 + strlen(value);
		if (len + 1 > left)
			continue;
		(void)snprintf(s->labels + at, left, "%s=%s", key, value);
		at += len + 1;
	}
	s->labels[at] = '\0';
}

/* A SandboxDetail or ListedSandbox. */
static void read_sandbox(struct e2b *p, struct json_reply *j, const struct json *obj,
			 struct provider_sandbox *ret)
{
	const struct json *meta = json_reply_obj(j, obj, "metadata");
	const char *state = json_reply_str(j, obj, "state", NULL);
	struct provider_sandbox s = {0};
	const struct e2b_box *box;

	json_reply_text(j, obj, "sandboxID", s.id, sizeof(s.id));
	if (s.id[0] == 'i' && strchr(s.id, '-'))
		*strchr(s.id, '-') = '\0';
	if (!e2b_id_good(s.id))
		json_reply_bad(j, "sandboxID", "is no id");
	if (!state || (strcmp(state, "running") != 0 && strcmp(state, "paused") != 0))
		json_reply_bad(j, "state", "is neither running nor paused");
	else
		s.state = *state == 'p' ? PROVIDER_PAUSED : PROVIDER_RUNNING;
	box = e2b_box_find(p, s.id);
	if (s.state == PROVIDER_PAUSED && box && box->cold)
		s.state =
			PROVIDER_STOPPED; /* the API does not tell; we know that its memory is gone */
	s.created = json_reply_time(j, obj, "startedAt", 0);
	s.expires = s.state == PROVIDER_PAUSED ? 0 : json_reply_time(j, obj, "endAt", 0);
	(void)snprintf(s.label, sizeof(s.label), "%s", json_reply_str(j, meta, "label", ""));
	(void)snprintf(s.image, sizeof(s.image), "%s",
		       json_reply_str(j, obj, "templateID", ""));
	read_labels(j, meta, &s);
	*ret = s;
}

static void got(struct e2b_op *op, int result)
{
	struct describe *d = (struct describe *)(void *)op;
	struct provider_sandbox s;
	struct json_reply j;
	int r;

	if (result) {
		e2b_end_api(op, result);
		return;
	}
	e2b_reply(&op->http, &j);
	e2b_box_read(op->p, &j, op->id);
	read_sandbox(op->p, &j, j.root, &s);
	r = json_reply_fault(&j, "e2b");
	json_reply_close(&j);
	if (!r)
		*d->ret = s;
	e2b_end(op, r, j.why);
}

int e2b_get(struct provider *p, const char *id, struct provider_sandbox *ret,
	    struct provider_call *c)
{
	struct describe *d;

	if (!e2b_id_good(id))
		return PROVIDER_GONE;
	d = e2b_op_new(e2b_of(p), c, id, sizeof(*d));
	d->ret = ret;
	e2b_api(&d->op, "GET", got, "/sandboxes/%s", id);
	return 0;
}

/* Create. */

static void describe_deinit(struct e2b_op *op)
{
	buf_deinit(&((struct describe *)(void *)op)->create);
}

static void put_metadata(struct json_out *o, const struct provider_spec *spec,
			 const char *nonce)
{
	json_key_out(o, "metadata");
	json_begin(o, '{');
	json_str_field(o, "fragfs", "1");
	json_str_field(o, "fragfsCall", nonce);
	if (spec->label)
		json_str_field(o, "label", spec->label);
	for (const char *const *l = spec->labels; l && *l; l++) {
		const char *eq = strchr(*l, '=');
		char name[256];

		if (!eq || (size_t)(eq - *l) >= sizeof(name))
			continue;
		(void)snprintf(name, sizeof(name), "%.*s", (int)(eq - *l), *l);
		json_str_field(o, name, eq + 1);
	}
	json_end(o, '}');
}

static void put_env(struct json_out *o, const char *const *env)
{
	json_key_out(o, "envVars");
	json_begin(o, '{');
	for (; env && *env; env++) {
		const char *eq = strchr(*env, '=');
		char name[256];

		if (!eq || (size_t)(eq - *env) >= sizeof(name))
			continue;
		(void)snprintf(name, sizeof(name), "%.*s", (int)(eq - *env), *env);
		json_str_field(o, name, eq + 1);
	}
	json_end(o, '}');
}

/* `secure`: for the old path, where it is not the rule. */
static int put_create(struct buf *b, const struct e2b *p, const struct provider_spec *spec,
		      const struct describe *d, bool secure)
{
	struct json_out o;

	json_out_buf(&o, b);
	json_begin(&o, '{');
	json_str_field(&o, "templateID", spec->image ? spec->image : p->template_id);
	json_int_field(&o, "timeout", d->life);
	json_bool_field(&o, "autoPause", !spec->delete_on_expiry);
	json_bool_field(&o, "allow_internet_access", spec->allow_network);
	put_metadata(&o, spec, d->nonce);
	put_env(&o, spec->env);
	if (secure)
		json_bool_field(&o, "secure", true);
	json_end(&o, '}');
	return json_out_end(&o);
}

static void created_box(struct e2b_op *op, const struct http_request *r)
{
	struct describe *d = (struct describe *)(void *)op;
	int64_t now = clock_wall(op->p->clock);
	struct provider_sandbox s = {.state = PROVIDER_RUNNING, .created = now};
	struct json_reply j;
	int fault;

	e2b_reply(r, &j);
	e2b_box_read(op->p, &j, NULL);
	json_reply_text(&j, j.root, "sandboxID", s.id, sizeof(s.id));
	if (s.id[0] == 'i' && strchr(s.id, '-'))
		*strchr(s.id, '-') = '\0';
	s.expires = now + d->life;
	(void)snprintf(s.label, sizeof(s.label), "%s", d->label);
	(void)snprintf(s.image, sizeof(s.image), "%s",
		       json_reply_str(&j, j.root, "templateID", ""));
	memcpy(s.labels, d->labels, sizeof(s.labels));
	fault = json_reply_fault(&j, "e2b");
	json_reply_close(&j);
	if (!fault)
		*d->ret = s;
	e2b_end(op, fault, j.why);
}

/* The search for a create of which we do not know whether it happened. */
static void searched(struct e2b_op *op, int result)
{
	struct describe *d = (struct describe *)(void *)op;
	struct provider_sandbox s;
	struct json_reply j;
	const struct json *first;

	if (result) {
		e2b_end(op, op->was, op->was_why);
		return;
	}
	e2b_reply(&op->http, &j);
	first = j.root && json_is_array(j.root) ? json_first(j.root) : NULL;
	if (first && json_reply_obj(&j, first, "metadata") &&
	    strcmp(json_reply_str(&j, json_reply_obj(&j, first, "metadata"), "fragfsCall", ""),
		   d->nonce) == 0)
		read_sandbox(op->p, &j, first, &s);
	else
		json_reply_bad(&j, "metadata", "is another's");
	json_reply_close(&j);
	if (j.why[0]) {
		e2b_end(op, op->was, op->was_why);
		return;
	}
	(void)snprintf(op->id, sizeof(op->id), "%s", s.id);
	e2b_api(op, "GET", got, "/sandboxes/%s", op->id);
}

static void created(struct e2b_op *op, int result)
{
	struct describe *d = (struct describe *)(void *)op;
	bool second = op->p->old_create;

	if (result == 0) {
		created_box(op, &op->http);
		return;
	}
	if (!second && old_path(&op->http, result)) {
		op->p->old_create = true;
		buf_clear(&op->body);
		(void)buf_add(&op->body, d->create.data, d->create.len);
		e2b_api(op, "POST", created, "/sandboxes");
		return;
	}
	if (result == PROVIDER_GONE) /* the template, not a sandbox */
		result = PROVIDER_REFUSED;
	e2b_why(&op->http, op->was_why);
	op->was = result;
	if (op->http.sent && (result < 0 || result == PROVIDER_OFFLINE) &&
	    result != -ECANCELED && e2b_left_ms(op) > 1) {
		e2b_api(op, "GET", searched, "/v2/sandboxes?metadata=fragfsCall%%3D%s&limit=1",
			d->nonce);
		return;
	}
	e2b_end(op, result, op->was_why);
}

int e2b_create(struct provider *base, const struct provider_spec *spec,
	       struct provider_sandbox *ret, struct provider_call *c)
{
	struct e2b *p = e2b_of(base);
	struct provider_sandbox labelled;
	struct describe *d;

	if (spec->cpu_percent || spec->memory_bytes || spec->disk_bytes ||
	    spec->max_processes) {
		(void)snprintf(c->why, sizeof(c->why),
			       "at E2B the size of a sandbox is its template's");
		return PROVIDER_REFUSED;
	}
	if (!provider_labels_set(&labelled, spec->labels)) {
		(void)snprintf(c->why, sizeof(c->why), "labels are K=V, and not so many");
		return PROVIDER_REFUSED;
	}
	d = e2b_op_new(p, c, "", sizeof(*d));
	memcpy(d->labels, labelled.labels, sizeof(d->labels));
	d->ret = ret;
	d->op.deinit = describe_deinit;
	d->life = spec->idle_seconds    ? spec->idle_seconds
		  : spec->total_seconds ? spec->total_seconds
					: E2B_LIFE_SECONDS;
	e2b_boundary(d->nonce);
	(void)snprintf(d->label, sizeof(d->label), "%s", spec->label ? spec->label : "");
	buf_init(&d->create, 1 << 20);
	if (put_create(&d->create, p, spec, d, true) ||
	    put_create(&d->op.body, p, spec, d, p->old_create)) {
		d->op.c->impl = NULL;
		d->op.c = NULL;
		e2b_end(&d->op, 0, NULL);
		return PROVIDER_REFUSED;
	}
	e2b_api(&d->op, "POST", created, p->old_create ? "/sandboxes" : "/v2/sandboxes");
	return 0;
}

/* Waking, sleeping, going, staying. */

static void connected(struct e2b_op *op, int result)
{
	struct json_reply j;
	int r;

	if (!op->p->old_connect && old_path(&op->http, result)) {
		op->p->old_connect = true;
		e2b_api(op, "POST", connected, "/sandboxes/%s/connect", op->id);
		return;
	}
	if (result) {
		e2b_end_api(op, result);
		return;
	}
	e2b_reply(&op->http, &j);
	e2b_box_read(op->p, &j, op->id);
	r = json_reply_fault(&j, "e2b");
	json_reply_close(&j);
	e2b_end(op, r, j.why);
}

int e2b_resume(struct provider *base, const char *id, struct provider_call *c)
{
	struct e2b *p = e2b_of(base);
	struct e2b_op *op;

	if (!e2b_id_good(id))
		return PROVIDER_GONE;
	op = e2b_op_new(p, c, id, sizeof(*op));
	/* without a timeout it would fall back to five minutes */
	(void)buf_fmt(&op->body, "{\"timeout\":%d}", E2B_LIFE_SECONDS);
	e2b_api(op, "POST", connected,
		p->old_connect ? "/sandboxes/%s/connect" : "/v2/sandboxes/%s/connect", id);
	return 0;
}

/* A 409 of pause: is it paused already? */
static void looked(struct e2b_op *op, int result)
{
	struct json_reply j;
	bool paused;

	if (result) {
		e2b_end_api(op, result);
		return;
	}
	e2b_reply(&op->http, &j);
	paused = strcmp(json_reply_str(&j, j.root, "state", ""), "paused") == 0;
	json_reply_close(&j);
	if (paused)
		e2b_end(op, 0, NULL);
	else
		e2b_end(op, PROVIDER_BUSY, op->was_why);
}

static void paused(struct e2b_op *op, int result)
{
	struct e2b_box *box = e2b_box_find(op->p, op->id);

	if (result == 0) {
		if (box)
			box->cold = strstr(op->body.data, "false");
		e2b_end(op, 0, NULL);
		return;
	}
	if (op->http.status != 409) {
		e2b_end_api(op, result);
		return;
	}
	e2b_why(&op->http, op->was_why);
	e2b_api(op, "GET", looked, "/sandboxes/%s", op->id);
}

static int pause_with(struct provider *p, const char *id, const char *body,
		      struct provider_call *c)
{
	struct e2b_op *op;

	if (!e2b_id_good(id))
		return PROVIDER_GONE;
	op = e2b_op_new(e2b_of(p), c, id, sizeof(*op));
	(void)buf_str(&op->body, body);
	e2b_api(op, "POST", paused, "/sandboxes/%s/pause", id);
	return 0;
}

int e2b_pause(struct provider *p, const char *id, struct provider_call *c)
{
	return pause_with(p, id, "{}", c);
}

int e2b_stop(struct provider *p, const char *id, struct provider_call *c)
{
	return pause_with(p, id, "{\"memory\":false}", c);
}

static void deleted(struct e2b_op *op, int result)
{
	if (result && result != PROVIDER_GONE) {
		e2b_end_api(op, result);
		return;
	}
	e2b_box_forget(op->p, op->id);
	e2b_end(op, 0, NULL);
}

int e2b_delete(struct provider *p, const char *id, struct provider_call *c)
{
	struct e2b_op *op;

	if (!e2b_id_good(id))
		return PROVIDER_GONE;
	op = e2b_op_new(e2b_of(p), c, id, sizeof(*op));
	e2b_api(op, "DELETE", deleted, "/sandboxes/%s", id);
	return 0;
}

static void kept(struct e2b_op *op, int result)
{
	/* 409: it does not run */
	if (result == PROVIDER_BUSY && op->http.status == 409)
		result = PROVIDER_ASLEEP;
	if (result)
		e2b_end_api(op, result);
	else
		e2b_end(op, 0, NULL);
}

int e2b_keep_alive(struct provider *p, const char *id, int64_t seconds, struct provider_call *c)
{
	struct e2b_op *op;

	if (!e2b_id_good(id))
		return PROVIDER_GONE;
	if (seconds < 0 || seconds > INT32_MAX)
		return PROVIDER_REFUSED;
	op = e2b_op_new(e2b_of(p), c, id, sizeof(*op));
	(void)buf_fmt(&op->body, "{\"timeout\":%lld}", (long long)seconds);
	e2b_api(op, "POST", kept, "/sandboxes/%s/timeout", id);
	return 0;
}

/* Listing. */

static void listed(struct e2b_op *op, int result);

static void ask_page(struct listing *l)
{
	CLEANUP(buf_deinit) struct buf cursor = {0};

	if (l->op.p->old_list) {
		e2b_api(&l->op, "GET", listed, "/sandboxes?metadata=fragfs%%3D1");
		return;
	}
	buf_init(&cursor, 3 * CURSOR_MAX + 16);
	if (l->cursor[0])
		(void)buf_str(&cursor, "&nextToken=");
	(void)e2b_percent(&cursor, l->cursor);
	e2b_api(&l->op, "GET", listed, "/v2/sandboxes?metadata=fragfs%%3D1&limit=%u%.900s",
		l->page->limit && l->page->limit < 100 ? l->page->limit : 100, cursor.data);
}

/* 0, what the caller's fn said, or -EPROTO. */
static int hand_out(struct listing *l, struct json_reply *j)
{
	if (j->root && !json_is_array(j->root))
		json_reply_bad(j, "list", "is no list");
	for (const struct json *v = j->why[0] ? NULL : json_first(j->root); v;
	     v = json_next(v)) {
		const struct json *meta = json_reply_obj(j, v, "metadata");
		struct provider_sandbox s;
		int r;

		if (strcmp(json_reply_str(j, meta, "fragfs", ""), "1") != 0)
			continue; /* a server that does not filter */
		read_sandbox(l->op.p, j, v, &s);
		if (j->why[0])
			break;
		r = provider_labels_match(&s, l->page->labels) ? l->page->fn(&s, l->page->arg)
							       : 0;
		if (r)
			return r;
	}
	return json_reply_fault(j, "e2b");
}

static void listed(struct e2b_op *op, int result)
{
	struct listing *l = (struct listing *)(void *)op;
	const char *next = http_header(&op->http, "x-next-token");
	struct json_reply j;
	int r;

	if (!op->p->old_list && old_path(&op->http, result)) {
		op->p->old_list = true;
		ask_page(l);
		return;
	}
	if (result) {
		e2b_end_api(op, result);
		return;
	}
	e2b_reply(&op->http, &j);
	r = hand_out(l, &j);
	json_reply_close(&j);
	if (r || !next || !*next || op->p->old_list) {
		e2b_end(op, r, j.why);
		return;
	}
	if (strlen(next) >= sizeof(l->page->next) || strcmp(next, l->cursor) == 0) {
		e2b_end(op, fail(-EPROTO, "e2b: a list that does not end"),
			"a list that does not end");
		return;
	}
	(void)snprintf(l->page->next, sizeof(l->page->next), "%s", next);
	e2b_end(op, 0, NULL);
}

int e2b_list_page(struct provider *p, struct provider_page *page, struct provider_call *c)
{
	struct listing *l = e2b_op_new(e2b_of(p), c, "", sizeof(*l));

	l->page = page;
	(void)snprintf(l->cursor, sizeof(l->cursor), "%s", page->after ? page->after : "");
	ask_page(l);
	return 0;
}
