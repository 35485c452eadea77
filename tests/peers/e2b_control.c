/* tests/peers/e2b_control.c - E2B's control plane: making, finding and ending sandboxes.
 *
 * Everything is secured: create and connect give a token that envd asks for. Time runs from create, connect or
 * a timeout call; activity does not extend it. There are no templates: any name gets the same system.
 */
#include "tests/peers/e2b.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "tests/peers/answer.h"
#include "tests/peers/peer_private.h"
#include "tests/peers/route.h"

enum { MAX_TIMEOUT_S = 86400, V1_TIMEOUT_S = 15, V2_TIMEOUT_S = 300, MIN_RESUME_S = 300 };

void e2b_error(struct request *r, unsigned status, const char *fmt, ...)
{
	char text[1024];
	struct answer a;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	answer_begin(&a, '{');
	json_int_field(&a.out, "code", status);
	json_str_field(&a.out, "message", text);
	answer_send(r, &a, '}', status);
}

static void missing_sandbox(struct request *r)
{
	e2b_error(r, 404, "Sandbox \"%s\" doesn't exist or you don't have access to it",
		  r->args[0]);
}

const char *e2b_envd_version(const struct peer *p)
{
	return peer_has(p, QUIRK_E2B_OLD_ENVD) ? "0.4.0" : "0.6.13";
}

static void put_sandbox(struct json_out *o, const struct peer *p, struct guest *g)
{
	const char *template = "base";

	(void)json_get_str(g->spec, "templateID", &template);
	json_str_field(o, "templateID", template);
	json_str_field(o, "sandboxID", g->id);
	json_str_field(o, "clientID", "6532622b");
	json_str_field(o, "envdVersion", e2b_envd_version(p));
	json_str_field(o, "envdAccessToken", g->token);
	json_str_field(o, "trafficAccessToken", g->private_traffic ? g->traffic_token : NULL);
	json_str_field(o, "domain", NULL);
}

static void send_sandbox(struct request *r, struct guest *g, unsigned status)
{
	struct answer a;

	answer_begin(&a, '{');
	put_sandbox(&a.out, r->peer, g);
	answer_send(r, &a, '}', status);
}

struct wish {
	int64_t timeout_s;
	bool pause, resume, network, private_traffic;
};

static void settle(struct guest *g, void *arg)
{
	const struct wish *w = arg;

	guest_random(g->token, 64);
	guest_random(g->traffic_token, 64);
	g->expires = clock_now(clock_system()) + w->timeout_s * 1000;
	g->pause_at_expiry = w->pause;
	g->auto_resume = w->resume;
	g->private_traffic = w->private_traffic;
}

static bool timeout_ok(struct request *r, int64_t s)
{
	if (s <= 0)
		e2b_error(r, 400, "Timeout must be greater than 0");
	else if (s > MAX_TIMEOUT_S)
		e2b_error(r, 400, "Timeout cannot be greater than 24 hours");
	return s > 0 && s <= MAX_TIMEOUT_S;
}

static bool read_wish(struct request *r, const struct json *doc, struct wish *w)
{
	const struct json *inner;
	bool public = true;
	const char *template;

	if (!doc || json_get_str(doc, "templateID", &template)) {
		e2b_error(r, 400, "validation error: templateID is missing");
		return false;
	}
	if (!strcmp(template, "missing-template")) {
		e2b_error(r, 404, "template 'missing-template' not found");
		return false;
	}
	if (json_get_int(doc, "timeout", &w->timeout_s) == JSON_BAD ||
	    json_get_bool(doc, "autoPause", &w->pause) == JSON_BAD) {
		e2b_error(r, 400, "validation error: a field has the wrong type");
		return false;
	}
	(void)json_get_bool(doc, "allow_internet_access", &w->network);
	if (!json_get(doc, "autoResume", &inner))
		(void)json_get_bool(inner, "enabled", &w->resume);
	if (!json_get(doc, "network", &inner))
		(void)json_get_bool(inner, "allowPublicTraffic", &public);
	w->private_traffic = !public;
	return timeout_ok(r, w->timeout_s);
}

static void do_create(struct request *r, int64_t default_s)
{
	const struct json *doc = request_json(r), *vars = NULL;
	struct wish w = {.timeout_s = default_s, .network = true};
	struct guest *g = NULL;
	char id[GUEST_ID_MAX] = "i", id_var[64], why[PROVIDER_WHY_MAX] = "";
	const char *const own[] = {"HOME=/home/user",  "USER=user", "LOGNAME=user",
				   "E2B_SANDBOX=true", id_var,      NULL};
	struct guest_new n = {.vendor = GUEST_E2B, .id = id, .init = settle, .arg = &w};
	char **env;
	int err;

	if (!read_wish(r, doc, &w))
		return;
	guest_random(id + 1, 20);
	(void)snprintf(id_var, sizeof(id_var), "E2B_SANDBOX_ID=%s", id);
	(void)json_get(doc, "envVars", &vars);
	env = answer_env(vars, own);
	n.env = (const char *const *)env;
	n.spec = r->json;
	n.allow_network = w.network;
	err = guest_create(r->peer->guests, &n, &g, why);
	answer_env_free(env);
	if (err) {
		e2b_error(r, err == GUEST_FULL ? 429 : 500, "Failed to create sandbox: %s",
			  why);
		return;
	}
	r->json = NULL; /* the guest's now */
	send_sandbox(r, g, 201);
	guest_unref(g);
}

static void create(struct request *r)
{
	do_create(r, V2_TIMEOUT_S);
}

static void create_v1(struct request *r)
{
	do_create(r, V1_TIMEOUT_S);
}

static struct guest *wanted(struct request *r)
{
	/* "id-clientID" is an older spelling. */
	char *dash = strchr(r->args[0], '-');
	struct guest *g;

	if (dash)
		*dash = '\0';
	g = guest_find(r->peer->guests, GUEST_E2B, r->args[0], false);
	if (!g)
		missing_sandbox(r);
	return g;
}

bool e2b_wake(struct guest *g)
{
	if (guest_state(g) == GUEST_PAUSED && g->auto_resume)
		(void)guest_wake(g, MIN_RESUME_S * 1000);
	return guest_state(g) == GUEST_RUNNING;
}

static void connect_to(struct request *r)
{
	const struct json *doc = request_json(r);
	int64_t timeout = V2_TIMEOUT_S, left;
	struct guest *g;
	int err;

	if (doc)
		(void)json_get_int(doc, "timeout", &timeout);
	if (!timeout_ok(r, timeout) || !(g = wanted(r)))
		return;
	err = guest_wake(g, timeout * 1000);
	left = guest_left_ms(g);
	if (err == GUEST_BUSY)
		e2b_error(r, 409, "Sandbox is changing its state");
	else if (err && err != GUEST_WRONG_STATE)
		missing_sandbox(r);
	else {
		/* On a running one it only extends. */
		if (err && timeout * 1000 > left)
			guest_set_expiry(g, timeout * 1000);
		send_sandbox(r, g, err ? 200 : 201);
	}
	guest_unref(g);
}

static void resume(struct request *r)
{
	const struct json *doc = request_json(r);
	int64_t timeout = V1_TIMEOUT_S;
	struct guest *g;

	if (!r->body.len || !doc) {
		e2b_error(r, 400, "validation error: request body is required");
		return;
	}
	(void)json_get_int(doc, "timeout", &timeout);
	if (!timeout_ok(r, timeout) || !(g = wanted(r)))
		return;
	if (guest_wake(g, timeout * 1000))
		e2b_error(r, 409, "Sandbox %s is already running", g->id);
	else
		send_sandbox(r, g, 201);
	guest_unref(g);
}

static void get(struct request *r)
{
	struct guest *g = wanted(r);
	struct answer a;

	if (!g)
		return;
	answer_begin(&a, '{');
	e2b_describe(&a.out, r->peer, g);
	json_str_field(&a.out, "envdAccessToken", g->token);
	json_str_field(&a.out, "domain", NULL);
	json_key_out(&a.out, "lifecycle");
	json_begin(&a.out, '{');
	json_bool_field(&a.out, "autoResume", g->auto_resume);
	json_str_field(&a.out, "onTimeout", g->pause_at_expiry ? "pause" : "kill");
	json_end(&a.out, '}');
	answer_send(r, &a, '}', 200);
	guest_unref(g);
}

static void kill_it(struct request *r)
{
	struct guest *g = wanted(r);
	int err;

	if (!g)
		return;
	err = guest_delete(g);
	if (err == GUEST_BUSY)
		e2b_error(r, 409, "Sandbox is changing its state");
	else if (err == GUEST_GONE)
		missing_sandbox(r);
	else if (err < 0)
		e2b_error(r, 500, "Failed to kill sandbox");
	else
		reply_empty(r, 204);
	guest_unref(g);
}

static void pause_it(struct request *r)
{
	struct guest *g = wanted(r);
	int err;

	if (!g)
		return;
	err = guest_change(g, GUEST_PAUSED);
	if (err == GUEST_WRONG_STATE || err == GUEST_BUSY)
		e2b_error(r, 409, "Sandbox '%s' is already paused", g->id);
	else if (err)
		e2b_error(r, 500, "Error pausing sandbox");
	else
		reply_empty(r, 204);
	guest_unref(g);
}

static void set_timeout(struct request *r)
{
	const struct json *doc = request_json(r);
	int64_t s = -1;
	struct guest *g;

	if (!doc || json_get_int(doc, "timeout", &s) || s < 0 || s > MAX_TIMEOUT_S) {
		e2b_error(r, 400, "validation error: timeout must be a number of seconds");
		return;
	}
	g = wanted(r);
	if (!g)
		return;
	if (guest_state(g) != GUEST_RUNNING) {
		e2b_error(r, 409, "Sandbox '%s' is not running", g->id);
	} else {
		guest_set_expiry(g, s * 1000);
		reply_empty(r, 204);
	}
	guest_unref(g);
}

static void refresh(struct request *r)
{
	const struct json *doc = request_json(r);
	int64_t s = 15, left;
	struct guest *g;

	if (doc)
		(void)json_get_int(doc, "duration", &s);
	if (s < 0 || s > 3600) {
		e2b_error(r, 400, "validation error: duration must be 0 to 3600");
		return;
	}
	g = wanted(r);
	if (!g)
		return;
	s = s < 15 ? 15 : s;
	left = guest_left_ms(g);
	if (s * 1000 > left)
		guest_set_expiry(g, s * 1000);
	reply_empty(r, 204);
	guest_unref(g);
}

static void health(struct request *r)
{
	reply_empty(r, 204);
}

static void unauthorized(struct request *r)
{
	const char *key = request_header(r, "X-API-Key");

	e2b_error(r, 401, "%s",
		  key ? "Invalid API key, please visit https://e2b.dev/docs/api-key for more "
			"information."
		      : "authorization header is missing");
}

static void throttled(struct request *r)
{
	static const char text[] = "{\"code\":429,\"message\":\"Rate limit exceeded\"}";
	static const char *const headers[] = {"Retry-After", "1", "RateLimit-Remaining", "0",
					      NULL};

	reply_bytes(
		r,
		&(struct reply){.status = 429, .type = "application/json", .headers = headers},
		text, sizeof(text) - 1);
}

static void no_v2(struct request *r)
{
	if (!strcmp(r->path, "/v2/sandboxes"))
		e2b_error(r, 405, "method not allowed");
	else
		e2b_error(r, 404, "no matching operation was found");
}

static bool enter(struct request *r)
{
	const char *key = request_header(r, "X-API-Key");

	if (r->handle == health)
		return true;
	if (!key || strcmp(key, r->peer->e2b_key))
		request_refuse(r, unauthorized);
	else if (peer_has(r->peer, QUIRK_THROTTLE) &&
		 atomic_fetch_add(&r->peer->n_control, 1) % 2)
		request_refuse(r, throttled);
	else if (peer_has(r->peer, QUIRK_E2B_NO_V2) && !strncmp(r->path, "/v2/", 4) &&
		 strcmp(r->method, "GET"))
		request_refuse(r, no_v2);
	else
		return true;
	return false;
}

static void unknown_path(struct request *r)
{
	e2b_error(r, 404, "no matching operation was found");
}

static void wrong_method(struct request *r)
{
	e2b_error(r, 405, "method not allowed");
}

static const struct route rows[] = {
	{"POST", "/v2/sandboxes", create, NULL},
	{"GET", "/v2/sandboxes", e2b_list, NULL},
	{"POST", "/sandboxes", create_v1, NULL},
	{"GET", "/sandboxes", e2b_list_v1, NULL},
	{"POST", "/v2/sandboxes/{}/connect", connect_to, NULL},
	{"POST", "/sandboxes/{}/connect", connect_to, NULL},
	{"POST", "/sandboxes/{}/resume", resume, NULL},
	{"GET", "/sandboxes/{}", get, NULL},
	{"DELETE", "/sandboxes/{}", kill_it, NULL},
	{"POST", "/sandboxes/{}/pause", pause_it, NULL},
	{"POST", "/sandboxes/{}/timeout", set_timeout, NULL},
	{"POST", "/sandboxes/{}/refreshes", refresh, NULL},
	{"GET", "/sandboxes/{}/metrics", e2b_metrics, NULL},
	{"GET", "/health", health, NULL},
};

const struct plane e2b_control_plane = {
	.routes = {rows, sizeof(rows) / sizeof(rows[0])},
	.enter = enter,
	.unknown_path = unknown_path,
	.wrong_method = wrong_method,
};
