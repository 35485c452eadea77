/* Any bytes as an HTTP answer from inside a sandbox: its fields are strings of it, its chunks come out the same
 * in one piece and byte by byte. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "tests/peers/http_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int undo(const char *in, size_t len, size_t step, size_t room, struct buf *out)
{
	struct http_chunks c = {0};
	size_t at = 0, end = 0, used = 1, made = 0;
	char bytes[64];
	int r = 0;

	while (!r && (end < len || used || made)) {
		end = end + step < len ? end + step : len;
		r = http_chunks_step(&c, in + at, end - at, bytes, room, &used, &made);
		(void)buf_add(out, bytes, made);
		at += used;
	}
	return r;
}

static void same_chunks(const char *in, size_t len)
{
	struct buf once, bytewise;
	int r;

	buf_init(&once, len + 1);
	buf_init(&bytewise, len + 1);
	r = undo(in, len, len + 1, 64, &once);
	assert(undo(in, len, 1, 3, &bytewise) == r);
	assert(once.len == bytewise.len && !memcmp(once.data, bytewise.data, once.len));
	buf_deinit(&once);
	buf_deinit(&bytewise);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(free_p) char *copy = alloc_copy(data, size);
	struct http_head h;
	size_t total = 0;

	if (http_head_parse(copy, size, &h)) {
		same_chunks((const char *)data, size);
		return 0;
	}
	assert(h.len <= size && h.status >= 100 && h.status <= 999);
	for (size_t i = 0; i < h.n; i++)
		total += strlen(h.fields[i].name) + strlen(h.fields[i].value);
	assert(total < h.len);
	same_chunks((const char *)data + h.len, size - h.len);
	return 0;
}
