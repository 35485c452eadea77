/* provider/rollout.c - a stable hash and shares of its range.
 *
 * The hash (64-bit FNV-1a, then mixed) is part of what users see: changing it would move projects. The range is cut
 * from its end, so that the last provider listed, the new one, takes from the others as it grows and gives
 * back the same projects when it shrinks.
 */
#include "provider/rollout.h"

#include <stdint.h>

#include "provider/dice.h"

static uint64_t hash(const char *s)
{
	struct dice mixed = {.state = 0xcbf29ce484222325ULL};

	for (; *s; s++)
		mixed.state = (mixed.state ^ (unsigned char)*s) * 0x100000001b3ULL;
	return dice_next(&mixed);
}

size_t rollout_choose(const struct rollout_share *shares, size_t n, const char *project)
{
	uint64_t sum = 0, at;

	for (size_t i = 0; i < n; i++)
		sum += shares[i].weight;
	if (!sum)
		return n;
	/* The upper half of the product is the hash brought down to 0..sum - 1, in order. */
	at = (uint64_t)((unsigned __int128)hash(project) * sum >> 64);
	for (size_t i = n; i-- > 0;) {
		if (at < shares[i].weight)
			return i;
		at -= shares[i].weight;
	}
	return n;
}
