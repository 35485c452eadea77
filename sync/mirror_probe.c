/* Finding out who is there: PROBE, and what leads to it and from it.
 *
 * A probe opens a new stream to the agent and reads its WELCOME. What matters in it is the epoch, a nonce that
 * we plant in a sandbox the first time we see it. The same epoch: it is the sandbox of the record, and
 * whatever it holds is to be compared with B. None: the sandbox is new, or was replaced by an empty one,
 * which is never read as the deletion of everything; B and R are void. Another one: somebody else
 * mirrors into it, and two masters would undo each other, so a person must decide.
 */
#include "sync/mirror_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "provider/provider.h"
#include "sync/errand.h"

enum { OPEN, OPENING, GREET, GREETED };

/* A provider's answer that is not 0. */
static int take_outcome(struct mirror *m, int r)
{
	const char *why = m->errand->call.why;

	if (r < 0) {
		mirror_fail(m, "%s", provider_words(r));
		return 1;
	}
	switch ((enum provider_outcome)r) {
	case PROVIDER_GONE:
		return mirror_settle(m, MIRROR_GONE,
				     "the provider has no such sandbox any more; `frag sandbox "
				     "up` makes a new one");
	case PROVIDER_ASLEEP:
		/* Who stopped it meant it; only an order, or a command that waits, wakes it. */
		if (!m->order && !m->near)
			return mirror_settle(m, MIRROR_ASLEEP,
					     "the sandbox is stopped; `frag sandbox up` or a "
					     "checkout starts it");
		/* Started just now and asleep again: a pause, then once more. */
		m->woken = !m->woken;
		if (m->woken) {
			errand_drop(m->errand, m->provider);
			m->errand = NULL;
			mirror_enter(m, MIRROR_ASLEEP);
			return 1;
		}
		break;
	case PROVIDER_BUSY:
	case PROVIDER_THROTTLED:
	case PROVIDER_OFFLINE:
		break;
	case PROVIDER_DENIED:
	case PROVIDER_UNSUPPORTED:
	case PROVIDER_REFUSED:
		return mirror_settle(m, MIRROR_HALTED, "%s%s%s", provider_words(r),
				     why[0] ? ": " : "", why);
	}
	mirror_fail(m, "%s%s%s", provider_words(r), why[0] ? ": " : "", why);
	return 1;
}

/* Makes the call; 1 when it was settled at once. */
static int start_errand(struct mirror *m, int (*verb)(struct mirror *m))
{
	int r;

	errand_drop(m->errand, m->provider);
	m->errand = errand_new(MIRROR_STEP_MS);
	r = verb(m);
	if (!r) {
		m->part++;
		return 1;
	}
	/* `done` will not come. */
	m->errand->done = true;
	m->errand->result = r;
	return take_outcome(m, r);
}

static int verb_open(struct mirror *m)
{
	return provider_agent_open(m->provider, m->rec.id, &m->errand->channel,
				   &m->errand->call);
}

static int open_stream(struct mirror *m)
{
	int r = mirror_begin(m);

	if (r <= 0 || m->finished)
		return r;
	if (m->rec.phase == MIRROR_PAUSED) {
		m->due = false;
		return mirror_settle_paused(m);
	}
	if (m->state == MIRROR_NEW)
		mirror_enter(m, MIRROR_PROBE);
	/* DUE follows, and looks at everything. */
	m->due = false;
	talk_close(&m->talk);
	m->trusted = false;
	m->next_id = 0;
	if (strcmp(m->rec.provider, provider_name(m->provider)) != 0)
		return mirror_settle(m, MIRROR_HALTED,
				     "the sandbox is of provider '%s', which does not run here",
				     m->rec.provider);
	return start_errand(m, verb_open);
}

static int greet(struct mirror *m)
{
	struct errand *e = m->errand;
	int r = e->done ? e->result : 0;

	if (!e->done)
		return 0;
	if (r)
		return take_outcome(m, r);
	talk_open(&m->talk, e->channel);
	e->channel = NULL;
	errand_drop(e, m->provider);
	m->errand = NULL;
	mirror_ask(m, &(struct wire_frame){.type = WIRE_HELLO, .version = WIRE_VERSION});
	m->part = GREETED;
	return 1;
}

static int meet_unplanted(struct mirror *m)
{
	m->new_epoch = !oid_is_zero(&m->rec.base);
	m->unsaved = m->new_epoch && m->rec.phase == MIRROR_PULL;
	if (m->unsaved && !m->order)
		return mirror_settle(m, MIRROR_HALTED,
				     "%s; `frag checkout` goes on with the new one",
				     plan_halt_words(PLAN_HALT_EPOCH));
	if (m->new_epoch)
		log_info("sync: sandbox '%s' was replaced by an empty one: filling it",
			 m->rec.id);
	mirror_enter(m, MIRROR_BOOTSTRAP);
	return 1;
}

/* The nonce of somebody else, or of a record that was lost. */
static int meet_stranger(struct mirror *m, const unsigned char epoch[16])
{
	if (!m->order)
		return mirror_settle(m, MIRROR_HALTED,
				     "another home of fragfs mirrors into this sandbox; `frag "
				     "checkout` takes it over");
	memcpy(m->rec.epoch, epoch, sizeof(m->rec.epoch));
	m->rec.base = m->rec.observed = m->rec.base_commit = (struct oid){0};
	mirror_enter(m, MIRROR_DUE);
	return 1;
}

static int meet(struct mirror *m, const struct wire_frame *f)
{
	static const unsigned char none[16];

	if (f->type != WIRE_WELCOME) {
		mirror_bewildered(m, f);
		return 1;
	}
	m->woken = false;
	m->rtt_us = choice_ewma(m->rtt_us, (uint64_t)(clock_ns() - m->asked_ns) / 1000 + 1);
	if (f->version != WIRE_VERSION)
		return mirror_settle(
			m, MIRROR_HALTED,
			"its agent speaks version %u, we speak %u; `frag sandbox up` "
			"makes a new one",
			f->version, WIRE_VERSION);
	if (memcmp(f->epoch, none, sizeof(none)) == 0)
		return meet_unplanted(m);
	if (memcmp(f->epoch, m->rec.epoch, sizeof(none)) != 0)
		return meet_stranger(m, f->epoch);
	/* The agent says what it applied last: if that is not what we saw, look at everything. */
	if (!oid_eq(&f->tree, &m->rec.observed))
		m->doubt = true;
	mirror_enter(m, MIRROR_DUE);
	return 1;
}

int mirror_step_probe(struct mirror *m)
{
	struct wire_frame f;
	int r;

	switch (m->part) {
	case OPEN:
		return open_stream(m);
	case OPENING:
		return greet(m);
	default:
		r = mirror_hear(m, m->next_id, &f);
		return r == 1 ? meet(m, &f) : r;
	}
}

/* The record knows the epoch before the sandbox does: a crash between the two looks like a sandbox without one. */
static int plant(struct mirror *m)
{
	struct wire_frame f = {.type = WIRE_EPOCH};
	int r;

	for (size_t i = 0; i < sizeof(m->rec.epoch); i++)
		m->rec.epoch[i] = (unsigned char)(mirror_random(m) >> 32);
	m->rec.epoch[0] |= 1;
	m->rec.base = m->rec.observed = m->rec.base_commit = (struct oid){0};
	memset(m->rec.recent, 0, sizeof(m->rec.recent));
	m->rec.phase = MIRROR_BOOTSTRAP;
	m->rec.verified = 0;
	r = m->op_open ? m->source->ops->op_close(m->source, &m->op, &m->rec)
		       : m->source->ops->save(m->source, &m->rec);
	if (r)
		return r;
	m->op_open = false;
	memcpy(f.epoch, m->rec.epoch, sizeof(f.epoch));
	mirror_ask(m, &f);
	m->part = 1;
	return 1;
}

int mirror_step_bootstrap(struct mirror *m)
{
	struct wire_frame f;
	int r;

	if (!m->part)
		return plant(m);
	r = mirror_hear(m, m->next_id, &f);
	if (r != 1)
		return r;
	if (f.type != WIRE_OK) {
		mirror_bewildered(m, &f);
		return 1;
	}
	mirror_enter(m, MIRROR_DUE);
	return 1;
}

static int verb_start(struct mirror *m)
{
	return provider_start(m->provider, m->rec.id, &m->errand->call);
}

static int verb_resume(struct mirror *m)
{
	return provider_resume(m->provider, m->rec.id, &m->errand->call);
}

enum { START, STARTING, RESUME, RESUMING };

int mirror_step_asleep(struct mirror *m)
{
	int r;

	if (m->part == START)
		return start_errand(m, verb_start);
	if (m->part == RESUME)
		return start_errand(m, verb_resume);
	if (!m->errand->done)
		return 0;
	r = m->errand->result;
	/* Stopped or paused: the provider knows which, we find out. */
	if (r == PROVIDER_REFUSED && m->part == STARTING) {
		m->part = RESUME;
		return 1;
	}
	if (r)
		return take_outcome(m, r);
	mirror_enter(m, MIRROR_PROBE);
	return 1;
}
