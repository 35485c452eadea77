/* Any bytes as a client's WebSocket frames: nothing beyond them is read, and their lengths add up. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "tests/peers/websocket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(free_p) char *copy = alloc_copy(data, size);
	struct ws_frame f;
	size_t at = 0, used;

	while (ws_decode(copy + at, size - at, &f, &used) == 0) {
		assert(used <= size - at && f.len <= used - 6);
		assert(f.data + f.len == copy + at + used);
		at += used;
	}
	return 0;
}
