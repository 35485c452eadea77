/* tools/closest.h - "did you mean": the names nearest to a mistyped one.
 */
#pragma once

#include <stddef.h>

struct buf;

enum { CLOSEST_MAX = 3, CLOSEST_NAME_MAX = 128 };

struct closest {
	const char *typed;
	size_t n;
	struct {
		char name[CLOSEST_NAME_MAX];
		unsigned distance;
	} best[CLOSEST_MAX];
};

void closest_init(struct closest *c, const char *typed);

/* Considers one name. */
void closest_offer(struct closest *c, const char *name);

/* Appends "'a', 'b' or 'c'"; nothing when none is near. */
void closest_words(const struct closest *c, struct buf *b);
