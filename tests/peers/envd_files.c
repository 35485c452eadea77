/* tests/peers/envd_files.c - envd's GET and POST /files.
 *
 * These two know more than the token: a URL may carry a signature instead. A body is a file (octet-stream) or many
 * (multipart, parts named `file`, the whole path as file name); its bytes go into the sandbox as they come.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/json.h"
#include "tests/peers/answer.h"
#include "tests/peers/connect.h"
#include "tests/peers/e2b.h"
#include "tests/peers/entries.h"
#include "tests/peers/envd.h"
#include "tests/peers/multipart.h"
#include "tests/peers/peer_private.h"
#include "tests/peers/script.h"
#include "tests/peers/sha256.h"
#include "tests/peers/transfer.h"

enum { FILES_MAX = 4096 };

/* base64(SHA-256(path:operation:user:token[:expiry])) without padding behind "v1_". */
static bool signature_fits(struct request *r, const char *operation)
{
	const char *path = request_query(r, "path"), *user = request_query(r, "username"),
		   *expiry = request_query(r, "signature_expiration"),
		   *given = request_query(r, "signature");
	unsigned char digest[SHA256_LEN];
	struct buf text;
	bool ok;

	buf_init(&text, 64 << 10);
	(void)buf_fmt(&text, "%s:%s:%s:%s", path ? path : "", operation, user ? user : "",
		      r->guest->token);
	if (expiry && *expiry)
		(void)buf_fmt(&text, ":%s", expiry);
	sha256(text.data, text.len, digest);
	buf_clear(&text);
	(void)buf_str(&text, "v1_");
	(void)base64_encode(&text, digest, sizeof(digest));
	while (text.len && text.data[text.len - 1] == '=')
		text.data[--text.len] = '\0';
	ok = !strcmp(text.data, given);
	buf_deinit(&text);
	return ok;
}

/* The words of a refusal, or NULL. */
static const char *closed_door(struct request *r, const char *operation)
{
	const char *token = request_header(r, "X-Access-Token"),
		   *expiry = request_query(r, "signature_expiration");

	if (token)
		return strcmp(token, r->guest->token)
			       ? "unauthorized access, please provide a valid access token or "
				 "method signing if supported"
			       : NULL;
	if (!request_query(r, "signature"))
		return "missing signature query parameter";
	if (!signature_fits(r, operation))
		return "invalid signature";
	if (expiry && *expiry &&
	    (int64_t)strtoull(expiry, NULL, 10) < clock_wall(clock_system()))
		return "signature is already expired";
	return NULL;
}

static bool user_known(const char *name)
{
	return !name || !*name || !strcmp(name, "user") || !strcmp(name, "root");
}

static void refuse(struct request *r, int err, const char *why)
{
	static const unsigned statuses[] = {404, 400, 400, 409, 500};

	if (err == SCRIPT_ASLEEP)
		e2b_error(r, 502, "The sandbox was not found");
	else if (err >= SCRIPT_MISSING && err <= SCRIPT_IN_THE_WAY)
		e2b_error(r, statuses[err - SCRIPT_MISSING], "%s", why);
	else
		e2b_error(r, strstr(why, "No space") ? 507 : 500, "%s", why);
}

void envd_get_file(struct request *r)
{
	const char *door = closed_door(r, "read"), *slash;
	char why[256], disposition[300];
	struct file_facts facts;
	struct buf path;
	int err;

	buf_init(&path, 4 * REQUEST_PATH_MAX);
	if (door) {
		e2b_error(r, 401, "%s", door);
	} else if (!user_known(request_query(r, "username"))) {
		e2b_error(r, 401, "error looking up user '%s'", request_query(r, "username"));
	} else if (!envd_path(&path, request_query(r, "path"))) {
		e2b_error(r, 400, "path of another user's home");
	} else if ((err = file_facts(r->guest, path.data, &facts, why))) {
		refuse(r, err, why);
	} else {
		slash = strrchr(path.data, '/');
		(void)snprintf(disposition, sizeof(disposition),
			       "inline; filename*=utf-8''%.200s",
			       strpbrk(slash, "\r\n\";\\ ") ? "file" : slash + 1);
		send_file(r, path.data, &facts, "application/octet-stream", disposition);
	}
	buf_deinit(&path);
}

/* A POST under way. */
struct upload {
	struct request *r;
	struct multipart parts;
	bool is_multipart, failed;
	struct sink *sink;
	struct buf path;
	char *paths[FILES_MAX];
	size_t n;
	unsigned status; /* of the failure */
	char why[256];
};

static void upload_free(void *arg)
{
	struct upload *u = arg;
	char why[256];

	if (u->sink)
		(void)sink_close(u->sink, why);
	if (u->is_multipart)
		multipart_deinit(&u->parts);
	for (size_t i = 0; i < u->n; i++)
		free(u->paths[i]);
	buf_deinit(&u->path);
	free(u);
}

static bool upload_fails(struct upload *u, unsigned status, const char *why)
{
	u->failed = true;
	u->status = status;
	(void)snprintf(u->why, sizeof(u->why), "%s", why);
	return false;
}

static bool begin_file(struct upload *u, const char *name)
{
	char why[256];

	buf_clear(&u->path);
	if (!envd_path(&u->path, name))
		return upload_fails(u, 400, "path of another user's home");
	for (size_t i = 0; i < u->n; i++)
		if (!strcmp(u->paths[i], u->path.data))
			return upload_fails(
				u, 400, "you cannot upload multiple files to the same path");
	if (u->n == FILES_MAX)
		return upload_fails(u, 400, "too many files");
	if (sink_open(u->r->guest, u->path.data, &u->sink, why))
		return upload_fails(u, 500, why);
	u->paths[u->n++] = alloc_str(u->path.data);
	return true;
}

static bool end_file(struct upload *u)
{
	char why[256];
	int err = sink_close(TAKE(u->sink), why);

	if (!err)
		return true;
	return upload_fails(u,
			    err == SCRIPT_IS_DIR      ? 400
			    : strstr(why, "No space") ? 507
						      : 500,
			    why);
}

static bool on_part(struct upload *u, const char *disposition)
{
	const char *path = request_query(u->r, "path");
	struct buf name;
	bool ok = true;

	buf_init(&name, MULTIPART_HEAD_MAX);
	if (!multipart_param(&name, disposition, "name") || strcmp(name.data, "file"))
		goto out; /* silently ignored */
	buf_clear(&name);
	if (!path && (!multipart_param(&name, disposition, "filename") || !name.len))
		ok = upload_fails(u, 400, "filename is missing");
	else
		ok = begin_file(u, path ? path : name.data);
out:
	buf_deinit(&name);
	return ok;
}

static bool on_event(void *arg, enum multipart_event e, const char *data, size_t len)
{
	struct upload *u = arg;

	if (e == MULTIPART_PART)
		return on_part(u, data);
	if (!u->sink)
		return true;
	if (e == MULTIPART_DATA)
		return sink_write(u->sink, data, len) || end_file(u);
	return end_file(u);
}

static bool begin_upload(struct request *r)
{
	const char *type = request_header(r, MHD_HTTP_HEADER_CONTENT_TYPE),
		   *door = closed_door(r, "write"), *user = request_query(r, "username");
	struct upload *u = alloc_zero(sizeof(*u));

	u->r = r;
	r->own = u;
	r->own_free = upload_free;
	buf_init(&u->path, 4 * REQUEST_PATH_MAX);
	if (door)
		return upload_fails(u, 401, door);
	if (!user_known(user))
		return upload_fails(u, 401, "error looking up user");
	if (type && !strncmp(type, "multipart/", 10)) {
		u->is_multipart = true;
		return !multipart_init(&u->parts, type, on_event, u) ||
		       upload_fails(u, 400, "error parsing multipart form: no boundary");
	}
	if (!type || strncmp(type, "application/octet-stream", 24) ||
	    peer_has(r->peer, QUIRK_E2B_OLD_ENVD))
		return upload_fails(u, 400, "unsupported content type");
	if (!request_query(r, "path"))
		return upload_fails(u, 400, "path is required");
	if (request_header(r, MHD_HTTP_HEADER_CONTENT_ENCODING))
		return upload_fails(u, 400, "unsupported content encoding");
	return begin_file(u, request_query(r, "path"));
}

bool envd_feed_files(struct request *r, const void *data, size_t len)
{
	struct upload *u = r->own;
	int err;

	if (!u)
		return begin_upload(r);
	if (!u->is_multipart)
		return sink_write(u->sink, data, len);
	err = multipart_feed(&u->parts, data, len);
	if (err && !u->failed)
		return upload_fails(u, 400, "error parsing multipart form");
	return !err;
}

void envd_post_files(struct request *r)
{
	struct upload *u = r->own;
	struct answer a;

	if (!u->is_multipart && u->sink)
		(void)end_file(u);
	else if (!u->failed && u->is_multipart && !multipart_is_whole(&u->parts))
		(void)upload_fails(u, 500, "error reading multipart: unexpected EOF");
	if (u->failed) {
		e2b_error(r, u->status, "%s", u->why);
		return;
	}
	answer_begin(&a, '[');
	for (size_t i = 0; i < u->n; i++) {
		const char *slash = strrchr(u->paths[i], '/');

		json_begin(&a.out, '{');
		json_str_field(&a.out, "name", slash ? slash + 1 : u->paths[i]);
		json_str_field(&a.out, "path", u->paths[i]);
		json_str_field(&a.out, "type", "file");
		json_end(&a.out, '}');
	}
	json_end(&a.out, ']');
	(void)json_out_end(&a.out);
	/* As the real one: JSON under a type that was guessed. */
	reply_bytes(r, &(struct reply){.status = 200, .type = "text/plain; charset=utf-8"},
		    a.buf.data, a.buf.len);
	buf_deinit(&a.buf);
}

void envd_compose(struct request *r)
{
	static const char text[] =
		"to=$1; shift\nfor f; do [ -e \"$f\" ] || { echo \"source file not found: $f\" "
		">&2; exit 44; }\n"
		"[ -f \"$f\" ] || { echo \"not a regular file: $f\" >&2; exit 45; }; done\n"
		"mkdir -p -- \"$(dirname -- \"$to\")\" && cat -- \"$@\" >\"$to.compose\" && "
		"mv -fT -- \"$to.compose\" \"$to\" && rm -f -- \"$@\"";
	const struct json *doc = request_json(r), *sources = NULL;
	const char *to = NULL, *args[FILES_MAX + 2], *slash;
	struct buf err;
	struct answer a;
	size_t n = 0;
	int status;

	if (!doc || json_get(doc, "source_paths", &sources) || !json_count(sources) ||
	    json_get_str(doc, "destination", &to)) {
		e2b_error(r, 400, "source_paths and destination are required");
		return;
	}
	args[n++] = to;
	for (const struct json *s = json_first(sources); s && n < FILES_MAX; s = json_next(s))
		args[n++] = json_str(s) ? json_str(s) : "";
	args[n] = NULL;
	buf_init(&err, SCRIPT_ERR_MAX);
	status =
		script_run(r->guest, &(struct script){.text = text, .args = args, .err = &err});
	if (status) {
		refuse(r, status, script_words(&err));
	} else {
		slash = strrchr(to, '/');
		answer_begin(&a, '{');
		json_str_field(&a.out, "name", slash ? slash + 1 : to);
		json_str_field(&a.out, "path", to);
		json_str_field(&a.out, "type", "file");
		answer_send(r, &a, '}', 200);
	}
	buf_deinit(&err);
}
