/* provider/retry.h - calls that are made again when that can help and cannot hurt.
 *
 *	closed --breaker_failures in a row--> open --breaker_ms--> half open --success--> closed
 *	                                        ^                      |
 *	                                        +------failure---------+
 *
 * What is tried again, and what is not:
 *
 *	busy, throttled                     nothing has been done: any verb
 *	offline, a fault of the reply       verbs that do no harm twice; others only when the call is `untouched`
 *	anything else                       never: gone, asleep, denied, refused, unsupported, timeout, cancel
 *
 * A call whose callbacks have shown something to the caller (output, entries, bytes) is never made again.
 */
#pragma once

#include <stdint.h>

struct clock;
struct provider;

struct retry_config {
	unsigned tries;          /* of one call, the first included; 0: 5 */
	int64_t base_ms, cap_ms; /* of the delays; 0: 200, 20,000 */
	unsigned
		budget; /* retries that may be owed; 0: 20. Ten calls that end well pay for one. */
	unsigned breaker_failures; /* 0: 8 */
	int64_t breaker_ms;        /* 0: 10,000 */
	uint64_t seed;             /* of the delays */
	const struct clock *clock; /* NULL: the machine's */
};

/* Takes `next` over. */
struct provider *provider_retry_new(struct provider *next, const struct retry_config *config);
