/* sync/errand.h - a provider's call that its maker may walk away from.
 *
 * A call's memory must stay until its `done`, whatever became of the state machine that made it. So it
 * belongs to an errand: dropped before its end, it cancels the call and cleans up after itself.
 */
#pragma once

#include <stdbool.h>

#include "provider/provider.h"

struct errand {
	struct provider_call call; /* pass this one to the verb */
	bool done;
	int result; /* once done */
	struct channel
		*channel; /* where agent_open() puts it; closed with the errand unless taken */
	bool dropped;
};

struct errand *errand_new(int64_t deadline_ms);

/* Frees it, now or when the provider lets go of the call. NULL is fine. */
void errand_drop(struct errand *e, struct provider *p);
