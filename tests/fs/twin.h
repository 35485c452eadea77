/* tests/fs/twin.h - the same operations on a work tree in a mount and on a plain directory beside it.
 *
 * Whatever one of them answers the other must answer; what the operations leave behind must be the same. So no expectation is
 * written down anywhere: the file system below is the oracle.
 */
#pragma once

#include <stdint.h>
#include <sys/stat.h>

#include "tests/fs/mounted.h"

enum { TWIN_SIDES = 2, TWIN_OPEN = 6 };

struct twin {
	struct mounted *m;
	char root[TWIN_SIDES][400]; /* the mount's, the plain one */
	int dir[TWIN_SIDES];
	int open[TWIN_SIDES][TWIN_OPEN]; /* descriptors kept open, -1: none */
	uint64_t rng;
	uint64_t n_ops, n_done; /* tried, and not refused */
	char last[600];         /* the last operation, for a message */
};

/* `live` of the mounted project is emptied; the plain directory is made. */
void twin_init(struct twin *t, struct mounted *m, uint64_t seed);
void twin_deinit(struct twin *t);

/* Both trees, all they say and hold. Fails with the first difference. */
void twin_compare(struct twin *t);

/* Closes what is open; before the mount goes, and after it is back. */
void twin_leave(struct twin *t);
void twin_return(struct twin *t);
