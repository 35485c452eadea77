/* tools/describe.h - a fragment in words and in JSON: what log, show, tag and branch have in common.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/oid.h"

struct commit;
struct fragment;
struct json_out;
struct project;
struct term;

/* Names of refs by the commit they point at. */
struct describe_refs {
	struct describe_ref *refs; /* sorted by commit */
	size_t n, cap;
};

int describe_refs_load(struct project *p, struct describe_refs *ret);
void describe_refs_free(struct describe_refs *r);

/* The fields seq, commit, tree, parents, title, author, author_name, author_email, time, authored, refs of an object that
 * the caller has begun. `c` NULL: the commit cannot be read; then "error" stands for the rest. */
void describe_json(struct json_out *o, const struct fragment *f, const struct commit *c,
		   const struct describe_refs *refs);

/* One line: number, short id, day, author, title, refs. */
void describe_line(const struct term *t, const struct fragment *f, const struct commit *c,
		   const struct describe_refs *refs);

/* The head of `frag show`: one fact a line, then the message. */
void describe_full(const struct term *t, const struct fragment *f, const struct commit *c,
		   const struct describe_refs *refs);
