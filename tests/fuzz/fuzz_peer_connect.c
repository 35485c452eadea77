/* Any bytes as a request of Connect: frames encode to the same bytes, base64 comes back as it went. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tests/peers/connect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void base64_returns(const void *data, size_t size)
{
	struct buf text, back;

	buf_init(&text, size * 2 + 8);
	buf_init(&back, size + 8);
	assert(base64_encode(&text, data, size) == 0);
	assert(base64_decode(&back, text.data, text.len) == 0);
	assert(back.len == size && !memcmp(back.data, data, size));
	buf_clear(&back);
	(void)base64_decode(&back, data, size);
	buf_deinit(&text);
	buf_deinit(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct connect_frame f;
	struct buf out;
	size_t used;

	base64_returns(data, size);
	(void)connect_single(data, size, &f);
	buf_init(&out, CONNECT_FRAME_MAX + CONNECT_HEADER);
	while (connect_decode(data, size, &f, &used) == 0) {
		buf_clear(&out);
		assert(connect_encode(&out, f.flags, f.data, f.len) == 0);
		assert(out.len == used && !memcmp(out.data, data, used));
		data += used;
		size -= used;
	}
	buf_deinit(&out);
	return 0;
}
