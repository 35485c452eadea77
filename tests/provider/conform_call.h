/* tests/provider/conform_call.h - one call, watched: `done` comes once, and never from inside the verb.
 */
#pragma once

#include "base/buf.h"
#include "tests/provider/conform.h"

struct watched {
	struct provider_call call;
	struct conform *c;
	struct provider_exec exec;
	struct buf out, err;
	struct buf feed; /* what is fed, then its end; nothing: exec.fed is false */
	size_t fed;
	bool inside, done, ended_feed;
	int result;
	/* Called for output, to react. May be NULL. */
	void (*react)(struct watched *w);
};

void watched_init(struct watched *w, struct conform *c);
void watched_deinit(struct watched *w);

/* Around a verb: `r = verb(..., watched_begin(w)); result = watched_end(w, r)`. The second waits. */
struct provider_call *watched_begin(struct watched *w, int64_t deadline_ms);
int watched_end(struct watched *w, int r);
/* Until it has ended or `until` is true. */
void watched_wait(struct watched *w, bool (*until)(struct watched *w));

/* Runs w->exec (argv or shell set) in `id`. The call's result. */
int watched_exec(struct watched *w, const char *id, int64_t deadline_ms);
