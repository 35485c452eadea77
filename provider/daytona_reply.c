/* provider/daytona_reply.c - decoders of what Daytona answers.
 *
 * Costs one parse each. Text that is shown to people is made printable and cut here, ids and URLs are checked for
 * their bytes, so nothing of a stranger's goes further unjudged. A bare status of the file endpoints and
 * the HTML of some gateway both end as an error without words.
 */
#include "provider/daytona_reply.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/utf8.h"

/* The states that are no more than one of these; anything else is on its way up. */
static const struct {
	const char *name;
	enum daytona_phase phase;
} phases[] = {
	{"started", DAYTONA_UP},          {"stopping", DAYTONA_STOPPING},
	{"stopped", DAYTONA_STOPPED},     {"archiving", DAYTONA_STOPPED},
	{"archived", DAYTONA_STOPPED},    {"pausing", DAYTONA_PAUSING},
	{"paused", DAYTONA_PAUSED},       {"resizing", DAYTONA_MOVING},
	{"snapshotting", DAYTONA_MOVING}, {"forking", DAYTONA_MOVING},
	{"destroying", DAYTONA_LEAVING},  {"destroyed", DAYTONA_LEAVING},
	{"error", DAYTONA_FAILED},        {"build_failed", DAYTONA_FAILED},
};

enum daytona_phase daytona_phase_of(const char *state)
{
	for (size_t i = 0; i < sizeof(phases) / sizeof(*phases); i++) {
		if (strcmp(phases[i].name, state) == 0)
			return phases[i].phase;
	}
	return DAYTONA_MOVING_UP;
}

enum provider_state daytona_state_of(enum daytona_phase phase)
{
	switch (phase) {
	case DAYTONA_UP:
		return PROVIDER_RUNNING;
	case DAYTONA_MOVING_UP:
	case DAYTONA_MOVING:
		return PROVIDER_STARTING;
	case DAYTONA_PAUSING:
	case DAYTONA_PAUSED:
		return PROVIDER_PAUSED;
	case DAYTONA_STOPPING:
	case DAYTONA_STOPPED:
	case DAYTONA_LEAVING:
	case DAYTONA_FAILED:
		break;
	}
	return PROVIDER_STOPPED;
}

bool daytona_id_good(const char *id)
{
	size_t n =
		strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

	return n > 0 && n < PROVIDER_ID_MAX && !id[n];
}

/* Foreign words, made fit to be shown. */
static void copy_words(const char *text, char *ret, size_t size)
{
	CLEANUP(buf_deinit) struct buf b = {0};
	size_t len = strlen(text);

	buf_init(&b, 4 * PROVIDER_WHY_MAX);
	(void)utf8_printable(&b, text, len < size ? len : size);
	(void)snprintf(ret, size, "%s", b.data);
}

void daytona_words(const char *text, size_t len, char ret[PROVIDER_WHY_MAX])
{
	char copy[PROVIDER_WHY_MAX];

	(void)snprintf(copy, sizeof(copy), "%.*s",
		       (int)(len < sizeof(copy) ? len : sizeof(copy)), text);
	copy_words(copy, ret, PROVIDER_WHY_MAX);
}

static bool url_good(const char *url)
{
	size_t n = strncmp(url, "https://", 8) == 0  ? 8
		   : strncmp(url, "http://", 7) == 0 ? 7
						     : 0;

	return n && url[n] && url[n] != '/' && !strpbrk(url, "@\\#\"<>");
}

/* The labels that are the caller's, not ours. */
static void read_labels(const struct json *labels, struct daytona_sandbox *s)
{
	CLEANUP(buf_deinit) struct buf b = {0};

	buf_init(&b, sizeof(s->info.labels) - 2);
	for (const struct json *l = labels ? json_first(labels) : NULL; l; l = json_next(l)) {
		const char *key = json_key(l), *value = json_str(l);
		size_t was = b.len;

		if (!value || strncmp(key, "fragfs", 6) == 0)
			continue;
		if (buf_fmt(&b, "%s=%s", key, value) || buf_u8(&b, 0))
			b.len = was; /* more than there is room for */
	}
	if (b.len)
		memcpy(s->info.labels, b.data, b.len);
}

void daytona_sandbox_read(struct json_reply *j, const struct json *obj,
			  struct daytona_sandbox *ret)
{
	const struct json *labels = json_reply_obj(j, obj, "labels");
	struct daytona_sandbox s = {0};

	json_reply_text(j, obj, "id", s.info.id, sizeof(s.info.id));
	if (!daytona_id_good(s.info.id))
		json_reply_bad(j, "id", "is no id");
	s.phase = daytona_phase_of(json_reply_str(j, obj, "state", "unknown"));
	s.info.state = daytona_state_of(s.phase);
	s.info.created = json_reply_time(j, obj, "createdAt", 0);
	s.dies = s.info.expires = json_reply_time(j, obj, "autoDestroyAt", 0);
	s.idle_minutes = json_reply_int(j, obj, "autoStopInterval", 0);
	s.recoverable = json_reply_bool(j, obj, "recoverable", false);
	(void)snprintf(s.info.label, sizeof(s.info.label), "%s",
		       json_reply_str(j, labels, "fragfs.label", ""));
	(void)snprintf(s.nonce, sizeof(s.nonce), "%s",
		       json_reply_str(j, labels, "fragfs.call", ""));
	(void)snprintf(s.info.image, sizeof(s.info.image), "%s",
		       json_reply_str(j, obj, "snapshot", ""));
	s.info.idle_seconds = s.idle_minutes > 0 ? s.idle_minutes * 60 : 0;
	read_labels(labels, &s);
	copy_words(json_reply_str(j, obj, "errorReason", ""), s.reason, sizeof(s.reason));
	json_reply_maybe(j, obj, "toolboxProxyUrl", s.toolbox, sizeof(s.toolbox));
	for (size_t n = strlen(s.toolbox); n && s.toolbox[n - 1] == '/';)
		s.toolbox[--n] = '\0';
	if (s.toolbox[0] && !url_good(s.toolbox))
		json_reply_bad(j, "toolboxProxyUrl", "is no URL");
	*ret = s;
}

const struct json *daytona_page_read(struct json_reply *j, char cursor[DAYTONA_CURSOR_MAX])
{
	const struct json *items;

	cursor[0] = '\0';
	if (j->root && json_is_array(j->root))
		return j->root;
	items = json_reply_list(j, j->root, "items");
	if (!items)
		json_reply_bad(j, "items", "is missing");
	json_reply_maybe(j, j->root, "nextCursor", cursor, DAYTONA_CURSOR_MAX);
	return items;
}

/* The first of `errors`, which are strings. */
static const char *first_error(const struct json *root)
{
	const struct json *list = NULL, *first;

	if (json_get(root, "errors", &list) || !json_is_array(list))
		return NULL;
	first = json_first(list);
	return first ? json_str(first) : NULL;
}

static void read_json_error(const struct json *root, struct daytona_error *ret)
{
	const char *words = NULL, *code = NULL;

	ret->json = true;
	if (json_get_str(root, "message", &words) && json_get_str(root, "error", &words))
		words = first_error(root);
	if (json_get_str(root, "code", &code) == 0 ||
	    json_get_str(root, "error_code", &code) == 0)
		copy_words(code, ret->code, sizeof(ret->code));
	if (words)
		copy_words(words, ret->message, sizeof(ret->message));
	ret->not_running = strcasestr(ret->message, "no IP address found") ||
			   strcasestr(ret->message, "failed to get runner info") ||
			   strcasestr(ret->message, "sandbox container not found");
	/* the control plane's way to say that it has no such path */
	ret->no_route = strncmp(ret->message, "Cannot ", 7) == 0 && strchr(ret->message, '/');
}

void daytona_error_read(const char *text, size_t len, struct daytona_error *ret)
{
	struct json *root = NULL;
	char why[128];

	memset(ret, 0, sizeof(*ret));
	if (len && json_parse(text, len, &root, why, sizeof(why)) == 0) {
		if (json_is_object(root))
			read_json_error(root, ret);
		json_free(root);
		return;
	}
	ret->no_route = strncmp(text, "404 page not found", 18) == 0;
}

int daytona_error_outcome(long status, const struct daytona_error *err)
{
	if (status == 400 &&
	    (strcasestr(err->message, "quota") || strcasestr(err->message, "limit exceeded") ||
	     strcasestr(err->message, "limit reached")))
		return PROVIDER_DENIED;
	if (status == 422)
		return PROVIDER_UNSUPPORTED;
	if (status == 404 && err->no_route)
		return PROVIDER_UNSUPPORTED;
	return 0;
}

int daytona_executed_read(const char *text, size_t len, int *code, struct buf *printed)
{
	struct json_reply j;
	int64_t n;
	int r;

	buf_clear(printed);
	json_reply_open(&j, text, len);
	/* daemons of old said "code"; one that says neither has lost it */
	n = json_reply_int(&j, j.root, "exitCode", json_reply_int(&j, j.root, "code", -1));
	if (n < -1 || n > 255)
		json_reply_bad(&j, "exitCode", "is no exit code");
	r = buf_str(printed, json_reply_str(&j, j.root, "result", ""));
	if (r)
		json_reply_bad(&j, "result", "is too long");
	r = json_reply_fault(&j, "daytona");
	json_reply_close(&j);
	if (!r)
		*code = (int)n;
	return r;
}

static bool ends_in(const char *text, const char *tail)
{
	size_t len = strlen(text), n = strlen(tail);

	return len >= n && strcmp(text + len - n, tail) == 0;
}

int daytona_uploaded_read(const char *text, size_t len, const char *tail, uint64_t size)
{
	const struct json *files, *file;
	struct json_reply j;
	int r;

	json_reply_open(&j, text, len);
	files = json_reply_list(&j, j.root, "files");
	file = files && json_count(files) == 1 ? json_first(files) : NULL;
	if (!file)
		json_reply_bad(&j, "files", "does not name the one file");
	else if (!ends_in(json_reply_str(&j, file, "path", ""), tail))
		json_reply_bad(&j, "path", "is not the one asked for");
	else if (json_reply_int(&j, file, "bytes", -1) != (int64_t)size)
		json_reply_bad(&j, "bytes", "is not what was sent");
	r = json_reply_fault(&j, "daytona");
	json_reply_close(&j);
	return r;
}

static mode_t octal_of(const char *s)
{
	mode_t n = 0;

	for (; *s >= '0' && *s <= '7'; s++)
		n = (n << 3 | (mode_t)(*s - '0')) & 07777;
	return n;
}

int daytona_file_read(const char *text, size_t len, char *type, mode_t *mode)
{
	const char *words;
	struct json_reply j;
	int r;

	json_reply_open(&j, text, len);
	words = json_reply_str(&j, j.root, "mode", "");
	if (json_reply_bool(&j, j.root, "isDir", false))
		words = "d";
	if (json_reply_int(&j, j.root, "size", -1) < 0)
		json_reply_bad(&j, "size", "is missing");
	r = json_reply_fault(&j, "daytona");
	if (!r) {
		/* as Go writes it: "D" for a device, "L" for a link, "p" for a pipe, "-" for a file */
		*type = words[0] ? words[0] : '-';
		*mode = octal_of(json_reply_str(&j, j.root, "permissions", ""));
	}
	json_reply_close(&j);
	return r;
}

int daytona_preview_read(const char *text, size_t len, struct provider_preview *ret)
{
	char url[PROVIDER_URL_MAX], token[256];
	struct json_reply j;
	int r;

	json_reply_open(&j, text, len);
	json_reply_text(&j, j.root, "url", url, sizeof(url));
	json_reply_maybe(&j, j.root, "token", token, sizeof(token));
	if (!url_good(url))
		json_reply_bad(&j, "url", "is no URL");
	r = json_reply_fault(&j, "daytona");
	json_reply_close(&j);
	if (r)
		return r;
	memcpy(ret->url, url, sizeof(url));
	if (token[0])
		(void)snprintf(ret->header, sizeof(ret->header), "X-Daytona-Preview-Token: %s",
			       token);
	explicit_bzero(token, sizeof(token));
	return 0;
}

int daytona_url_read(const char *text, size_t len, char ret[DAYTONA_URL_MAX])
{
	char url[DAYTONA_URL_MAX];
	struct json_reply j;
	int r;

	json_reply_open(&j, text, len);
	json_reply_text(&j, j.root, "url", url, sizeof(url));
	if (!url_good(url))
		json_reply_bad(&j, "url", "is no URL");
	r = json_reply_fault(&j, "daytona");
	json_reply_close(&j);
	if (!r)
		memcpy(ret, url, sizeof(url));
	return r;
}

/* Lines that begin with 01 01 01 or 02 02 02, for standard output and error; older daemons take the marks off. */
static int add_unmarked(struct buf *ret, const char *text, size_t len)
{
	int r = 0;

	for (size_t i = 0, n; i < len && !r; i += n) {
		bool marked = len - i >= 3 && (text[i] == 1 || text[i] == 2) &&
			      text[i + 1] == text[i] && text[i + 2] == text[i];
		const char *end;

		i += marked ? 3 : 0;
		end = memchr(text + i, '\n', len - i);
		n = end ? (size_t)(end - (text + i)) + 1 : len - i;
		r = buf_add(ret, text + i, n);
	}
	return r;
}

int daytona_logs_read(const char *text, size_t len, struct buf *ret)
{
	struct json_reply j;
	const char *words;
	int r;

	json_reply_open(&j, text, len);
	if (!j.root || !json_is_object(j.root)) {
		json_reply_close(&j);
		return add_unmarked(ret, text, len);
	}
	words = json_reply_str(&j, j.root, "output", "");
	r = add_unmarked(ret, words, strlen(words));
	json_reply_close(&j);
	return r;
}
