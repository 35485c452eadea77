/* provider/metered.h - how often, how long, how much and how it ended, per verb.
 *
 * The counters are a plain block of 64-bit numbers which the caller gives: private, or a file mapped by every process of
 * a home (tools/stats.h), so that they count together. They are added to atomically and never read here.
 */
#pragma once

#include <stdint.h>

#include "provider/provider.h"

enum {
	STATS_CLASSES = 12, /* enum stats_class */
	STATS_BUCKETS = 20, /* of latency: below 2^i milliseconds, and the rest */
};

struct verb_stats {
	uint64_t calls, usec, bytes_in, bytes_out;
	uint64_t by_class[STATS_CLASSES];
	uint64_t by_latency[STATS_BUCKETS];
};

struct provider_stats {
	struct verb_stats verbs[PROVIDER_N_VERBS];
};

/* Which of by_class a result counts for, and its word ("gone"), NULL beyond the last one. */
unsigned stats_class(int result);
const char *stats_class_word(unsigned which);

/* Takes `next` over. `stats` is the caller's and outlives it. */
struct provider *provider_metered_new(struct provider *next, struct provider_stats *stats,
				      const struct clock *clock);
