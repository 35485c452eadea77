/* provider/dice.h - seeded random numbers, the same for the same seed.
 *
 * For delays, faults and choices that a test must be able to repeat; not for secrets. (splitmix64)
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct dice {
	uint64_t state;
};

static inline uint64_t dice_next(struct dice *d)
{
	uint64_t z = (d->state += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

/* 0 to n - 1; 0 for n 0. */
static inline uint64_t dice_below(struct dice *d, uint64_t n)
{
	return n ? dice_next(d) % n : 0;
}

/* True so many times in a thousand. */
static inline bool dice_permille(struct dice *d, unsigned permille)
{
	return dice_below(d, 1000) < permille;
}
