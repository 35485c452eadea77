/* Any bytes as what find(1) printed inside a sandbox: every field of every entry is a string of them. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tests/peers/entries.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct entries e = {0};
	size_t total = 0;

	buf_init(&e.text, size + 1);
	(void)buf_add(&e.text, data, size);
	(void)entries_parse(&e);
	for (size_t i = 0; i < e.n; i++)
		total += strlen(e.list[i].path) + strlen(e.list[i].name) +
			 strlen(e.list[i].target) + strlen(e.list[i].permissions);
	assert(total <= size);
	entries_deinit(&e);
	return 0;
}
