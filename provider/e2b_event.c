/* provider/e2b_event.c - protobuf's JSON: what is zero is missing.
 *
 * So exitCode 0 never comes, `exited` is missing when a signal ended the process, and that signal is told only in Go's
 * words ("signal: killed"), which are therefore a table here. The same words vary in spacing
 * between builds of the server; nothing else of the text is matched.
 */
#include "provider/e2b_event.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "provider/json_reply.h"
#include "provider/provider.h"

static const struct {
	const char *words;
	int number;
} signals[] = {
	{"hangup", 1},
	{"interrupt", 2},
	{"quit", 3},
	{"illegal instruction", 4},
	{"trace/breakpoint trap", 5},
	{"aborted", 6},
	{"bus error", 7},
	{"floating point exception", 8},
	{"killed", 9},
	{"user defined signal 1", 10},
	{"segmentation fault", 11},
	{"user defined signal 2", 12},
	{"broken pipe", 13},
	{"alarm clock", 14},
	{"terminated", 15},
};

static int status_of_signal(const char *status)
{
	if (strncmp(status, "signal: ", 8) != 0)
		return 255;
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
		if (strncmp(status + 8, signals[i].words, strlen(signals[i].words)) == 0)
			return 128 + signals[i].number;
	}
	return 255;
}

static void read_data(struct json_reply *j, const struct json *data, struct e2b_event *ret,
		      struct buf *bytes)
{
	static const struct {
		const char *key;
		int fd;
	} streams[] = {{"stdout", 1}, {"stderr", 2}, {"pty", 1}};

	ret->kind = E2B_EVENT_OTHER;
	for (size_t i = 0; i < sizeof(streams) / sizeof(*streams); i++) {
		const char *text = json_reply_str(j, data, streams[i].key, NULL);

		if (!text)
			continue;
		ret->kind = E2B_EVENT_DATA;
		ret->fd = streams[i].fd;
		if (base64_get(bytes, text, strlen(text)))
			json_reply_bad(j, streams[i].key, "is no base64");
		return;
	}
}

static void read_end(struct json_reply *j, const struct json *end, struct e2b_event *ret)
{
	int64_t code = json_reply_int(j, end, "exitCode", 0);

	ret->kind = E2B_EVENT_END;
	if (json_reply_bool(j, end, "exited", false) && code >= 0 && code <= 255)
		ret->status = (int)code;
	else
		ret->status = status_of_signal(json_reply_str(j, end, "status", ""));
}

int e2b_event_read(const char *text, size_t len, struct e2b_event *ret, struct buf *data)
{
	struct json_reply j;
	const struct json *event, *v;
	bool bad;

	memset(ret, 0, sizeof(*ret));
	json_reply_open(&j, text, len);
	if (j.root && !json_is_object(j.root))
		json_reply_bad(&j, "message", "is no object");
	event = json_reply_obj(&j, j.root, "event");
	if ((v = json_reply_obj(&j, event, "start"))) {
		ret->kind = E2B_EVENT_START;
		ret->pid = json_reply_int(&j, v, "pid", 0);
		if (ret->pid <= 0 || ret->pid > UINT32_MAX)
			json_reply_bad(&j, "pid", "is no process");
	} else if ((v = json_reply_obj(&j, event, "data"))) {
		read_data(&j, v, ret, data);
	} else if ((v = json_reply_obj(&j, event, "end"))) {
		read_end(&j, v, ret);
	}
	bad = j.why[0];
	json_reply_close(&j);
	return bad ? -EPROTO : 0;
}

static void copy_words(char *ret, size_t size, const char *s)
{
	size_t n = 0;

	for (; *s && n + 1 < size; s++)
		ret[n++] = *s >= ' ' && *s <= '~' ? *s : '?';
	ret[n] = '\0';
}

static bool read_error(struct json_reply *j, const struct json *obj, struct e2b_error *ret)
{
	const struct json *code = NULL;

	if (!obj || json_get(obj, "code", &code) || !code)
		return false;
	if (json_str(code))
		copy_words(ret->code, sizeof(ret->code), json_str(code));
	else
		ret->number = (long)json_reply_int(j, obj, "code", 0);
	copy_words(ret->message, sizeof(ret->message), json_reply_str(j, obj, "message", ""));
	return !j->why[0];
}

bool e2b_error_read(const char *text, size_t len, struct e2b_error *ret)
{
	struct json_reply j;
	bool good;

	memset(ret, 0, sizeof(*ret));
	json_reply_open(&j, text, len);
	good = !j.why[0] && json_is_object(j.root) && read_error(&j, j.root, ret);
	json_reply_close(&j);
	return good;
}

int e2b_end_read(const char *text, size_t len, bool *failed, struct e2b_error *err)
{
	struct json_reply j;
	const struct json *error;
	bool bad;

	*failed = false;
	memset(err, 0, sizeof(*err));
	json_reply_open(&j, text, len);
	if (j.root && !json_is_object(j.root))
		json_reply_bad(&j, "message", "is no object");
	error = json_reply_obj(&j, j.root, "error");
	if (error) {
		*failed = true;
		if (!read_error(&j, error, err))
			json_reply_bad(&j, "error", "has no code");
	}
	bad = j.why[0];
	json_reply_close(&j);
	return bad ? -EPROTO : 0;
}

int e2b_error_outcome(const struct e2b_error *err)
{
	static const struct {
		const char *code;
		int outcome;
	} codes[] = {
		{"unauthenticated", PROVIDER_DENIED},
		{"permission_denied", PROVIDER_DENIED},
		{"resource_exhausted", PROVIDER_THROTTLED},
		{"unavailable", PROVIDER_BUSY},
		{"aborted", PROVIDER_BUSY},
		{"deadline_exceeded", -ETIMEDOUT},
		{"canceled", -ETIMEDOUT},
		{"unimplemented", PROVIDER_UNSUPPORTED},
	};

	for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
		if (strcmp(err->code, codes[i].code) == 0)
			return codes[i].outcome;
	}
	switch (err->number) {
	case 401:
	case 403:
		return PROVIDER_DENIED;
	case 429:
		return PROVIDER_THROTTLED;
	case 503:
		return PROVIDER_BUSY;
	case 502:
	case 504:
		return PROVIDER_OFFLINE;
	default:
		return PROVIDER_REFUSED; /* a file, a directory, a process: about what was asked */
	}
}
