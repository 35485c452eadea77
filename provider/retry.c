/* provider/retry.c - when to call again.
 *
 * Delays are drawn evenly from nought to a bound that doubles ("full jitter"), so that callers that failed together do
 * not come back together; what Retry-After says is waited for on top of nothing less. The budget keeps a vendor
 * that is in trouble from getting more requests for it: it is paid by calls that end well. The
 * breaker answers at once while the vendor is known to be away, then lets one call through to see.
 *
 * The caller's deadline holds for all tries together: a retry that could not end in time is not made.
 */
#include "provider/retry.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "provider/dice.h"
#include "provider/wrapper.h"

enum { PRICE = 10 /* calls that end well, for one retry */ };

struct retry {
	struct wrapper w;
	struct retry_config config;
	struct dice dice;
	unsigned credit;   /* in tenths of a retry */
	unsigned failures; /* in a row */
	int64_t open_until;
	bool probing;
};

static struct retry *retry_of(const struct wrapped *k)
{
	return (struct retry *)(void *)k->w;
}

static bool is_away(int result)
{
	return result == PROVIDER_OFFLINE || result == -ETIMEDOUT;
}

static bool may_repeat(const struct wrapped *k, int result)
{
	if (k->shown)
		return false;
	if (result == PROVIDER_BUSY || result == PROVIDER_THROTTLED)
		return true;
	if (result > 0 && result != PROVIDER_OFFLINE)
		return false;
	if (result == -ETIMEDOUT || result == -ECANCELED || result == -E2BIG)
		return false;
	return k->inner.untouched || provider_verb_repeats(k->q.verb);
}

/* How long to wait before the next try. */
static int64_t delay(struct retry *t, const struct wrapped *k)
{
	int64_t bound = t->config.base_ms;

	for (unsigned i = 1; i < k->tries && bound < t->config.cap_ms; i++)
		bound *= 2;
	if (bound > t->config.cap_ms)
		bound = t->config.cap_ms;
	return (k->inner.retry_ms > 0 ? k->inner.retry_ms : 0) +
	       (int64_t)dice_below(&t->dice, (uint64_t)bound + 1);
}

static void note(struct retry *t, int result)
{
	t->probing = false;
	if (!is_away(result)) {
		t->failures = 0;
		t->open_until = 0;
		return;
	}
	if (++t->failures >= t->config.breaker_failures)
		t->open_until = clock_now(t->w.clock) + t->config.breaker_ms;
}

/* May a call go out now? One may when the time of an open breaker is over. */
static bool let_through(struct retry *t)
{
	if (!t->open_until)
		return true;
	if (t->probing || clock_now(t->w.clock) < t->open_until)
		return false;
	t->probing = true;
	return true;
}

static int refuse(struct retry *t, struct provider_call *c)
{
	int64_t left = t->open_until - clock_now(t->w.clock);

	c->untouched = true;
	c->retry_ms = left > 0 ? left : 0;
	(void)snprintf(c->why, sizeof(c->why),
		       "it has not answered %u times in a row; asked again in %lld s",
		       t->failures, (long long)(c->retry_ms + 999) / 1000);
	return PROVIDER_OFFLINE;
}

static void try_again(struct wrapped *k)
{
	struct retry *t = retry_of(k);

	if (!let_through(t)) {
		wrapped_end(k, refuse(t, k->outer));
		return;
	}
	k->tries++;
	wrapped_again(k);
}

/* True when `k` will be tried again. */
static bool put_off(struct wrapped *k, int result)
{
	struct retry *t = retry_of(k);
	int64_t ms;

	if (k->tries >= t->config.tries || t->credit < PRICE || !may_repeat(k, result))
		return false;
	ms = delay(t, k);
	if (ms >= wrapped_left(k))
		return false;
	t->credit -= PRICE;
	wrapped_later(k, ms, try_again);
	return true;
}

static int begin(struct wrapped *k)
{
	struct retry *t = retry_of(k);
	int r;

	if (!let_through(t))
		return refuse(t, k->outer);
	k->tries = 1;
	r = wrapped_forward(k);
	if (!r)
		return 0;
	note(t, r);
	return put_off(k, r) ? 0 : r;
}

static void ended(struct wrapped *k, int result)
{
	struct retry *t = retry_of(k);

	note(t, result);
	if (!result) {
		if (t->credit < t->config.budget * PRICE)
			t->credit++;
	} else if (put_off(k, result)) {
		return;
	}
	wrapped_end(k, result);
}

struct provider *provider_retry_new(struct provider *next, const struct retry_config *config)
{
	static const struct wrapper_ops ops = {.begin = begin, .ended = ended};
	struct retry *t = wrapper_new(sizeof(*t), &ops, config->clock, &next, 1);
	struct retry_config *c = &t->config;

	*c = *config;
	c->tries = c->tries ? c->tries : 5;
	c->base_ms = c->base_ms ? c->base_ms : 200;
	c->cap_ms = c->cap_ms ? c->cap_ms : 20000;
	c->budget = c->budget ? c->budget : 20;
	c->breaker_failures = c->breaker_failures ? c->breaker_failures : 8;
	c->breaker_ms = c->breaker_ms ? c->breaker_ms : 10000;
	t->dice.state = c->seed;
	t->credit = c->budget * PRICE;
	return &t->w.base;
}
