/* Any bytes as a file of documents: every piece lies in the file, after the one before, and reading ends. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "store/import_json_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_all(int fd, const uint8_t *data, size_t size, bool lines)
{
	struct import_json_read *r = import_json_read_new(fd, lines, 256);
	struct import_json_span span;
	uint64_t behind = 0;
	size_t n = 0;
	int got;

	assert(lseek(fd, 0, SEEK_SET) == 0);
	while ((got = import_json_read_next(r, &span)) != IMPORT_JSON_READ_END) {
		assert(got == 0 || got == IMPORT_JSON_READ_TOO_BIG);
		assert(span.offset >= behind && span.line >= 1 && ++n <= size + 2);
		behind = span.offset;
		if (got)
			continue;
		assert(span.offset + span.len <= size);
		assert(!memcmp(span.text, data + span.offset, span.len));
		behind += span.len;
	}
	import_json_read_free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("documents", MFD_CLOEXEC);

	assert(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	read_all(fd, data, size, false);
	read_all(fd, data, size, true);
	close(fd);
	return 0;
}
