/* Any bytes as a frame of the agent: what decodes encodes to the same bytes. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "provider/agent/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire_frame f;
	struct wire_str s;
	struct buf out;
	size_t used;

	buf_init(&out, WIRE_FRAME_MAX + 4);
	while (wire_decode(data, size, &f, &used) == 0) {
		unsigned n = f.argv.n;

		buf_clear(&out);
		assert(wire_encode(&out, &f) == 0);
		assert(out.len == used && !memcmp(out.data, data, used));
		while (wire_list_next(&f.argv, &s))
			n--;
		assert(n == 0);
		data += used;
		size -= used;
	}
	buf_deinit(&out);
	return 0;
}
