/* tests/peers/toolbox_files.c - Daytona's file endpoints that move no contents.
 *
 * Links are followed and look like what they point to; a dangling one is not listed, cannot be asked for and
 * cannot be deleted. That is how the real daemon is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tests/peers/answer.h"
#include "tests/peers/daytona.h"
#include "tests/peers/entries.h"
#include "tests/peers/peer_private.h"
#include "tests/peers/script.h"

enum { DEPTH_MAX = 1000 };

static void refuse(struct request *r, int err, const char *why)
{
	static const struct {
		unsigned status;
		const char *code;
	} kinds[] = {{404, "FILE_NOT_FOUND"},
		     {400, "INVALID_FILE_PATH"},
		     {400, "INVALID_FILE_PATH"},
		     {409, "CONFLICT"},
		     {400, "BAD_REQUEST"}};

	if (err >= SCRIPT_MISSING && err <= SCRIPT_IN_THE_WAY)
		toolbox_file_error(r, kinds[err - SCRIPT_MISSING].status,
				   kinds[err - SCRIPT_MISSING].code, why);
	else if (strstr(why, "ermission denied"))
		toolbox_file_error(r, 403, "FILE_ACCESS_DENIED", why);
	else
		toolbox_file_error(r, 400, "BAD_REQUEST", why);
}

static bool is_dangling(const struct entry *e)
{
	return e->type == 'l' && (e->target_type == 'N' || e->target_type == 'L');
}

static void put_info(struct json_out *o, struct request *r, const struct entry *e)
{
	char time[CLOCK_TEXT_MAX], at[CLOCK_TEXT_MAX + 16], owner[16], group[16], mode[8];
	bool is_dir = (e->type == 'l' ? e->target_type : e->type) == 'd';

	(void)clock_iso(e->mtime, 0, time);
	time[19] = '\0';
	(void)snprintf(at, sizeof(at), "%s.%09uZ", time, e->mtime_ns);
	(void)snprintf(owner, sizeof(owner), "%u", e->uid);
	(void)snprintf(group, sizeof(group), "%u", e->gid);
	(void)snprintf(mode, sizeof(mode), "%04o", e->mode);
	json_str_field(o, "name", e->name);
	json_int_field(o, "size", (int64_t)e->size);
	json_str_field(o, "mode", e->permissions);
	json_str_field(o, "modTime", at);
	if (!peer_has(r->peer, QUIRK_DAYTONA_S190)) {
		json_str_field(o, "modifiedAt", at);
		json_str_field(o, "path", e->path);
	}
	json_bool_field(o, "isDir", is_dir);
	json_str_field(o, "owner", owner);
	json_str_field(o, "group", group);
	json_str_field(o, "permissions", mode);
}

void toolbox_list(struct request *r)
{
	int64_t depth = request_query_int(r, "depth", 1);
	struct entries e = {0};
	struct answer a;
	struct buf path;
	char why[256];
	int err;

	if (peer_has(r->peer, QUIRK_DAYTONA_S190))
		depth = 1;
	if (depth < 1 || depth > DEPTH_MAX) {
		toolbox_error(r, 400, "BAD_REQUEST", "bad request: depth must be at least 1");
		return;
	}
	buf_init(&path, 4 * REQUEST_PATH_MAX);
	(void)toolbox_path(&path, request_query(r, "path"));
	err = entries_read(r->guest, path.data, (int)depth, &e, why);
	if (err) {
		refuse(r, err, why);
	} else {
		answer_begin(&a, '[');
		for (size_t i = 0; i < e.n; i++) {
			if (is_dangling(&e.list[i]))
				continue;
			json_begin(&a.out, '{');
			put_info(&a.out, r, &e.list[i]);
			json_end(&a.out, '}');
		}
		answer_send(r, &a, ']', 200);
	}
	entries_deinit(&e);
	buf_deinit(&path);
}

void toolbox_info(struct request *r)
{
	struct entries e = {0};
	struct answer a;
	struct buf path;
	char why[256];
	int err;

	buf_init(&path, 4 * REQUEST_PATH_MAX);
	(void)toolbox_path(&path, request_query(r, "path"));
	err = entries_read(r->guest, path.data, 0, &e, why);
	if (err || e.n != 1 || is_dangling(&e.list[0])) {
		refuse(r, err ? err : SCRIPT_MISSING, err ? why : "not found: no such file");
	} else {
		answer_begin(&a, '{');
		put_info(&a.out, r, &e.list[0]);
		answer_send(r, &a, '}', 200);
	}
	entries_deinit(&e);
	buf_deinit(&path);
}

/* A program with one or two paths of the query and two words. */
static void act(struct request *r, const char *first, const char *second, const char *text,
		const char *const words[2], unsigned status)
{
	struct buf paths[2], err;
	const char *args[5] = {NULL};
	int exit_status;
	size_t n = 0;

	buf_init(&paths[0], 4 * REQUEST_PATH_MAX);
	buf_init(&paths[1], 4 * REQUEST_PATH_MAX);
	buf_init(&err, SCRIPT_ERR_MAX);
	if (!request_query(r, first) || (second && !request_query(r, second))) {
		toolbox_file_error(r, 400, "BAD_REQUEST", "bad request: path is required");
		goto out;
	}
	(void)toolbox_path(&paths[0], request_query(r, first));
	args[n++] = paths[0].data;
	if (second) {
		(void)toolbox_path(&paths[1], request_query(r, second));
		args[n++] = paths[1].data;
	}
	args[n++] = words[0] ? words[0] : "";
	args[n++] = words[1] ? words[1] : "";
	exit_status =
		script_run(r->guest, &(struct script){.text = text, .args = args, .err = &err});
	if (exit_status)
		refuse(r, exit_status, script_words(&err));
	else
		reply_empty(r, status);
out:
	buf_deinit(&paths[0]);
	buf_deinit(&paths[1]);
	buf_deinit(&err);
}

void toolbox_delete(struct request *r)
{
	const char *const words[2] = {request_query(r, "recursive")};

	act(r, "path", NULL,
	    "[ -e \"$1\" ] || { echo 'not found: no such file or directory' >&2; exit 44; }\n"
	    "if [ -d \"$1\" ] && [ \"$2\" != true ]; then "
	    "echo 'bad request: cannot delete directory without recursive flag' >&2; exit 46; "
	    "fi\n"
	    "exec rm -rf -- \"$1\"",
	    words, 204);
}

void toolbox_move(struct request *r)
{
	const char *const words[2] = {NULL};

	act(r, "source", "destination",
	    "[ -e \"$1\" ] || { echo 'not found: no such source' >&2; exit 44; }\n"
	    "[ -d \"$(dirname -- \"$2\")\" ] || { echo 'not found: destination directory' >&2; "
	    "exit 44; }\n"
	    "[ ! -e \"$2\" ] || { echo 'conflict: destination exists' >&2; exit 47; }\n"
	    "exec mv -T -- \"$1\" \"$2\"",
	    words, 200);
}

static bool is_octal(const char *s)
{
	return s && *s && strlen(s) <= 5 && strspn(s, "01234567") == strlen(s);
}

void toolbox_folder(struct request *r)
{
	const char *mode = request_query(r, "mode");
	const char *const words[2] = {mode};

	if (!is_octal(mode))
		toolbox_file_error(r, 400, "BAD_REQUEST", "bad request: mode must be octal");
	else
		act(r, "path", NULL,
		    "if [ -e \"$1\" ] && [ ! -d \"$1\" ]; then echo 'bad request: is a file' "
		    ">&2; exit 45; fi\n"
		    "[ -d \"$1\" ] || mkdir -p -m \"$2\" -- \"$1\"",
		    words, 201);
}

void toolbox_permissions(struct request *r)
{
	const char *mode = request_query(r, "mode");
	const char *const words[2] = {mode && strlen(mode) > 3 ? mode + strlen(mode) - 3
							       : mode};

	if (mode && *mode && !is_octal(mode))
		toolbox_file_error(r, 400, "BAD_REQUEST", "bad request: mode must be octal");
	else
		/* Everybody inside is the same user: another owner cannot be had and is not an error. */
		act(r, "path", NULL,
		    "[ -e \"$1\" ] || { echo 'not found: no such file or directory' >&2; exit "
		    "44; }\n"
		    "[ -z \"$2\" ] || exec chmod \"$2\" -- \"$1\"",
		    words, 200);
}

/* grep(1) and find(1) print records that a NUL ends. */
static void search(struct request *r, const char *text, struct buf *out, int *err)
{
	struct buf path, words;
	const char *args[3] = {NULL};

	buf_init(&path, 4 * REQUEST_PATH_MAX);
	buf_init(&words, SCRIPT_ERR_MAX);
	(void)toolbox_path(&path, request_query(r, "path"));
	args[0] = path.data;
	args[1] = request_query(r, "pattern") ? request_query(r, "pattern") : "";
	*err = script_run(
		r->guest,
		&(struct script){.text = text, .args = args, .out = out, .err = &words});
	buf_deinit(&path);
	buf_deinit(&words);
}

void toolbox_find(struct request *r)
{
	static const char text[] = "[ -e \"$1\" ] || exit 44\n"
				   "grep -rnIZF -- \"$2\" \"$1\"; [ $? -le 1 ]";
	struct answer a;
	struct buf out;
	int err;

	buf_init(&out, SCRIPT_OUT_MAX);
	search(r, text, &out, &err);
	if (err) {
		refuse(r, err, "not found: no such file or directory");
		buf_deinit(&out);
		return;
	}
	answer_begin(&a, '[');
	/* file NUL line ":" text NL */
	for (char *at = out.data, *end = at + out.len; at < end;) {
		char *number = at + strlen(at) + 1, *colon, *nl;

		if (number >= end || !(colon = strchr(number, ':')) ||
		    !(nl = strchr(colon, '\n')))
			break;
		*nl = '\0';
		json_begin(&a.out, '{');
		json_str_field(&a.out, "file", at);
		json_int_field(&a.out, "line", (int64_t)strtoull(number, NULL, 10));
		json_str_field(&a.out, "content", colon + 1);
		json_end(&a.out, '}');
		at = nl + 1;
	}
	answer_send(r, &a, ']', 200);
	buf_deinit(&out);
}

void toolbox_search(struct request *r)
{
	static const char text[] =
		"[ -d \"$1\" ] || exit 0\n"
		"find \"$1\" -mindepth 1 -path '/home/*/.frag' -prune -o -name \"$2\" -print0";
	struct answer a;
	struct buf out;
	int err;

	buf_init(&out, SCRIPT_OUT_MAX);
	search(r, text, &out, &err);
	answer_begin(&a, '{');
	json_key_out(&a.out, "files");
	json_begin(&a.out, '[');
	for (char *at = out.data, *end = at + out.len; at < end; at += strlen(at) + 1)
		json_put_str(&a.out, at);
	json_end(&a.out, ']');
	answer_send(r, &a, '}', 200);
	buf_deinit(&out);
}

/* Replaces literally, by an awk that takes the words from its environment. NULL, or why not. */
static const char *replace_in(struct guest *g, const char *path, const char *from,
			      const char *to)
{
	static const char text[] =
		"[ -f \"$1\" ] || exit 44\n"
		"FROM=$2 TO=$3 awk 'BEGIN { from = ENVIRON[\"FROM\"]; to = ENVIRON[\"TO\"]; RS "
		"= \"\\001\\002\\003\" }\n"
		"{ out = \"\"; s = $0; while (from != \"\" && (i = index(s, from))) "
		"{ out = out substr(s, 1, i - 1) to; s = substr(s, i + length(from)) }\n"
		"printf \"%s\", out s }' \"$1\" >\"$1.replaced\" && cat \"$1.replaced\" "
		">\"$1\" && rm \"$1.replaced\"";
	const char *const args[] = {path, from, to, NULL};
	int r = script_run(g, &(struct script){.text = text, .args = args});

	return r == SCRIPT_MISSING ? "no such file or directory"
	       : r                 ? "cannot be replaced"
				   : NULL;
}

void toolbox_replace(struct request *r)
{
	const struct json *doc = request_json(r), *files = NULL;
	const char *from, *to;
	struct answer a;

	if (!doc || json_get(doc, "files", &files) || !json_is_array(files) ||
	    json_get_str(doc, "pattern", &from) || json_get_str(doc, "newValue", &to)) {
		toolbox_error(r, 400, "INVALID_REQUEST_BODY", "invalid request body");
		return;
	}
	answer_begin(&a, '[');
	for (const struct json *f = json_first(files); f; f = json_next(f)) {
		const char *wrong, *name = json_str(f) ? json_str(f) : "";
		struct buf path;

		buf_init(&path, 4 * REQUEST_PATH_MAX);
		(void)toolbox_path(&path, name);
		wrong = replace_in(r->guest, path.data, from, to);
		json_begin(&a.out, '{');
		json_str_field(&a.out, "file", name);
		json_bool_field(&a.out, "success", !wrong);
		if (wrong)
			json_str_field(&a.out, "error", wrong);
		json_end(&a.out, '}');
		buf_deinit(&path);
	}
	answer_send(r, &a, ']', 200);
}
