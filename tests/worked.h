/* tests/worked.h - a project with two commits and its `live`, open.
 *
 * main~1 holds "a" = 1, "d/b" = 2; main holds "a" = one, "d/b" = 2, "d/new" = 3; .gitignore has "out/". `side` is main~1 with "s" = 4.
 */
#pragma once

#include "store/work.h"
#include "tests/repo.h"

struct worked {
	struct repo *r;
	struct work *w;
	struct oid first, main, side; /* commits */
};

int worked_setup(void **state);
int worked_teardown(void **state);

/* Makes or replaces a file, with the directories above it. */
void worked_write(struct work *w, const char *path, const char *text);
void worked_remove(struct work *w, const char *path);
/* Its content: a static buffer; NULL when it is not there. */
const char *worked_read(struct work *w, const char *path);

/* Closes and opens the work tree and the home. */
void worked_reopen(struct worked *f);
