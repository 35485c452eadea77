/* provider/fault.c - the faults, drawn when a call begins.
 *
 * A lost call or answer is found out by the caller's deadline, as in life; without one it ends as OFFLINE after a
 * while. A second delivery goes out after the first has ended and its answer is thrown away. Verbs that create, run or
 * read something are not lied about, since a lie must be one a caller could believe.
 */
#include "provider/fault.h"

#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "provider/dice.h"
#include "provider/wrapper.h"

enum { LOST_MS = 1000, DELAY_MS = 20 };

enum fate {
	FINE,
	LOSE_CALL,
	LOSE_ANSWER,
	DELAY,
	DUPLICATE,
	REORDER,
	TRUNCATE,
	LIE,
	AWAY,
	BUSY
};

struct fault {
	struct wrapper w;
	struct fault_config config;
	struct dice dice;
	struct wrapped *held_back; /* an answer that waits for a later one */
};

static struct fault *fault_of(const struct wrapped *k)
{
	return (struct fault *)(void *)k->w;
}

static enum fate draw(struct fault *f)
{
	const struct fault_config *c = &f->config;
	const struct {
		unsigned permille;
		enum fate fate;
	} all[] = {
		{c->drop / 2, LOSE_CALL},
		{c->drop - c->drop / 2, LOSE_ANSWER},
		{c->delay, DELAY},
		{c->duplicate, DUPLICATE},
		{c->reorder, REORDER},
		{c->truncate, TRUNCATE},
		{c->lie, LIE},
		{c->offline, AWAY},
		{c->busy, BUSY},
	};
	uint64_t at = dice_below(&f->dice, 1000);

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (at < all[i].permille)
			return all[i].fate;
		at -= all[i].permille;
	}
	return FINE;
}

static bool can_be_lied_about(enum provider_verb v)
{
	return v == PROVIDER_START || v == PROVIDER_STOP || v == PROVIDER_PAUSE ||
	       v == PROVIDER_RESUME || v == PROVIDER_KEEP_ALIVE || v == PROVIDER_PUT;
}

static void end_with_result(struct wrapped *k)
{
	wrapped_end(k, k->result);
}

/* The caller hears nothing until its patience ends. */
static void lose(struct wrapped *k)
{
	int64_t left = wrapped_left(k);

	k->result = left == INT64_MAX ? PROVIDER_OFFLINE : -ETIMEDOUT;
	wrapped_later(k, left == INT64_MAX ? LOST_MS : left, end_with_result);
}

static void end_later(struct wrapped *k, int result)
{
	struct fault *f = fault_of(k);
	int64_t bound = f->config.delay_ms ? f->config.delay_ms : DELAY_MS;

	k->result = result;
	wrapped_later(k, (int64_t)dice_below(&f->dice, (uint64_t)bound + 1), end_with_result);
}

static int begin(struct wrapped *k)
{
	struct fault *f = fault_of(k);

	k->number = draw(f);
	if (k->number == LIE && !can_be_lied_about(k->q.verb))
		k->number = FINE;
	if (k->number == LOSE_CALL) {
		lose(k);
		return 0;
	}
	if (k->number == LIE) {
		end_later(k, 0);
		return 0;
	}
	if (k->number == AWAY || k->number == BUSY) {
		k->outer->untouched = true;
		return k->number == AWAY ? PROVIDER_OFFLINE : PROVIDER_BUSY;
	}
	return wrapped_forward(k);
}

static void release(struct fault *f)
{
	struct wrapped *k = f->held_back;

	f->held_back = NULL;
	if (k)
		wrapped_later(k, 0, end_with_result);
}

/* Nobody came later: it is told all the same. */
static void held_long_enough(struct wrapped *k)
{
	struct fault *f = fault_of(k);

	if (f->held_back == k)
		f->held_back = NULL;
	wrapped_end(k, k->result);
}

static void hold_back(struct wrapped *k, int result)
{
	struct fault *f = fault_of(k);

	release(f);
	f->held_back = k;
	k->result = result;
	wrapped_later(k, f->config.delay_ms ? f->config.delay_ms : DELAY_MS, held_long_enough);
}

static void ended(struct wrapped *k, int result)
{
	struct fault *f = fault_of(k);

	switch ((enum fate)k->number) {
	case LOSE_ANSWER:
		lose(k);
		return;
	case DELAY:
		end_later(k, result);
		return;
	case DUPLICATE:
		k->number = FINE;
		if (!k->shown && provider_verb_repeats(k->q.verb)) {
			k->result = result;
			k->number =
				LIE; /* the second answer, whatever it is, stands for the first */
			wrapped_again(k);
			return;
		}
		break;
	case REORDER:
		hold_back(k, result);
		return;
	case TRUNCATE:
		if (k->bytes_out && !result)
			result = -EPROTO;
		break;
	case LIE:
	case FINE:
	case LOSE_CALL:
	case AWAY:
	case BUSY:
		break;
	}
	if (f->held_back != k)
		release(f);
	wrapped_end(k, result);
}

void provider_fault_set(struct provider *p, const struct fault_config *config)
{
	struct fault *f = (struct fault *)(void *)p;

	f->config = *config;
	f->dice.state = config->seed;
}

struct provider *provider_fault_new(struct provider *next, const struct fault_config *config)
{
	static const struct wrapper_ops ops = {.begin = begin, .ended = ended};
	struct fault *f = wrapper_new(sizeof(*f), &ops, config->clock, &next, 1);

	provider_fault_set(&f->w.base, config);
	return &f->w.base;
}
