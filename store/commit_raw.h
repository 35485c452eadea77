/* store/commit_raw.h - a commit object's header, read in place.
 *
 * For walks over whole histories: nothing is allocated, and nothing but the tree is required, because
 * real histories hold commits with broken dates, without authors, with a hundred parents.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/oid.h"

struct commit_raw {
	struct oid tree;
	size_t n_parents;
	const char *parents; /* where the first parent line starts; borrowed */
	int64_t time;        /* of the committer; 0 when it cannot be read */
	int16_t tz;          /* minutes east of UTC */
	const char *title;   /* the message's first line that is not blank; borrowed */
	size_t title_len;
};

/* 0, or -EINVAL (silent) when the bytes do not start as a commit does. */
int commit_raw_parse(const void *data, size_t len, struct commit_raw *ret);

/* The i-th parent, i < n_parents. */
struct oid commit_raw_parent(const struct commit_raw *c, size_t i);

/* Writes the title as a–z, 0–9 and single dashes, at most `size` - 1 of them. */
void commit_raw_slug(const struct commit_raw *c, char *ret, size_t size);
