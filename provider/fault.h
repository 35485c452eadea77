/* provider/fault.h - a network that is bad in every way, and the same way again for the same seed.
 *
 * In front of any provider; numbers are in a thousand calls. Drop loses a call or, as often, its answer; duplicate
 * makes a call twice, as proxies do; reorder holds an answer back behind later ones; truncate ends an output or a
 * download in the middle; lie says that all went well without having asked.
 */
#pragma once

#include <stdint.h>

struct clock;
struct provider;

struct fault_config {
	uint64_t seed;
	unsigned drop, delay, duplicate, reorder, truncate, lie;
	unsigned offline; /* fails as PROVIDER_OFFLINE before anything was sent: `untouched` */
	unsigned busy;    /* fails as PROVIDER_BUSY */
	int64_t delay_ms; /* at most; 0: 20 */
	const struct clock *clock;
};

/* Takes `next` over. Changed while it works: provider_fault_set(). */
struct provider *provider_fault_new(struct provider *next, const struct fault_config *config);
void provider_fault_set(struct provider *p, const struct fault_config *config);
