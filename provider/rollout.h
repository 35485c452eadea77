/* provider/rollout.h - which of several providers makes a new sandbox.
 *
 *	project P --hash--> 0..sum of weights - 1 --> the providers' shares, one after another
 *
 * The choice is a pure function of the project and the weights: a project gets the same provider on every machine,
 * and when the last share grows from 10 to 20 %, those of the first 10 % stay in it. What exists stays where it is: a
 * sandbox is its provider's whatever the weights say. So taking a weight back to 0 is the whole rollback, and it
 * holds from the next create on.
 */
#pragma once

#include <stddef.h>

struct rollout_share {
	const char *provider; /* its name */
	unsigned weight;      /* of the sum of all */
};

/* Which one has it; `n` when all weights are 0. */
size_t rollout_choose(const struct rollout_share *shares, size_t n, const char *project);
