/* store/tag.h - tags that are objects: a name for a commit with a message, a date and an author.
 */
#pragma once

#include "base/oid.h"
#include "store/commit.h"

struct project;

struct tag_spec {
	struct oid target;   /* a commit */
	const char *name;    /* without refs/tags/ */
	const char *message; /* a newline is added where it lacks one */
	struct commit_who tagger;
};

/* Writes the tag object, synced; no ref is moved. 0 or a fault. */
int tag_write(struct project *p, const struct tag_spec *spec, struct oid *ret);
