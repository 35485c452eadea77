/* Any bytes as a tree: the parser reads within them, and what it lets pass is safe to show and sorted. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/judge.h"
#include "store/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int check(const struct tree_entry *e, void *arg)
{
	assert(strlen(e->name) == e->name_len && e->name_len > 0 && e->name_len <= 255);
	assert(!strchr(e->name, '/'));
	assert(e->verdict || !judge_entry(e->name, e->name_len, e->mode));
	*(size_t *)arg += 1;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t n = 0;
	int r = tree_parse(data, size, check, &n);

	assert(r == 0 || r == TREE_CORRUPT);
	assert(n <= size / 22);
	(void)judge_words(judge_path((const char *)data, size));
	return 0;
}
