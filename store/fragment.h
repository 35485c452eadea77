/* store/fragment.h - a commit with a number.
 *
 * Every commit that a ref under refs/heads, refs/tags, refs/remotes or HEAD reaches is a fragment. Its
 * number in its project is assigned once, parents before children, and never reused; the commit
 * is kept alive by refs/fragments/<seq>. The index holds a copy of what listings need.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/oid.h"

struct project;

enum { FRAGMENT_SLUG_MAX = 40, FRAGMENT_NAME_MAX = 80 };

enum fragment_outcome {
	FRAGMENT_MISSING = 1, /* no such number, or the commit has none */
};

struct fragment {
	uint32_t seq; /* from 1 */
	struct oid commit, tree;
	int64_t time; /* committer time, seconds since 1970; as git has it, however odd */
	int16_t tz;   /* minutes east of UTC */
	uint16_t n_parents;
	char slug[FRAGMENT_SLUG_MAX + 1]; /* from the title: a–z 0–9 and -, may be empty */
};

int fragment_get(struct project *p, uint32_t seq, struct fragment *ret);
int fragment_by_commit(struct project *p, const struct oid *commit, struct fragment *ret);

/* The highest number ever assigned; 0 when there is none. */
int fragment_last(struct project *p, uint32_t *ret);
/* How many there are. */
int fragment_count(struct project *p, uint32_t *ret);

/* In ascending order from `from` on, until `fn` returns non-zero, which is returned. A snapshot:
 * fragments added meanwhile are not seen. `fn` may call any store function. */
typedef int (*fragment_fn)(const struct fragment *f, void *arg);
int fragment_each(struct project *p, uint32_t from, fragment_fn fn, void *arg);

/* "00042-0123456789ab-add-login-form"; returns its length. */
int fragment_name(const struct fragment *f, char ret[FRAGMENT_NAME_MAX]);

/* The number at the start of a fragment's directory name, or a plain number; 0 if it is neither. The name
 * is not proven: compare with fragment_name(). */
uint32_t fragment_seq_of_name(const char *name);
