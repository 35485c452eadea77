/* tests/peers/daytona_control.c - Daytona's control plane: making sandboxes and walking them through their states.
 *
 * A sandbox is a container here: what only virtual machines can do (pause, fork) is 422. Which calls answer
 * 201 and which 200 is as the last public server did; clients take any 2xx.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tests/peers/answer.h"
#include "tests/peers/daytona.h"
#include "tests/peers/peer_private.h"
#include "tests/peers/route.h"

enum { STOP_MINUTES = 15, ARCHIVE_MINUTES = 10080, ARCHIVE_MAX = 43200, DELETE_OFF = -1 };

static const char *reason(unsigned status)
{
	return MHD_get_reason_phrase_for(status);
}

void daytona_error(struct request *r, unsigned status, const char *fmt, ...)
{
	char text[1024], path[512];
	struct answer a;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)snprintf(path, sizeof(path), "/api%.400s", r->path);
	answer_begin(&a, '{');
	json_str_field(&a.out, "path", path);
	answer_time(&a.out, "timestamp", clock_wall(clock_system()));
	json_int_field(&a.out, "statusCode", status);
	json_str_field(&a.out, "error", reason(status));
	json_str_field(&a.out, "message", text);
	if (!peer_has(r->peer, QUIRK_DAYTONA_S190))
		json_str_field(&a.out, "source", "DAYTONA_API");
	answer_send(r, &a, '}', status);
}

struct guest *daytona_wanted(struct request *r, bool by_name)
{
	struct guest *g = guest_find(r->peer->guests, GUEST_DAYTONA, r->args[0], by_name);

	if (g) {
		guests_lock(g->all);
		g->seen = true;
		guests_unlock(g->all);
	} else {
		daytona_error(r, 404, "Sandbox with ID or name %s not found", r->args[0]);
	}
	return g;
}

struct wish {
	const struct json *doc;
	int64_t minute_ms;
};

static void settle(struct guest *g, void *arg)
{
	const struct wish *w = arg;
	int64_t ttl = 0;

	g->stop_minutes = STOP_MINUTES;
	g->archive_minutes = ARCHIVE_MINUTES;
	g->delete_minutes = DELETE_OFF;
	(void)json_get_int(w->doc, "autoStopInterval", &g->stop_minutes);
	(void)json_get_int(w->doc, "autoArchiveInterval", &g->archive_minutes);
	(void)json_get_int(w->doc, "autoDeleteInterval", &g->delete_minutes);
	(void)json_get_int(w->doc, "ttlMinutes", &ttl);
	(void)json_get_bool(w->doc, "public", &g->is_public);
	if (!g->archive_minutes)
		g->archive_minutes = ARCHIVE_MAX;
	g->idle_ms = g->stop_minutes * w->minute_ms;
	g->delete_at_stop = !g->delete_minutes;
	if (ttl > 0)
		g->expires = clock_now(clock_system()) + ttl * w->minute_ms;
	guest_random(g->token, 32);
	guest_random(g->traffic_token, 48); /* signs URLs */
}

/* A version 4 UUID. */
static void make_id(char id[GUEST_ID_MAX])
{
	char digits[33];

	guest_random(digits, 32);
	for (char *c = digits; *c; c++)
		if (*c > 'f')
			*c = "0123456789abcdef"[*c % 16];
	digits[12] = '4';
	digits[16] = '8';
	(void)snprintf(id, GUEST_ID_MAX, "%.8s-%.4s-%.4s-%.4s-%.12s", digits, digits + 8,
		       digits + 12, digits + 16, digits + 20);
}

/* The words of a refusal, or NULL. */
static const char *wrong_wish(const struct json *doc)
{
	static const char *const sizes[] = {"cpu", "memory", "disk", "gpu"};
	const char *snapshot = NULL;
	const struct json *build, *size;
	int64_t minutes = 0;

	(void)json_get_str(doc, "snapshot", &snapshot);
	if (snapshot && !json_get(doc, "buildInfo", &build))
		return "Cannot specify both a snapshot and build information";
	if (snapshot && strncmp(snapshot, "default", 7) && strncmp(snapshot, "daytona", 7))
		return "Snapshot not found. Did you add it through the Daytona Dashboard?";
	for (size_t i = 0; snapshot && i < sizeof(sizes) / sizeof(sizes[0]); i++)
		if (!json_get(doc, sizes[i], &size))
			return "Cannot specify Sandbox resources when using a snapshot";
	if (json_get_int(doc, "autoStopInterval", &minutes) == JSON_BAD || minutes < 0)
		return "autoStopInterval must not be less than 0";
	return NULL;
}

static void create(struct request *r)
{
	const struct json *doc = request_json(r), *vars = NULL;
	static const char *const own[] = {"HOME=/home/daytona", "USER=daytona",
					  "LOGNAME=daytona", NULL};
	struct wish w = {.doc = doc, .minute_ms = r->peer->minute_ms};
	char id[GUEST_ID_MAX], why[PROVIDER_WHY_MAX] = "";
	struct guest_new n = {.vendor = GUEST_DAYTONA, .id = id, .init = settle, .arg = &w};
	bool blocked = false;
	struct guest *g = NULL;
	char **env;
	int err;

	if (!doc || wrong_wish(doc)) {
		daytona_error(r, 400, "%s", doc ? wrong_wish(doc) : "the body is no JSON");
		return;
	}
	make_id(id);
	(void)json_get_str(doc, "name", &n.name);
	(void)json_get(doc, "env", &vars);
	(void)json_get_bool(doc, "networkBlockAll", &blocked);
	env = answer_env(vars, own);
	n.env = (const char *const *)env;
	n.spec = r->json;
	n.allow_network = !blocked;
	err = guest_create(r->peer->guests, &n, &g, why);
	answer_env_free(env);
	if (err) {
		daytona_error(r, err == GUEST_NAME_TAKEN ? 409 : 400, "%s",
			      err == GUEST_NAME_TAKEN ? "Sandbox with this name already exists"
			      : err == GUEST_FULL     ? "Sandbox limit exceeded"
						      : why);
		return;
	}
	r->json = NULL; /* the guest's now */
	daytona_send(r, g, 200, peer_has(r->peer, QUIRK_DAYTONA_CREATING) ? "creating" : NULL);
	guest_unref(g);
}

static void get(struct request *r)
{
	struct guest *g = daytona_wanted(r, true);

	if (!g)
		return;
	daytona_send(r, g, 200, NULL);
	guest_unref(g);
}

/* Settles what changing a state came to; true when it worked. */
static bool settled(struct request *r, int err, const char *wrong)
{
	if (err == GUEST_WRONG_STATE)
		daytona_error(r, 400, "%s", wrong);
	else if (err == GUEST_BUSY)
		daytona_error(r, 409, "Sandbox state change in progress");
	else if (err == GUEST_GONE)
		daytona_error(r, 404, "Sandbox not found");
	else if (err)
		daytona_error(r, 500, "Something went wrong");
	return !err;
}

static void start(struct request *r)
{
	struct guest *g = daytona_wanted(r, true);
	int err;

	if (!g)
		return;
	err = guest_change(g, GUEST_RUNNING);
	if (!err) {
		/* A start gives a new token to previews. */
		guests_lock(g->all);
		guest_random(g->token, 32);
		guests_unlock(g->all);
	}
	/* Started already: 200, unchanged. */
	if (err == GUEST_WRONG_STATE || settled(r, err, ""))
		daytona_send(r, g, 200, NULL);
	guest_unref(g);
}

static void stop(struct request *r)
{
	struct guest *g = daytona_wanted(r, true);
	bool last;

	if (!g)
		return;
	guests_lock(g->all);
	last = g->delete_at_stop;
	guests_unlock(g->all);
	if (last && settled(r, guest_delete(g), ""))
		daytona_send(r, g, 200, "destroying");
	else if (!last && settled(r, guest_change(g, GUEST_STOPPED), "Sandbox is not started"))
		daytona_send(r, g, 200, NULL);
	guest_unref(g);
}

static void archive(struct request *r)
{
	struct guest *g = daytona_wanted(r, true);

	if (!g)
		return;
	if (settled(r, guest_change(g, GUEST_ARCHIVED), "Sandbox is not stopped"))
		daytona_send(r, g, 200, NULL);
	guest_unref(g);
}

static void delete_it(struct request *r)
{
	struct guest *g = daytona_wanted(r, true);

	if (!g)
		return;
	if (settled(r, guest_delete(g), ""))
		daytona_send(r, g, 200, "destroying");
	guest_unref(g);
}

static void for_machines_only(struct request *r)
{
	struct guest *g = daytona_wanted(r, true);

	if (g)
		daytona_error(r, 422, "Operation is not supported for container sandboxes");
	guest_unref(g);
}

static void recover(struct request *r)
{
	struct guest *g = daytona_wanted(r, true);

	if (g)
		daytona_error(r, 400, "Sandbox must be in error state to recover");
	guest_unref(g);
}

static void config(struct request *r)
{
	struct answer a;
	char url[96];

	(void)snprintf(url, sizeof(url), "%s/toolbox", r->peer->url);
	answer_begin(&a, '{');
	json_str_field(&a.out, "version",
		       peer_has(r->peer, QUIRK_DAYTONA_S190) ? "0.190.0" : DAYTONA_VERSION);
	json_str_field(&a.out, "proxyToolboxUrl", url);
	json_str_field(&a.out, "defaultSnapshot", "default");
	json_int_field(&a.out, "maxAutoArchiveInterval", ARCHIVE_MAX);
	json_bool_field(&a.out, "maintananceMode", false);
	json_str_field(&a.out, "environment", "local");
	answer_send(r, &a, '}', 200);
}

static void current_key(struct request *r)
{
	struct answer a;

	answer_begin(&a, '{');
	json_str_field(&a.out, "name", "local");
	json_str_field(&a.out, "value", "dtn_********");
	json_key_out(&a.out, "permissions");
	json_begin(&a.out, '[');
	json_put_str(&a.out, "write:sandboxes");
	json_put_str(&a.out, "delete:sandboxes");
	json_end(&a.out, ']');
	answer_send(r, &a, '}', 200);
}

static void health(struct request *r)
{
	reply_bytes(r, &(struct reply){.status = 200, .type = "application/json"},
		    "{\"status\":\"ok\"}", 15);
}

static void unauthorized(struct request *r)
{
	daytona_error(r, 401, "Invalid credentials");
}

static void throttled(struct request *r)
{
	static const char text[] = "{\"statusCode\":429,\"error\":\"Too Many "
				   "Requests\",\"message\":\"Rate limit exceeded\"}";
	static const char *const headers[] = {"Retry-After-authenticated", "1", "Retry-After",
					      "1", NULL};

	reply_bytes(
		r,
		&(struct reply){.status = 429, .type = "application/json", .headers = headers},
		text, sizeof(text) - 1);
}

bool daytona_knows(struct request *r)
{
	const char *auth = request_header(r, MHD_HTTP_HEADER_AUTHORIZATION);

	return auth && !strncmp(auth, "Bearer ", 7) && !strcmp(auth + 7, r->peer->daytona_key);
}

static bool enter(struct request *r)
{
	if (r->handle == health || r->handle == config)
		return true;
	if (!daytona_knows(r))
		request_refuse(r, unauthorized);
	else if (peer_has(r->peer, QUIRK_THROTTLE) &&
		 atomic_fetch_add(&r->peer->n_control, 1) % 2)
		request_refuse(r, throttled);
	else
		return true;
	return false;
}

static void unknown_path(struct request *r)
{
	daytona_error(r, 404, "Cannot %s /api%s", r->method, r->path);
}

static const struct route rows[] = {
	{"POST", "/sandbox", create, NULL},
	{"GET", "/sandbox", daytona_list, NULL},
	{"GET", "/sandbox/paginated", daytona_list_pages, NULL},
	{"GET", "/sandbox/{}", get, NULL},
	{"DELETE", "/sandbox/{}", delete_it, NULL},
	{"POST", "/sandbox/{}/start", start, NULL},
	{"POST", "/sandbox/{}/stop", stop, NULL},
	{"POST", "/sandbox/{}/pause", for_machines_only, NULL},
	{"POST", "/sandbox/{}/fork", for_machines_only, NULL},
	{"POST", "/sandbox/{}/archive", archive, NULL},
	{"POST", "/sandbox/{}/recover", recover, NULL},
	{"PUT", "/sandbox/{}/labels", daytona_set_labels, NULL},
	{"POST", "/sandbox/{}/autostop/{}", daytona_set_autostop, NULL},
	{"POST", "/sandbox/{}/autoarchive/{}", daytona_set_autoarchive, NULL},
	{"POST", "/sandbox/{}/autodelete/{}", daytona_set_autodelete, NULL},
	{"POST", "/sandbox/{}/ttl/{}", daytona_set_ttl, NULL},
	{"POST", "/sandbox/{}/public/{}", daytona_set_public, NULL},
	{"POST", "/sandbox/{}/network-settings", daytona_set_network, NULL},
	{"POST", "/sandbox/{}/last-activity", daytona_touch, NULL},
	{"GET", "/sandbox/{}/ports/{}/preview-url", daytona_preview_url, NULL},
	{"GET", "/sandbox/{}/ports/{}/signed-preview-url", daytona_signed_preview_url, NULL},
	{"POST", "/sandbox/{}/ports/{}/signed-preview-url/{}/expire",
	 daytona_expire_preview_url, NULL},
	{"GET", "/sandbox/{}/toolbox-proxy-url", daytona_toolbox_url, NULL},
	{"GET", "/sandbox/{}/signing-key", daytona_signing_key, NULL},
	{"POST", "/sandbox/{}/signing-key/rotate", daytona_rotate_signing_key, NULL},
	{"GET", "/config", config, NULL},
	{"GET", "/api-keys/current", current_key, NULL},
	{"GET", "/health", health, NULL},
};

const struct plane daytona_control_plane = {
	.routes = {rows, sizeof(rows) / sizeof(rows[0])},
	.enter = enter,
	.unknown_path = unknown_path,
	.wrong_method = unknown_path,
};
