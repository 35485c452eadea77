/* base/json.h - typed JSON, the only border with cJSON.
 *
 * Reading: a document is checked for size and depth (JSON_DEPTH_MAX) before it is parsed; typed getters
 * name the field in `why` when it is missing or of another type. Writing: straight into a
 * buf or a FILE, so that a list of any length needs no tree.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct buf;
struct json; /* a borrowed node of a parsed document */

enum { JSON_DEPTH_MAX = 64 };

enum json_outcome {
	JSON_BAD = 1, /* not JSON, too deep, or of another type; `why` says which field */
	JSON_ABSENT,  /* no such field, or null */
};

/* Parses exactly one document. `why` (of `why_size`) gets a sentence on JSON_BAD.
 * The root is freed with json_free(); every other node lives as long as it. */
int json_parse(const char *text, size_t len, struct json **ret, char *why, size_t why_size);
void json_free(struct json *root);

/* The same, but strings may hold NULs ("\u0000"): their bytes are had from json_bytes() only,
 * json_str() shows each as the two bytes C0 80, which no valid text holds. */
int json_parse_nul(const char *text, size_t len, struct json **ret, char *why, size_t why_size);

/* The exact bytes of a string, either borrowed from `v` or made in `scratch` (emptied first);
 * NULL unless it is a string, or when `scratch` is at its ceiling. */
const char *json_bytes(const struct json *v, struct buf *scratch, size_t *len);

/* A number, however it is written. False unless it is one and finite. */
bool json_number(const struct json *v, double *ret);

/* Getters: 0, JSON_ABSENT or JSON_BAD. Strings are UTF-8 and may hold no NUL. */
int json_get(const struct json *obj, const char *key, const struct json **ret);
int json_get_str(const struct json *obj, const char *key, const char **ret);
int json_get_int(const struct json *obj, const char *key, int64_t *ret);
int json_get_bool(const struct json *obj, const char *key, bool *ret);

bool json_is_object(const struct json *v);
bool json_is_array(const struct json *v);
const char *json_str(const struct json *v);          /* NULL unless it is a string */
const char *json_key(const struct json *v);          /* its name inside an object, or NULL */
const struct json *json_first(const struct json *v); /* first child, or NULL */
const struct json *json_next(const struct json *v);
size_t json_count(const struct json *v);

/* A writer. Commas and quoting are its business; bytes that are not UTF-8 are written as
 * U+FFFD (callers that must be exact add a hex field). Errors stick: check json_out_end(). */
struct json_out {
	struct buf *buf; /* either … */
	FILE *file;      /* … or */
	bool comma;
	int depth, err;
};

void json_out_buf(struct json_out *o, struct buf *b);
void json_out_file(struct json_out *o, FILE *f);
void json_begin(struct json_out *o, char bracket); /* '{' or '[' */
void json_end(struct json_out *o, char bracket);   /* '}' or ']' */
void json_key_out(struct json_out *o, const char *key);
void json_put_str(struct json_out *o, const char *s); /* NULL writes null */
void json_put_strn(struct json_out *o, const char *s, size_t len);
void json_put_int(struct json_out *o, int64_t v);
void json_put_bool(struct json_out *o, bool v);
void json_put_null(struct json_out *o);
/* key and value in one go */
void json_str_field(struct json_out *o, const char *key, const char *s);
void json_int_field(struct json_out *o, const char *key, int64_t v);
void json_bool_field(struct json_out *o, const char *key, bool v);
/* Ends the document with a newline. 0 or the first fault met. */
int json_out_end(struct json_out *o);
