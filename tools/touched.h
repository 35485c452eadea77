/* tools/touched.h - whether a commit changed one of some paths.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct commit;
struct project;

/* As `git log -- <path>…` sees it: one of the paths differs from what every parent has there; of a first commit, whether
 * it has one of them. Costs a look-up per path in the commit and in each parent. 0 or a fault. */
int touched(struct project *p, const struct commit *c, const char *const *paths, size_t n_paths,
	    bool *ret);

/* Whether a path can be looked up: relative, no empty, "." or ".." part. */
bool touched_path_ok(const char *path);
