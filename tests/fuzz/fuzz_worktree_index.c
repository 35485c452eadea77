/* Any bytes as an index of git's: counted without harm, and never more than there is room for. */
#include <stdint.h>
#include <stdlib.h>

#include "store/worktree_index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int n = worktree_index_count_unmerged(data, size);

	if (n > 0 && (size_t)n > size / 62)
		abort();
	return 0;
}
