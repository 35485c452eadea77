/* Any bytes as multipart/form-data: in one piece or byte by byte, the same parts are seen. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tests/peers/multipart.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was seen, as text; data of a part joined. */
static bool note(void *arg, enum multipart_event e, const char *data, size_t len)
{
	struct buf *seen = arg, name;

	if (e != MULTIPART_DATA)
		(void)buf_str(seen, e == MULTIPART_PART ? "<" : ">");
	(void)buf_add(seen, data, len);
	if (e != MULTIPART_PART)
		return true;
	buf_init(&name, MULTIPART_HEAD_MAX);
	if (multipart_param(&name, data, "filename"))
		(void)buf_add(seen, name.data, name.len);
	buf_deinit(&name);
	return true;
}

static int parse(const uint8_t *data, size_t size, size_t step, struct buf *seen, bool *whole)
{
	struct multipart m;
	int r = multipart_init(&m, "multipart/form-data; boundary=xyz", note, seen);

	assert(r == 0);
	for (size_t at = 0; at < size && !r; at += step)
		r = multipart_feed(&m, data + at, size - at < step ? size - at : step);
	*whole = multipart_is_whole(&m);
	multipart_deinit(&m);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf once, bytewise;
	bool whole, whole_bytewise;
	int r;

	buf_init(&once, 4 * size + 64);
	buf_init(&bytewise, 4 * size + 64);
	r = parse(data, size, size ? size : 1, &once, &whole);
	assert(parse(data, size, 1, &bytewise, &whole_bytewise) == r &&
	       whole == whole_bytewise);
	assert(r || (once.len == bytewise.len && !memcmp(once.data, bytewise.data, once.len)));
	buf_deinit(&once);
	buf_deinit(&bytewise);
	return 0;
}
