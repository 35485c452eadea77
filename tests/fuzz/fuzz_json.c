/* Any bytes as JSON: what parses is walked with every getter, written again, and must parse to
 * the same text once more. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void copy_value(const struct json *v, struct json_out *o)
{
	bool b;
	int64_t n;

	if (json_key(v))
		json_key_out(o, json_key(v));
	if (json_is_object(v) || json_is_array(v)) {
		json_begin(o, json_is_object(v) ? '{' : '[');
		for (const struct json *c = json_first(v); c; c = json_next(c))
			copy_value(c, o);
		json_end(o, json_is_object(v) ? '}' : ']');
	} else if (json_str(v)) {
		json_put_str(o, json_str(v));
	} else {
		json_put_null(o);
	}
	if (json_is_object(v)) {
		(void)json_get_bool(v, "a", &b);
		(void)json_get_int(v, "a", &n);
	}
}

static void rewrite(const struct json *root, struct buf *b)
{
	struct json_out o;

	json_out_buf(&o, b);
	copy_value(root, &o);
	if (json_out_end(&o))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json *root = NULL, *again = NULL;
	struct buf one, two;
	char why[64];

	if (json_parse((const char *)data, size, &root, why, sizeof(why)))
		return 0;
	buf_init(&one, size * 8 + 64);
	buf_init(&two, size * 8 + 64);
	rewrite(root, &one);
	if (json_parse(one.data, one.len, &again, why, sizeof(why)))
		abort();
	rewrite(again, &two);
	if (one.len != two.len || memcmp(one.data, two.data, one.len) != 0)
		abort();
	json_free(root);
	json_free(again);
	buf_deinit(&one);
	buf_deinit(&two);
	return 0;
}
