/* Any bytes as a Connect stream, in one piece and in pieces of three: the same frames must come out, and written again they are
 * the bytes that were read. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "provider/connect_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int read_all(const uint8_t *data, size_t size, size_t piece, struct buf *out)
{
	struct connect_reader r;
	struct connect_frame f;
	int result = CONNECT_MORE;

	connect_reader_init(&r);
	for (size_t at = 0; at < size && result == CONNECT_MORE; at += piece) {
		size_t n = size - at < piece ? size - at : piece;

		if (connect_reader_feed(&r, data + at, n))
			abort();
		while ((result = connect_reader_next(&r, &f)) == 0) {
			if (connect_frame_put(out, f.data, f.len, f.end))
				abort();
		}
	}
	connect_reader_deinit(&r);
	return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf one, three;

	buf_init(&one, size + 16);
	buf_init(&three, size + 16);
	if (read_all(data, size, size + 1, &one) != read_all(data, size, 3, &three))
		abort();
	if (one.len != three.len || one.len > size ||
	    (one.len && memcmp(one.data, data, one.len)))
		abort();
	buf_deinit(&one);
	buf_deinit(&three);
	return 0;
}
