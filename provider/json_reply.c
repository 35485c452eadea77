/* provider/json_reply.c - typed access to a foreign document that remembers its first flaw.
 *
 * Costs one parse. It refuses documents over JSON_REPLY_MAX before looking at them; base/json refuses
 * depth. Field names are our constants, so `why` holds nothing of the stranger's.
 */
#include "provider/json_reply.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"

void json_reply_bad(struct json_reply *j, const char *key, const char *how)
{
	if (!j->why[0])
		(void)snprintf(j->why, sizeof(j->why), "'%s' %s", key, how);
}

void json_reply_open(struct json_reply *j, const char *text, size_t len)
{
	memset(j, 0, sizeof(*j));
	if (len > JSON_REPLY_MAX) {
		(void)snprintf(j->why, sizeof(j->why), "it is larger than %d bytes",
			       JSON_REPLY_MAX);
		return;
	}
	if (json_parse(text, len, &j->root, j->why, sizeof(j->why))) {
		j->root = NULL;
		if (!j->why[0])
			(void)snprintf(j->why, sizeof(j->why), "it is no JSON");
	}
}

void json_reply_close(struct json_reply *j)
{
	json_free(j->root);
	j->root = NULL;
}

int json_reply_fault(const struct json_reply *j, const char *who)
{
	return j->why[0] ? fail(-EPROTO, "%s: reply not understood: %s", who, j->why) : 0;
}

/* The field, or NULL when it is missing or null. */
static const struct json *find(const struct json *obj, const char *key)
{
	const struct json *v = NULL;

	return obj && json_is_object(obj) && json_get(obj, key, &v) == 0 ? v : NULL;
}

const char *json_reply_str(struct json_reply *j, const struct json *obj, const char *key,
			   const char *fallback)
{
	const struct json *v = find(obj, key);

	if (!v)
		return fallback;
	if (!json_str(v)) {
		json_reply_bad(j, key, "is no string");
		return fallback;
	}
	return json_str(v);
}

static bool digits_of(const char *s, int64_t *ret)
{
	bool minus = *s == '-';
	int64_t n = 0;

	s += minus;
	if (!*s)
		return false;
	for (; *s; s++) {
		if (!isdigit((unsigned char)*s) || __builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, *s - '0', &n))
			return false;
	}
	*ret = minus ? -n : n;
	return true;
}

int64_t json_reply_int(struct json_reply *j, const struct json *obj, const char *key,
		       int64_t fallback)
{
	const struct json *v = find(obj, key);
	int64_t n;

	if (!v)
		return fallback;
	if (json_str(v) ? digits_of(json_str(v), &n) : json_get_int(obj, key, &n) == 0)
		return n;
	json_reply_bad(j, key, "is no whole number");
	return fallback;
}

bool json_reply_bool(struct json_reply *j, const struct json *obj, const char *key,
		     bool fallback)
{
	bool b = fallback;

	if (find(obj, key) && json_get_bool(obj, key, &b))
		json_reply_bad(j, key, "is neither true nor false");
	return b;
}

double json_reply_number(struct json_reply *j, const struct json *obj, const char *key,
			 double fallback)
{
	const struct json *v = find(obj, key);
	double n = fallback;

	if (v && !json_number(v, &n))
		json_reply_bad(j, key, "is no number");
	return n;
}

const struct json *json_reply_obj(struct json_reply *j, const struct json *obj, const char *key)
{
	const struct json *v = find(obj, key);

	if (v && !json_is_object(v)) {
		json_reply_bad(j, key, "is no object");
		return NULL;
	}
	return v;
}

const struct json *json_reply_list(struct json_reply *j, const struct json *obj,
				   const char *key)
{
	const struct json *v = find(obj, key);

	if (v && !json_is_array(v)) {
		json_reply_bad(j, key, "is no list");
		return NULL;
	}
	return v;
}

int64_t json_reply_time(struct json_reply *j, const struct json *obj, const char *key,
			int64_t fallback)
{
	const char *s = json_reply_str(j, obj, key, NULL);
	int64_t t;
	int tz;

	if (!s)
		return fallback;
	if (clock_parse(s, &t, &tz)) {
		json_reply_bad(j, key, "is no time");
		return fallback;
	}
	return t;
}

void json_reply_maybe(struct json_reply *j, const struct json *obj, const char *key, char *ret,
		      size_t size)
{
	const char *s = json_reply_str(j, obj, key, "");
	size_t n = strlen(s);

	ret[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		if (!isgraph((unsigned char)s[i])) {
			json_reply_bad(j, key, "holds bytes it may not");
			return;
		}
	}
	if (n >= size) {
		json_reply_bad(j, key, "is too long");
		return;
	}
	memcpy(ret, s, n + 1);
}

void json_reply_text(struct json_reply *j, const struct json *obj, const char *key, char *ret,
		     size_t size)
{
	json_reply_maybe(j, obj, key, ret, size);
	if (!ret[0])
		json_reply_bad(j, key, "is missing");
}
