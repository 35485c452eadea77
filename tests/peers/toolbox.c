/* tests/peers/toolbox.c - Daytona's daemon in a sandbox: its door, its routes, its small answers.
 *
 * The door stands for the vendor's proxy and runner: they authenticate, count a request as activity, and have words
 * of their own for a sandbox that is not running.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tests/peers/answer.h"
#include "tests/peers/connect.h"
#include "tests/peers/daytona.h"
#include "tests/peers/peer_private.h"
#include "tests/peers/route.h"
#include "tests/peers/script.h"
#include "tests/peers/sha256.h"

static const char daytona_home[] = "/home/"
				   "daytona";

void toolbox_error(struct request *r, unsigned status, const char *code, const char *fmt, ...)
{
	char text[1024];
	struct answer a;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	answer_begin(&a, '{');
	json_int_field(&a.out, "statusCode", status);
	json_str_field(&a.out, "message", text);
	json_str_field(&a.out, "code", code);
	answer_time(&a.out, "timestamp", clock_wall(clock_system()));
	json_str_field(&a.out, "path", r->path);
	json_str_field(&a.out, "method", r->method);
	if (!peer_has(r->peer, QUIRK_DAYTONA_S190))
		json_str_field(&a.out, "source", "DAYTONA_DAEMON");
	answer_send(r, &a, '}', status);
}

void toolbox_file_error(struct request *r, unsigned status, const char *code, const char *why)
{
	if (peer_has(r->peer, QUIRK_DAYTONA_S190))
		reply_empty(r, status);
	else
		toolbox_error(r, status, code, "%s", why);
}

bool toolbox_path(struct buf *ret, const char *path)
{
	if (!path || !*path || !strcmp(path, "."))
		return !buf_str(ret, daytona_home);
	if (*path == '/')
		return !buf_str(ret, path);
	while (!strncmp(path, "./", 2))
		path += 2;
	return !buf_fmt(ret, "%s/%s", daytona_home, path);
}

static void send_dir(struct request *r)
{
	struct answer a;

	answer_begin(&a, '{');
	json_str_field(&a.out, "dir", daytona_home);
	answer_send(r, &a, '}', 200);
}

static void version(struct request *r)
{
	struct answer a;

	answer_begin(&a, '{');
	json_str_field(&a.out, "version",
		       peer_has(r->peer, QUIRK_DAYTONA_S190) ? "v0.190.0"
							     : "v" DAYTONA_VERSION);
	answer_send(r, &a, '}', 200);
}

/* The listening TCP ports of a table as /proc/net/tcp has it. */
static void ports(struct request *r)
{
	static const char text[] =
		"cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | "
		"while read -r n local remote state rest; do "
		"[ \"$state\" = 0A ] && echo $((0x${local##*:})); done | sort -nu; exit 0";
	struct buf out;
	struct answer a;

	buf_init(&out, 64 << 10);
	(void)script_run(r->guest, &(struct script){.text = text, .out = &out});
	answer_begin(&a, '{');
	json_key_out(&a.out, "ports");
	json_begin(&a.out, '[');
	for (char *at = out.data, *line; (line = strsep(&at, "\n"));)
		if (*line)
			json_put_int(&a.out, (int64_t)strtoull(line, NULL, 10));
	json_end(&a.out, ']');
	answer_send(r, &a, '}', 200);
	buf_deinit(&out);
}

static void unauthorized(struct request *r)
{
	toolbox_error(r, 401, "UNAUTHORIZED", "unauthorized: Bearer token is invalid");
}

static void no_such_sandbox(struct request *r)
{
	toolbox_error(r, 404, "NOT_FOUND", "sandbox container not found");
}

static void not_running(struct request *r)
{
	if (peer_has(r->peer, QUIRK_DAYTONA_EMPTY_502))
		reply_empty(r, 502);
	else
		toolbox_error(r, 400, "BAD_REQUEST",
			      "bad request: no IP address found. Is the Sandbox started?");
}

/* A signed URL of a file: v1_ and the HMAC of "v1:files:METHOD:path:expires", in base64url. */
static bool is_signed(struct request *r)
{
	const char *path = request_query(r, "path"), *expires = request_query(r, "expires"),
		   *given = request_query(r, "signature");
	int64_t until = request_query_int(r, "expires", 0);
	unsigned char mac[SHA256_LEN];
	char key[GUEST_TOKEN_MAX];
	struct buf text;
	bool ok;

	if (!path || !given || peer_has(r->peer, QUIRK_DAYTONA_S190) ||
	    (strcmp(r->path, "/files/download") && strcmp(r->path, "/files/upload-v2")))
		return false;
	guests_lock(r->guest->all);
	memcpy(key, r->guest->traffic_token, sizeof(key));
	guests_unlock(r->guest->all);
	buf_init(&text, 64 << 10);
	(void)buf_fmt(&text, "v1:files:%s:%s:%s", r->method, path, expires ? expires : "0");
	hmac_sha256(key, strlen(key), text.data, text.len, mac);
	buf_clear(&text);
	(void)buf_str(&text, "v1_");
	(void)base64_encode(&text, mac, sizeof(mac));
	for (char *c = text.data; *c; c++)
		*c = (char)(*c == '+' ? '-' : *c == '/' ? '_' : *c == '=' ? '\0' : *c);
	ok = !strcmp(text.data, given) && (!until || until >= clock_wall(clock_system()));
	buf_deinit(&text);
	return ok;
}

static bool has_preview_token(struct request *r)
{
	const char *token = request_header(r, "X-Daytona-Preview-Token");
	bool ok;

	if (!token)
		token = request_query(r, "DAYTONA_SANDBOX_AUTH_KEY");
	guests_lock(r->guest->all);
	ok = token && !strcmp(token, r->guest->token);
	guests_unlock(r->guest->all);
	return ok;
}

static bool enter(struct request *r)
{
	if (!r->guest)
		request_refuse(r, daytona_knows(r) ? no_such_sandbox : unauthorized);
	else if (!daytona_knows(r) && !has_preview_token(r) && !is_signed(r))
		request_refuse(r, unauthorized);
	else if (guest_state(r->guest) == GUEST_ARCHIVED)
		request_refuse(r, no_such_sandbox);
	else if (guest_state(r->guest) != GUEST_RUNNING)
		request_refuse(r, not_running);
	else {
		if (!request_header(r, "X-Daytona-Skip-Last-Activity-Update"))
			guest_touch(r->guest);
		return true;
	}
	return false;
}

static void unknown_path(struct request *r)
{
	reply_text(r, 404, "404 page not found");
}

static void upload_v2(struct request *r)
{
	if (peer_has(r->peer, QUIRK_DAYTONA_S190))
		unknown_path(r);
	else
		toolbox_upload(r);
}

static const struct route rows[] = {
	{"GET", "/work-dir", send_dir, NULL},
	{"GET", "/user-home-dir", send_dir, NULL},
	{"GET", "/project-dir", send_dir, NULL},
	{"GET", "/version", version, NULL},
	{"GET", "/port", ports, NULL},
	{"GET", "/files", toolbox_list, NULL},
	{"GET", "/files/", toolbox_list, NULL},
	{"DELETE", "/files", toolbox_delete, NULL},
	{"DELETE", "/files/", toolbox_delete, NULL},
	{"GET", "/files/info", toolbox_info, NULL},
	{"GET", "/files/download", toolbox_download, NULL},
	{"POST", "/files/bulk-download", toolbox_bulk_download, NULL},
	{"POST", "/files/bulk-upload", toolbox_bulk_upload, toolbox_feed_bulk},
	{"POST", "/files/upload", toolbox_upload, toolbox_feed_upload},
	{"POST", "/files/upload-v2", upload_v2, toolbox_feed_upload},
	{"POST", "/files/move", toolbox_move, NULL},
	{"POST", "/files/folder", toolbox_folder, NULL},
	{"POST", "/files/permissions", toolbox_permissions, NULL},
	{"GET", "/files/find", toolbox_find, NULL},
	{"GET", "/files/search", toolbox_search, NULL},
	{"POST", "/files/replace", toolbox_replace, NULL},
	{"POST", "/process/execute", toolbox_execute, NULL},
	{"POST", "/process/session", toolbox_session_create, NULL},
	{"GET", "/process/session", toolbox_session_list, NULL},
	{"GET", "/process/session/{}", toolbox_session_get, NULL},
	{"DELETE", "/process/session/{}", toolbox_session_delete, NULL},
	{"POST", "/process/session/{}/exec", toolbox_session_exec, NULL},
	{"GET", "/process/session/{}/command/{}", toolbox_command_get, NULL},
	{"GET", "/process/session/{}/command/{}/logs", toolbox_command_logs, NULL},
	{"POST", "/process/session/{}/command/{}/input", toolbox_command_input, NULL},
	{"POST", "/process/pty", toolbox_pty_create, NULL},
	{"GET", "/process/pty", toolbox_pty_list, NULL},
	{"GET", "/process/pty/create-connect", toolbox_pty_create_connect, NULL},
	{"GET", "/process/pty/{}", toolbox_pty_get, NULL},
	{"DELETE", "/process/pty/{}", toolbox_pty_delete, NULL},
	{"GET", "/process/pty/{}/connect", toolbox_pty_connect, NULL},
	{"POST", "/process/pty/{}/resize", toolbox_pty_resize, NULL},
	{"POST", "/git/clone", toolbox_git_clone, NULL},
	{"POST", "/git/init", toolbox_git_init, NULL},
	{"GET", "/git/status", toolbox_git_status, NULL},
	{"GET", "/git/branches", toolbox_git_branches, NULL},
	{"POST", "/git/branches", toolbox_git_branch_create, NULL},
	{"DELETE", "/git/branches", toolbox_git_branch_delete, NULL},
	{"POST", "/git/checkout", toolbox_git_checkout, NULL},
	{"GET", "/git/history", toolbox_git_history, NULL},
	{"POST", "/git/add", toolbox_git_add, NULL},
	{"POST", "/git/commit", toolbox_git_commit, NULL},
	{"POST", "/git/pull", toolbox_git_pull, NULL},
	{"POST", "/git/push", toolbox_git_push, NULL},
	{"GET", "/git/remotes", toolbox_git_remotes, NULL},
	{"POST", "/git/remotes", toolbox_git_remote_add, NULL},
	{"POST", "/git/reset", toolbox_git_reset, NULL},
	{"POST", "/git/restore", toolbox_git_restore, NULL},
	{"GET", "/git/config", toolbox_git_config_get, NULL},
	{"POST", "/git/config", toolbox_git_config_set, NULL},
	{"POST", "/git/config/user", toolbox_git_config_user, NULL},
};

const struct plane toolbox_plane = {
	.routes = {rows, sizeof(rows) / sizeof(rows[0])},
	.enter = enter,
	.unknown_path = unknown_path,
	.wrong_method = unknown_path,
};
