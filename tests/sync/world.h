/* tests/sync/world.h - a clock, a store, a provider and one mirror between them, all in memory.
 */
#pragma once

#include "base/clock.h"
#include "provider/memory.h"
#include "provider/provider.h"
#include "sync/mirror_private.h"
#include "tests/sync/twin_source.h"

struct world {
	struct clock clock;
	int64_t now; /* ms */
	struct twin twin;
	struct provider *provider;
	char id[PROVIDER_ID_MAX];
	struct mirror *mirror;
	uint64_t seed;
	unsigned n_runs; /* of the "process" */
};

void world_init(struct world *w, uint64_t seed);
void world_deinit(struct world *w);

/* The process dies where it stands; a new one starts. */
void world_restart(struct world *w);

/* Lets the mirror and the provider work for `ms` of the world's time, or until the mirror is settled. True when it is. Also ends
 * when the process died. Fails the test when a state outstays its deadline. */
bool world_run(struct world *w, int64_t ms);

/* What is in the sandbox, "path=text path=text*", files that do not count too. Static buffer. */
const char *world_files(struct world *w);
