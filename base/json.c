/* Typed reading on top of cJSON, and a streaming writer.
 *
 * cJSON recurses once per level and knows no ceiling of ours, so depth is checked by a scan over
 * the text first. It also lets strings be cut short by an escaped NUL; that is refused
 * by the same scan, since a path must not end early. Where NULs are wanted (file contents), they
 * travel through cJSON as the overlong form C0 80, as Java writes them: the text was proven
 * to be UTF-8 before, so nothing else can look like that.
 */
#include "base/json.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/utf8.h"

static const char *scan(const char *text, size_t len, size_t *n_nul)
{
	bool in_string = false;
	int depth = 0;

	*n_nul = 0;

	if (!utf8_valid(text, len))
		return "it is not valid UTF-8";
	for (size_t i = 0; i < len; i++) {
		while (in_string && i + 1 < len && text[i] != '"' && text[i] != '\\' && text[i])
			i++;
		if (text[i] == '\0')
			return "it holds a NUL byte";
		if (in_string && text[i] == '\\') {
			*n_nul += len - i > 5 && !memcmp(text + i, "\\u0000", 6);
			i++;
		} else if (text[i] == '"') {
			in_string = !in_string;
		} else if (!in_string && (text[i] == '{' || text[i] == '[')) {
			if (++depth > JSON_DEPTH_MAX)
				return "it is nested too deeply";
		} else if (!in_string && (text[i] == '}' || text[i] == ']')) {
			depth--;
		}
	}
	return NULL;
}

/* `text` with every \u0000 as C0 80; NULL when there is no memory for it. */
static char *smuggle_nuls(const char *text, size_t *len)
{
	bool in_string = false;
	char *out = malloc(*len);
	size_t n = 0;

	for (size_t i = 0; out && i < *len; i++) {
		if (in_string && text[i] == '\\' && *len - i > 5 &&
		    !memcmp(text + i, "\\u0000", 6)) {
			out[n++] = '\xc0';
			out[n++] = '\x80';
			i += 5;
			continue;
		}
		in_string ^= text[i] == '"';
		out[n++] = text[i];
		if (in_string && text[i] == '\\' && i + 1 < *len)
			out[n++] = text[++i];
	}
	*len = n;
	return out;
}

static int parse(const char *text, size_t len, struct json **ret, char *why, size_t why_size)
{
	const char *end = NULL;
	cJSON *root = cJSON_ParseWithLengthOpts(text, len, &end, 0);

	if (!root) {
		(void)snprintf(why, why_size, "not JSON at byte %zu",
			       end ? (size_t)(end - text) : 0);
		return JSON_BAD;
	}
	while (end < text + len && strchr(" \t\r\n", *end))
		end++;
	if (end != text + len) {
		cJSON_Delete(root);
		(void)snprintf(why, why_size, "something follows the document at byte %zu",
			       (size_t)(end - text));
		return JSON_BAD;
	}
	*ret = (struct json *)root;
	return 0;
}

int json_parse(const char *text, size_t len, struct json **ret, char *why, size_t why_size)
{
	size_t n_nul;
	const char *wrong = scan(text, len, &n_nul);

	if (!wrong && n_nul)
		wrong = "a string holds a NUL";
	if (wrong) {
		(void)snprintf(why, why_size, "%s", wrong);
		return JSON_BAD;
	}
	return parse(text, len, ret, why, why_size);
}

int json_parse_nul(const char *text, size_t len, struct json **ret, char *why, size_t why_size)
{
	CLEANUP(free_p) char *copy = NULL;
	size_t n_nul;
	const char *wrong = scan(text, len, &n_nul);

	if (wrong) {
		(void)snprintf(why, why_size, "%s", wrong);
		return JSON_BAD;
	}
	if (!n_nul)
		return parse(text, len, ret, why, why_size);
	copy = smuggle_nuls(text, &len);
	if (!copy)
		return -ENOMEM;
	return parse(copy, len, ret, why, why_size);
}

const char *json_bytes(const struct json *v, struct buf *scratch, size_t *len)
{
	const char *s = json_str(v), *from = s, *nul;

	if (!s)
		return NULL;
	*len = strlen(s);
	if (!memchr(s, 0xc0, *len))
		return s;
	buf_clear(scratch);
	while ((nul = strchr(from, 0xc0))) {
		if (buf_add(scratch, from, (size_t)(nul - from)) || buf_u8(scratch, 0))
			return NULL;
		from = nul + 2;
	}
	if (buf_str(scratch, from))
		return NULL;
	*len = scratch->len;
	return scratch->data;
}

bool json_number(const struct json *v, double *ret)
{
	const cJSON *n = (const cJSON *)v;

	if (!cJSON_IsNumber(n) || !isfinite(n->valuedouble))
		return false;
	*ret = n->valuedouble;
	return true;
}

void json_free(struct json *root)
{
	cJSON_Delete((cJSON *)root);
}

static const cJSON *node(const struct json *v)
{
	return (const cJSON *)v;
}

int json_get(const struct json *obj, const char *key, const struct json **ret)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(node(obj), key);

	if (!v || cJSON_IsNull(v))
		return JSON_ABSENT;
	*ret = (const struct json *)v;
	return 0;
}

int json_get_str(const struct json *obj, const char *key, const char **ret)
{
	const struct json *v;
	int r = json_get(obj, key, &v);

	if (r)
		return r;
	if (!json_str(v))
		return JSON_BAD;
	*ret = json_str(v);
	return 0;
}

int json_get_int(const struct json *obj, const char *key, int64_t *ret)
{
	const struct json *v;
	int r = json_get(obj, key, &v);
	double d;

	if (r)
		return r;
	d = cJSON_IsNumber(node(v)) ? node(v)->valuedouble : NAN;
	if (!(d >= -9007199254740992.0 && d <= 9007199254740992.0) || d != floor(d))
		return JSON_BAD;
	*ret = (int64_t)d;
	return 0;
}

int json_get_bool(const struct json *obj, const char *key, bool *ret)
{
	const struct json *v;
	int r = json_get(obj, key, &v);

	if (r)
		return r;
	if (!cJSON_IsBool(node(v)))
		return JSON_BAD;
	*ret = cJSON_IsTrue(node(v));
	return 0;
}

bool json_is_object(const struct json *v)
{
	return cJSON_IsObject(node(v));
}

bool json_is_array(const struct json *v)
{
	return cJSON_IsArray(node(v));
}

const char *json_str(const struct json *v)
{
	return cJSON_IsString(node(v)) ? node(v)->valuestring : NULL;
}

const char *json_key(const struct json *v)
{
	return node(v)->string;
}

const struct json *json_first(const struct json *v)
{
	return (const struct json *)node(v)->child;
}

const struct json *json_next(const struct json *v)
{
	return (const struct json *)node(v)->next;
}

size_t json_count(const struct json *v)
{
	size_t n = 0;

	for (const struct json *c = json_first(v); c; c = json_next(c))
		n++;
	return n;
}

void json_out_buf(struct json_out *o, struct buf *b)
{
	*o = (struct json_out){.buf = b};
}

void json_out_file(struct json_out *o, FILE *f)
{
	*o = (struct json_out){.file = f};
}

static void raw(struct json_out *o, const char *s, size_t len)
{
	if (o->err)
		return;
	if (o->buf)
		o->err = buf_add(o->buf, s, len);
	else if (fwrite(s, 1, len, o->file) != len)
		o->err = -EIO;
}

static void separate(struct json_out *o)
{
	if (o->comma)
		raw(o, ",", 1);
	o->comma = true;
}

void json_begin(struct json_out *o, char bracket)
{
	separate(o);
	raw(o, &bracket, 1);
	o->comma = false;
	o->depth++;
}

void json_end(struct json_out *o, char bracket)
{
	raw(o, &bracket, 1);
	o->comma = true;
	if (--o->depth == 1)
		raw(o, "\n", 1); /* a long list reads as one element a line */
}

static void quoted(struct json_out *o, const char *s, size_t len)
{
	raw(o, "\"", 1);
	for (size_t i = 0, n; i < len; i += n) {
		char esc[8];

		n = utf8_step(s + i, len - i);
		if (!n) {
			raw(o, "\xef\xbf\xbd", 3);
			n = 1;
		} else if (s[i] == '"' || s[i] == '\\') {
			raw(o, (char[]){'\\', s[i]}, 2);
		} else if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f) {
			(void)snprintf(esc, sizeof(esc), "\\u%04x", (unsigned)s[i]);
			raw(o, esc, 6);
		} else {
			raw(o, s + i, n);
		}
	}
	raw(o, "\"", 1);
}

void json_key_out(struct json_out *o, const char *key)
{
	separate(o);
	quoted(o, key, strlen(key));
	raw(o, ":", 1);
	o->comma = false;
}

void json_put_strn(struct json_out *o, const char *s, size_t len)
{
	separate(o);
	quoted(o, s, len);
}

void json_put_str(struct json_out *o, const char *s)
{
	if (!s) {
		json_put_null(o);
		return;
	}
	json_put_strn(o, s, strlen(s));
}

void json_put_int(struct json_out *o, int64_t v)
{
	char text[24];

	separate(o);
	(void)snprintf(text, sizeof(text), "%" PRId64, v);
	raw(o, text, strlen(text));
}

void json_put_bool(struct json_out *o, bool v)
{
	separate(o);
	raw(o, v ? "true" : "false", v ? 4 : 5);
}

void json_put_null(struct json_out *o)
{
	separate(o);
	raw(o, "null", 4);
}

void json_str_field(struct json_out *o, const char *key, const char *s)
{
	json_key_out(o, key);
	json_put_str(o, s);
}

void json_int_field(struct json_out *o, const char *key, int64_t v)
{
	json_key_out(o, key);
	json_put_int(o, v);
}

void json_bool_field(struct json_out *o, const char *key, bool v)
{
	json_key_out(o, key);
	json_put_bool(o, v);
}

int json_out_end(struct json_out *o)
{
	raw(o, "\n", 1);
	if (!o->err && o->file && fflush(o->file))
		o->err = -errno;
	return o->err;
}
