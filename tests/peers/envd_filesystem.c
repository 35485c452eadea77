/* tests/peers/envd_filesystem.c - filesystem.Filesystem: looking at and moving files.
 *
 * Every call is one small program inside. A link shows the type of what it points to, and its target fully resolved;
 * zero values are left out and 64-bit numbers are strings, as protobuf's JSON has them.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/utf8.h"
#include "tests/peers/answer.h"
#include "tests/peers/connect.h"
#include "tests/peers/entries.h"
#include "tests/peers/envd.h"
#include "tests/peers/script.h"

enum { DEPTH_MAX = 1000 };

static const char *type_of(const struct entry *e)
{
	switch (e->type == 'l' ? e->target_type : e->type) {
	case 'f':
		return "FILE_TYPE_FILE";
	case 'd':
		return "FILE_TYPE_DIRECTORY";
	default:
		return NULL;
	}
}

static void put_time(struct json_out *o, const struct entry *e)
{
	char text[CLOCK_TEXT_MAX + 16], day[CLOCK_TEXT_MAX];

	(void)clock_iso(e->mtime, 0, day);
	day[19] = '\0';
	(void)snprintf(text, sizeof(text), "%s.%09uZ", day, e->mtime_ns);
	json_str_field(o, "modifiedTime", text);
}

static void put_entry(struct json_out *o, const struct entry *e)
{
	char size[24], letters[16];

	json_begin(o, '{');
	json_str_field(o, "name", e->name);
	if (type_of(e))
		json_str_field(o, "type", type_of(e));
	json_str_field(o, "path", e->path);
	(void)snprintf(size, sizeof(size), "%llu", (unsigned long long)e->size);
	if (e->size)
		json_str_field(o, "size", size);
	if (e->mode && type_of(e))
		json_int_field(o, "mode", e->mode);
	(void)snprintf(letters, sizeof(letters), "%s", e->permissions);
	if (letters[0] == 'l')
		letters[0] = 'L';
	json_str_field(o, "permissions", letters);
	json_str_field(o, "owner", e->owner);
	json_str_field(o, "group", e->group);
	put_time(o, e);
	if (e->type == 'l')
		json_str_field(o, "symlinkTarget", e->target);
	json_end(o, '}');
}

static void refuse(struct request *r, int err, const char *why)
{
	static const char *const codes[] = {"not_found", "invalid_argument", "invalid_argument",
					    "already_exists", "internal"};

	if (err == SCRIPT_ASLEEP)
		connect_error(r, "unavailable", "the sandbox does not run");
	else if (err >= SCRIPT_MISSING && err <= SCRIPT_IN_THE_WAY)
		connect_error(r, codes[err - SCRIPT_MISSING],
			      err == SCRIPT_MISSING ? "file not found: %s" : "%s", why);
	else
		connect_error(r, "internal", "%s", why);
}

/* The document and, for each key, its path; false: refused. */
static bool read_paths(struct request *r, const char *const *keys, struct buf *paths)
{
	const struct json *doc = request_json(r);
	const char *path;
	bool ok = doc && r->body.len;

	if (!ok)
		connect_error(r, "invalid_argument",
			      "zero-length payload is not a valid JSON object");
	for (size_t i = 0; ok && keys[i]; i++) {
		path = NULL;
		(void)json_get_str(doc, keys[i], &path);
		ok = envd_path(&paths[i], path);
		if (!ok)
			connect_error(r, "invalid_argument", "path of another user's home");
	}
	return ok;
}

static void init(struct buf *paths)
{
	buf_init(&paths[0], REQUEST_PATH_MAX * 4);
	buf_init(&paths[1], REQUEST_PATH_MAX * 4);
}

static void deinit(struct buf *paths)
{
	buf_deinit(&paths[0]);
	buf_deinit(&paths[1]);
}

static void send_entry(struct request *r, const char *path)
{
	struct entries e;
	struct answer a;
	char why[256];
	int err = entries_read(r->guest, path, 0, &e, why);

	if (err || e.n != 1) {
		refuse(r, err, why);
	} else {
		answer_begin(&a, '{');
		json_key_out(&a.out, "entry");
		put_entry(&a.out, &e.list[0]);
		answer_send(r, &a, '}', 200);
	}
	entries_deinit(&e);
}

void envd_stat(struct request *r)
{
	static const char *const keys[] = {"path", NULL};
	struct buf paths[2];

	init(paths);
	if (read_paths(r, keys, paths))
		send_entry(r, paths[0].data);
	deinit(paths);
}

static bool any_odd_name(const struct entries *e)
{
	for (size_t i = 0; i < e->n; i++)
		if (!utf8_valid(e->list[i].path, strlen(e->list[i].path)))
			return true;
	return false;
}

void envd_list_dir(struct request *r)
{
	static const char *const keys[] = {"path", NULL};
	struct buf paths[2];
	struct entries e = {0};
	struct answer a;
	int64_t depth = 1;
	char why[256];
	int err;

	init(paths);
	if (!read_paths(r, keys, paths)) {
		deinit(paths);
		return;
	}
	(void)json_get_int(r->json, "depth", &depth);
	depth = depth < 1 || depth > DEPTH_MAX ? 1 : depth;
	err = entries_read(r->guest, paths[0].data, (int)depth, &e, why);
	if (err) {
		refuse(r, err, why);
	} else if (any_odd_name(&e)) {
		connect_error(r, "internal",
			      "marshal message: string field contains invalid UTF-8");
	} else {
		answer_begin(&a, '{');
		json_key_out(&a.out, "entries");
		json_begin(&a.out, '[');
		for (size_t i = 0; i < e.n; i++)
			put_entry(&a.out, &e.list[i]);
		json_end(&a.out, ']');
		answer_send(r, &a, '}', 200);
	}
	entries_deinit(&e);
	deinit(paths);
}

/* Runs a program on one or two paths; answers the entry of the last, or {}. */
static void act(struct request *r, const char *const *keys, const char *text, bool shows)
{
	struct buf paths[2], err;
	const char *args[3] = {NULL};
	int status;

	init(paths);
	buf_init(&err, SCRIPT_ERR_MAX);
	if (read_paths(r, keys, paths)) {
		args[0] = paths[0].data;
		args[1] = keys[1] ? paths[1].data : NULL;
		status = script_run(r->guest,
				    &(struct script){.text = text, .args = args, .err = &err});
		if (status)
			refuse(r, status, script_words(&err));
		else if (shows)
			send_entry(r, keys[1] ? args[1] : args[0]);
		else
			reply_bytes(r,
				    &(struct reply){.status = 200, .type = "application/json"},
				    "{}", 2);
	}
	buf_deinit(&err);
	deinit(paths);
}

void envd_make_dir(struct request *r)
{
	static const char *const keys[] = {"path", NULL};

	act(r, keys,
	    "if [ -d \"$1\" ]; then echo \"directory already exists: $1\" >&2; exit 47; fi\n"
	    "if [ -e \"$1\" ]; then echo \"path already exists but it is not a directory: $1\" "
	    ">&2; "
	    "exit 45; fi\n"
	    "mkdir -p -- \"$1\" || exit 48",
	    true);
}

void envd_move(struct request *r)
{
	static const char *const keys[] = {"source", "destination", NULL};

	act(r, keys,
	    "if [ ! -e \"$1\" ] && [ ! -L \"$1\" ]; then echo \"source file not found: $1\" "
	    ">&2; exit 44; fi\n"
	    "mkdir -p -- \"$(dirname -- \"$2\")\" && mv -fT -- \"$1\" \"$2\"",
	    true);
}

void envd_remove(struct request *r)
{
	static const char *const keys[] = {"path", NULL};

	act(r, keys, "rm -rf -- \"$1\"", false);
}
