/* Any bytes as a document: what decodes is safe to write, and says the same when written as JSON again. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/judge.h"
#include "store/import_json_doc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void encode(const struct import_json_doc *d, struct buf *b)
{
	struct json_out o;

	json_out_buf(&o, b);
	json_begin(&o, '{');
	json_str_field(&o, "id", d->id);
	json_str_field(&o, "title", d->title);
	json_str_field(&o, "parentId", d->parent);
	json_key_out(&o, "files");
	json_begin(&o, '{');
	for (size_t i = 0; i < d->n_files; i++) {
		assert(!judge_path(d->files[i].path, strlen(d->files[i].path)));
		json_key_out(&o, d->files[i].path);
		json_put_strn(&o, d->files[i].data, d->files[i].len);
	}
	json_end(&o, '}');
	json_end(&o, '}');
	assert(!json_out_end(&o));
}

static void assert_same(const struct import_json_doc *a, const struct import_json_doc *b)
{
	assert(!strcmp(a->id, b->id) && !strcmp(a->title, b->title));
	assert(a->n_files == b->n_files && !a->parent == !b->parent);
	for (size_t i = 0; i < a->n_files; i++) {
		assert(!strcmp(a->files[i].path, b->files[i].path));
		assert(a->files[i].len == b->files[i].len);
		assert(!memcmp(a->files[i].data, b->files[i].data, a->files[i].len));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(buf_deinit) struct buf text;
	CLEANUP(buf_deinit) struct buf message;
	struct import_json_doc *d = NULL, *again = NULL;
	char why[IMPORT_JSON_WHY_MAX];
	size_t len;

	buf_init(&text, 64 << 20);
	buf_init(&message, 64 << 20);
	if (import_json_doc_parse((const char *)data, size, &d, why)) {
		assert(why[0]);
		return 0;
	}
	encode(d, &text);
	assert(!import_json_doc_parse(text.data, text.len, &again, why));
	assert_same(d, again);
	assert(!import_json_doc_message(d, &message));
	assert(import_json_doc_id(message.data, &len) && len == strlen(d->id));
	import_json_doc_free(d);
	import_json_doc_free(again);
	return 0;
}
