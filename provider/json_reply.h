/* provider/json_reply.h - a provider's JSON, read field by field.
 *
 * Getters never fail one by one: the first field that is missing or of the wrong type is remembered in `why`
 * ("'sandboxID' is missing"), everything after yields fallbacks, and the reader asks once, at the end,
 * whether the reply was understood. Unknown fields are ignored. What comes out is text of a stranger: copy it
 * with json_reply_text(), which bounds and checks it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"

enum { JSON_REPLY_MAX = 8 << 20 };

struct json_reply {
	struct json *root;
	char why[128]; /* "" as long as all is well */
};

/* Parses; check json_reply_fault(). Always json_reply_close() it. Depth is at most JSON_DEPTH_MAX. */
void json_reply_open(struct json_reply *j, const char *text, size_t len);
void json_reply_close(struct json_reply *j);

/* 0, or -EPROTO said in the log as "<who>: reply not understood: <why>". */
int json_reply_fault(const struct json_reply *j, const char *who);

/* A field of `obj` (NULL: of nothing, every field is missing). Fallback: what a missing or null field yields. */
const char *json_reply_str(struct json_reply *j, const struct json *obj, const char *key,
			   const char *fallback);
/* Numbers, and strings that are one (64-bit integers come that way). */
int64_t json_reply_int(struct json_reply *j, const struct json *obj, const char *key,
		       int64_t fallback);
bool json_reply_bool(struct json_reply *j, const struct json *obj, const char *key,
		     bool fallback);
double json_reply_number(struct json_reply *j, const struct json *obj, const char *key,
			 double fallback);
/* An object or array, or NULL. */
const struct json *json_reply_obj(struct json_reply *j, const struct json *obj,
				  const char *key);
const struct json *json_reply_list(struct json_reply *j, const struct json *obj,
				   const char *key);
/* RFC 3339 as seconds. */
int64_t json_reply_time(struct json_reply *j, const struct json *obj, const char *key,
			int64_t fallback);

/* Must be there, be a string of 1 to `size` - 1 bytes and printable ASCII without spaces: ids, tokens, host names. */
void json_reply_text(struct json_reply *j, const struct json *obj, const char *key, char *ret,
		     size_t size);
/* The same, but may be missing, null or empty: "" then. */
void json_reply_maybe(struct json_reply *j, const struct json *obj, const char *key, char *ret,
		      size_t size);

/* Remembers that `key` is wrong, unless something else was before. */
void json_reply_bad(struct json_reply *j, const char *key, const char *how);
