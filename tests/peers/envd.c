/* tests/peers/envd.c - E2B's daemon in a sandbox: its door, its routes, its small answers.
 *
 * The door stands for the vendor's proxy too: a sandbox that is unknown or asleep answers 502 with a JSON body, a
 * streaming method called as unary (or the reverse) 415 without one.
 */
#include "tests/peers/envd.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "tests/peers/answer.h"
#include "tests/peers/connect.h"
#include "tests/peers/e2b.h"
#include "tests/peers/peer_private.h"
#include "tests/peers/route.h"

static const char user_home[] = "/home/"
				"user";

bool envd_path(struct buf *ret, const char *path)
{
	if (!path || !*path || !strcmp(path, "~"))
		return !buf_str(ret, user_home);
	if (!strncmp(path, "~/", 2))
		return !buf_fmt(ret, "%s/%s", user_home, path + 2);
	if (*path == '~')
		return false;
	if (*path == '/')
		return !buf_str(ret, path);
	return !buf_fmt(ret, "%s/%s", user_home, path);
}

static void health(struct request *r)
{
	static const char *const headers[] = {"Cache-Control", "no-store", NULL};

	reply_bytes(r, &(struct reply){.status = 204, .headers = headers}, NULL, 0);
}

static void envs(struct request *r)
{
	const struct json *vars = NULL;
	struct answer a;

	(void)json_get(r->guest->spec, "envVars", &vars);
	answer_begin(&a, '{');
	json_str_field(&a.out, "E2B_SANDBOX", "true");
	json_str_field(&a.out, "E2B_SANDBOX_ID", r->guest->id);
	for (const struct json *v = vars ? json_first(vars) : NULL; v; v = json_next(v))
		if (json_str(v))
			json_str_field(&a.out, json_key(v), json_str(v));
	answer_send(r, &a, '}', 200);
}

static void not_here(struct request *r)
{
	struct answer a;

	answer_begin(&a, '{');
	json_str_field(&a.out, "sandboxId", request_header(r, "E2b-Sandbox-Id"));
	json_str_field(&a.out, "message", "The sandbox was not found");
	json_int_field(&a.out, "code", 502);
	answer_send(r, &a, '}', 502);
}

static void unauthorized(struct request *r)
{
	e2b_error(r, 401,
		  "unauthorized access, please provide a valid access token or method signing "
		  "if supported");
}

static void gateway_page(struct request *r)
{
	static const char page[] = "<html><body><h1>502 Bad Gateway</h1></body></html>";

	reply_bytes(r, &(struct reply){.status = 502, .type = "text/html"}, page,
		    sizeof(page) - 1);
}

static void wrong_type(struct request *r)
{
	static const char *const headers[] = {
		"Accept-Post", "application/connect+json, application/json", NULL};

	reply_bytes(r, &(struct reply){.status = 415, .headers = headers}, NULL, 0);
}

static bool is_stream(const struct request *r)
{
	return r->handle == envd_start || r->handle == envd_connect;
}

/* Unary calls say application/json, streams application/connect+json. */
static bool type_fits(struct request *r)
{
	const char *type = request_header(r, MHD_HTTP_HEADER_CONTENT_TYPE),
		   *want = is_stream(r) ? "application/connect+json" : "application/json";

	if (strncmp(r->path, "/process.", 9) && strncmp(r->path, "/filesystem.", 12))
		return true;
	return type && strcspn(type, "; ") == strlen(want) &&
	       !strncmp(type, want, strlen(want));
}

static bool enter(struct request *r)
{
	const char *token = request_header(r, "X-Access-Token");

	if (peer_has(r->peer, QUIRK_E2B_BAD_GATEWAY) &&
	    atomic_fetch_add(&r->peer->n_envd, 1) % 3 == 2) {
		request_refuse(r, gateway_page);
		return false;
	}
	if (!r->guest || !e2b_wake(r->guest)) {
		request_refuse(r, not_here);
		return false;
	}
	if (r->handle == health || !strcmp(r->path, "/files"))
		return true; /* these look at tokens and signatures themselves */
	if (!token || strcmp(token, r->guest->token))
		request_refuse(r, unauthorized);
	else if (!type_fits(r))
		request_refuse(r, wrong_type);
	else
		return true;
	return false;
}

static void unknown_path(struct request *r)
{
	reply_text(r, 404, "404 page not found\n");
}

static void wrong_method(struct request *r)
{
	reply_empty(r, 405);
}

static const struct route rows[] = {
	{"GET", "/health", health, NULL},
	{"GET", "/metrics", envd_metrics, NULL},
	{"GET", "/envs", envs, NULL},
	{"GET", "/files", envd_get_file, NULL},
	{"POST", "/files", envd_post_files, envd_feed_files},
	{"POST", "/files/compose", envd_compose, NULL},
	{"POST", "/filesystem.Filesystem/Stat", envd_stat, NULL},
	{"POST", "/filesystem.Filesystem/MakeDir", envd_make_dir, NULL},
	{"POST", "/filesystem.Filesystem/Move", envd_move, NULL},
	{"POST", "/filesystem.Filesystem/ListDir", envd_list_dir, NULL},
	{"POST", "/filesystem.Filesystem/Remove", envd_remove, NULL},
	{"POST", "/process.Process/Start", envd_start, NULL},
	{"POST", "/process.Process/Connect", envd_connect, NULL},
	{"POST", "/process.Process/List", envd_list, NULL},
	{"POST", "/process.Process/Update", envd_update, NULL},
	{"POST", "/process.Process/SendInput", envd_send_input, NULL},
	{"POST", "/process.Process/SendSignal", envd_send_signal, NULL},
	{"POST", "/process.Process/CloseStdin", envd_close_stdin, NULL},
};

const struct plane envd_plane = {
	.routes = {rows, sizeof(rows) / sizeof(rows[0])},
	.enter = enter,
	.unknown_path = unknown_path,
	.wrong_method = wrong_method,
};
