/* Any bytes as a commit: parsed within them, and its texts are what a caller may show. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "store/commit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct commit *c = NULL;
	int r = commit_parse(data, size, &c);

	assert(r == 0 || r == COMMIT_BAD);
	assert(!r == (c != NULL));
	if (!c)
		return 0;
	assert(c->n_parents <= size / 48);
	assert(c->author.name && c->author.email && c->committer.name && c->committer.email);
	assert(strlen(c->message) <= size * 4 && strlen(c->title) <= strlen(c->message));
	assert(!strchr(c->title, '\n'));
	commit_free(c);
	return 0;
}
