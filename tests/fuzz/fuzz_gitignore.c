/* Any bytes as rules and as a path: read without harm, in bounded time, and the same twice. The first line of the
 * input is the path. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/gitignore.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const char *rules;
	size_t len;
};

static char *read_rules(const char *dir, size_t *len, void *arg)
{
	const struct input *in = arg;

	if (strlen(dir) > 8)
		return NULL;
	*len = in->len;
	return alloc_copy(in->rules, in->len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *nl = size ? memchr(data, '\n', size) : NULL;
	size_t path_len = nl ? (size_t)(nl - data) : size;
	CLEANUP(free_p) char *path = alloc_copy(data, path_len);
	struct input in = {nl ? (const char *)nl + 1 : "", nl ? size - path_len - 1 : 0};
	struct gitignore *ig = gitignore_new(in.rules, in.len, read_rules, &in);
	bool once = gitignore_match(ig, path, false);

	if (gitignore_match(ig, path, false) != once)
		abort();
	(void)gitignore_match(ig, path, true);
	gitignore_free(ig);
	return 0;
}
