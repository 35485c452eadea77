/* The state machine of one sandbox.
 *
 *	NEW ──▶ PROBE ──▶ BOOTSTRAP ──▶ PULL ──▶ SEND ──▶ APPLY ──▶ VERIFY ──▶ SYNCED
 *	          │  ▲                   ▲ │      ▲ ▲                 │ │        │  ▲
 *	          ▼  │ deadline          │ │      │ └── not resident  │ │        ▼  │
 *	         DUE ┴─(no connection)   │ └──────┼── nothing to send ┼─┼──────▶ DUE│
 *	          ├──▶ PLAN ─────────────┼────────┘                   │ │        │  │
 *	          ├──▶ VERIFY ───────────┼────────────────────────────┼─┼────────┼──┘
 *	          └──▶ PULL              └──── it holds something else ┘ └─ CONFLICT
 *	any ──▶ BACKOFF ──▶ PROBE;   PROBE ──▶ ASLEEP ──▶ PROBE;   any ──▶ HALTED, GONE ──(event, a minute)──▶ PROBE
 *
 * A record that says PAUSED is left alone by whoever begins with it, and settled as that.
 * A sandbox that was stopped is started (ASLEEP) for an order or a command that waits, else left asleep, as settled.
 * NEW, PROBE, BOOTSTRAP, ASLEEP are made in mirror_probe.c, PULL in mirror_pull.c, PLAN, SEND, APPLY, VERIFY in
 * mirror_send.c; DUE, BACKOFF and the settled ones here. mirror_enter() is the only function that changes the state.
 *
 * Rules that hold everywhere:
 *  1. Events only mark it due. D is derived from HEAD at DUE and stays what it was until the next settled state.
 *  2. The journal's operation is opened (synced) before the first byte of an apply leaves, and closed in the transaction
 *     that advances B and R on a verified reply. B and R advance nowhere else, but for R when what the
 *     sandbox changed has been committed.
 *  3. Every state has a deadline. When it passes, a state that waits for the sandbox gives the connection up
 *     and goes to PROBE; PROBE goes to BACKOFF. Nothing waits for ever and nothing is retried without a pause or a new answer.
 *  4. An operation that is found open says that something was interrupted: nothing is believed until a full verify,
 *     and what the sandbox then has of either tree is ours, not its own change.
 *  5. It speaks to the sandbox only while it owns it (between processes), which it gives up in every settled state.
 */
#include "sync/mirror_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "provider/provider.h"
#include "sync/errand.h"

struct mirror *mirror_new(struct source *source, struct provider *provider,
			  const struct clock *clock, uint64_t seed)
{
	struct mirror *m = alloc_zero(sizeof(*m));

	m->source = source;
	m->provider = provider;
	m->clock = clock;
	m->random = seed;
	m->due = true;
	mirror_forget_plan(m);
	mirror_enter(m, MIRROR_NEW);
	return m;
}

/* Gives the connection and everything learnt over it up. */
static void hang_up(struct mirror *m)
{
	mirror_forget_plan(m);
	errand_drop(m->errand, m->provider);
	m->errand = NULL;
	talk_close(&m->talk);
	m->trusted = m->changed = false;
	m->watch_id = 0;
}

void mirror_free(struct mirror *m)
{
	if (!m)
		return;
	hang_up(m);
	/* A cancelled call is let go of at the provider's next poll. */
	(void)provider_poll(m->provider, NULL, 0, 0);
	if (m->owned)
		m->source->ops->disown(m->source);
	source_free(m->source);
	free(m);
}

uint64_t mirror_random(struct mirror *m)
{
	uint64_t z = m->random += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static bool is_settled(enum mirror_state s)
{
	return s == MIRROR_SYNCED || s == MIRROR_CONFLICT || s == MIRROR_HALTED ||
	       s == MIRROR_GONE || s == MIRROR_PAUSED;
}

/* Asleep, and nobody asked for it to be woken. */
static bool rests(const struct mirror *m, enum mirror_state s)
{
	return is_settled(s) || (s == MIRROR_ASLEEP && m->resting);
}

bool mirror_is_settled(const struct mirror *m)
{
	return rests(m, m->state) && !m->due;
}

static int64_t patience(const struct mirror *m, enum mirror_state s)
{
	if (rests(m, s))
		return MIRROR_SETTLED_MS;
	if (s == MIRROR_PROBE || s == MIRROR_ASLEEP || s == MIRROR_NEW || s == MIRROR_VERIFY)
		return MIRROR_PROBE_MS;
	return MIRROR_STEP_MS;
}

void mirror_enter(struct mirror *m, enum mirror_state state)
{
	m->state = state;
	m->resting &= state == MIRROR_ASLEEP;
	m->part = 0;
	m->entered = clock_now(m->clock);
	m->deadline = m->entered + patience(m, state);
	m->ceiling = state == MIRROR_PULL ? m->entered + MIRROR_PULL_MS : m->deadline;
	if (!m->owned || (!rests(m, state) && state != MIRROR_BACKOFF))
		return;
	m->source->ops->disown(m->source);
	m->owned = false;
}

void mirror_alive(struct mirror *m)
{
	int64_t deadline = clock_now(m->clock) + patience(m, m->state);

	m->deadline = deadline < m->ceiling ? deadline : m->ceiling;
}

static void say_why(struct mirror *m, const char *fmt, va_list ap)
{
	(void)vsnprintf(m->why, sizeof(m->why), fmt, ap);
}

/* The record keeps the last error, so that a status without a daemon can say it. */
static int note_state(struct mirror *m, enum mirror_state state)
{
	if (!m->owned || m->finished)
		return 0;
	m->rec.phase = state;
	memcpy(m->rec.error, m->why, sizeof(m->rec.error));
	return m->source->ops->save(m->source, &m->rec);
}

void mirror_fail(struct mirror *m, const char *fmt, ...)
{
	int64_t most = m->near ? MIRROR_RETRY_NEAR_MS : MIRROR_RETRY_FAR_MS, pause;
	int64_t asked = m->errand && m->errand->done ? m->errand->call.retry_ms : 0;
	char before[sizeof(m->why)];
	va_list ap;

	memcpy(before, m->why, sizeof(before));
	va_start(ap, fmt);
	say_why(m, fmt, ap);
	va_end(ap);
	log_debug("sync: sandbox '%s': %s: %s", m->rec.id, mirror_state_name(m->state), m->why);
	hang_up(m);
	m->attempt++;
	m->rounds = 0;
	m->doubt = true;
	pause = m->attempt < 16 ? (int64_t)MIRROR_RETRY_MS << (m->attempt - 1) : most;
	pause = pause < most ? pause : most;
	pause = pause / 2 + (int64_t)(mirror_random(m) % (uint64_t)(pause / 2 + 1));
	/* The same error again is no news worth a synced write. */
	if (strcmp(before, m->why) != 0)
		(void)note_state(m, MIRROR_BACKOFF);
	mirror_enter(m, MIRROR_BACKOFF);
	m->deadline = m->entered + (asked > pause ? asked : pause);
}

int mirror_settle(struct mirror *m, enum mirror_state state, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	say_why(m, fmt, ap);
	va_end(ap);
	log_debug("sync: sandbox '%s': %s: %s", m->rec.id, mirror_state_name(state), m->why);
	m->order = m->order_again;
	m->resting = state == MIRROR_ASLEEP;
	m->attempt = m->rounds = 0;
	/* Who is halted looks again from the start: who is there, under which epoch. */
	if (state != MIRROR_CONFLICT)
		hang_up(m);
	mirror_forget_plan(m);
	r = note_state(m, state);
	if (r)
		return r;
	mirror_enter(m, state);
	return 1;
}

static void remember(struct mirror *m, const struct oid *tree)
{
	struct oid *recent = m->rec.recent;
	size_t at = 0;

	while (at < STATE_RECENT_MAX - 1 && !oid_eq(&recent[at], tree))
		at++;
	memmove(&recent[1], &recent[0], at * sizeof(*recent));
	recent[0] = *tree;
}

int mirror_settle_synced(struct mirror *m, const struct oid *tree)
{
	bool news = m->op_open || !oid_eq(&m->rec.base, &m->tree) ||
		    !oid_eq(&m->rec.observed, tree) || m->rec.phase != MIRROR_SYNCED ||
		    m->rec.error[0] || !oid_eq(&m->rec.desired_commit, &m->head);
	int r = 0;

	m->rec.base = m->tree;
	m->rec.base_commit = m->head;
	m->rec.desired = m->tree;
	m->rec.desired_commit = m->head;
	m->rec.observed = *tree;
	m->rec.verified = clock_wall(m->clock);
	m->rec.due = 0;
	m->rec.n_kept = 0;
	m->rec.phase = MIRROR_SYNCED;
	memset(m->rec.error, 0, sizeof(m->rec.error));
	remember(m, &m->tree);
	if (m->op_open)
		r = m->source->ops->op_close(m->source, &m->op, &m->rec);
	else if (news)
		r = m->source->ops->save(m->source, &m->rec);
	if (r)
		return r;
	m->op_open = false;
	m->trusted = true;
	m->doubt = m->resident_refused = false;
	m->order = m->order_again;
	m->attempt = m->rounds = 0;
	m->why[0] = '\0';
	if (m->n_refused)
		(void)snprintf(
			m->why, sizeof(m->why),
			"%zu entries of the fragment have names or modes that no sandbox "
			"may get; they were left out",
			m->n_refused);
	mirror_forget_plan(m);
	mirror_enter(m, MIRROR_SYNCED);
	return 1;
}

void mirror_forget_plan(struct mirror *m)
{
	mirror_transfer_end(m);
	mirror_pull_end(m);
	flat_deinit(&m->base);
	flat_deinit(&m->desired);
	flat_deinit(&m->remote);
}

uint32_t mirror_ask(struct mirror *m, struct wire_frame *f)
{
	f->id = ++m->next_id;
	m->asked_ns = clock_ns();
	(void)talk_put(&m->talk, f);
	return f->id;
}

/* A frame of an earlier question may still come, even twice; anything else that was not asked for ends it. */
void mirror_bewildered(struct mirror *m, const struct wire_frame *f)
{
	if (f->type == WIRE_ERROR)
		mirror_fail(m, "the agent says: %.*s",
			    (int)(f->message.len < 180 ? f->message.len : 180), f->message.p);
	else
		mirror_fail(m, "the agent answered %s when it was not asked for it",
			    wire_type_name(f->type));
}

/* Was it the agent's unasked word? What it is about is found out at DUE. */
static bool is_notice(struct mirror *m, const struct wire_frame *f)
{
	if (f->type != WIRE_CHANGED || f->id != m->watch_id)
		return false;
	m->changed = m->due = true;
	return true;
}

int mirror_hear(struct mirror *m, uint32_t id, struct wire_frame *f)
{
	for (;;) {
		switch (talk_next(&m->talk, f)) {
		case 0:
			break;
		case TALK_NOTHING:
			return 0;
		case TALK_ENDED:
			mirror_fail(m, "the connection to the sandbox broke");
			return MIRROR_LOST;
		default:
			mirror_fail(m, "the agent sent bytes that are no message");
			return MIRROR_LOST;
		}
		mirror_alive(m);
		if (is_notice(m, f))
			continue;
		if (f->id == id)
			return 1;
		if (f->id && f->id < id)
			continue;
		mirror_bewildered(m, f);
		return MIRROR_LOST;
	}
}

/* 1: owned, and the record is what the state has; 0: another process is at it; or a fault. */
int mirror_begin(struct mirror *m)
{
	int r;

	if (m->owned)
		return 1;
	r = m->source->ops->own(m->source);
	if (r == SOURCE_HELD) {
		m->ceiling = INT64_MAX;
		mirror_alive(m);
		return 0;
	}
	if (r)
		return r;
	m->owned = true;
	r = m->source->ops->load(m->source, &m->rec);
	m->finished = r == SOURCE_MISSING;
	if (r)
		return r < 0 ? r : 1;
	r = m->source->ops->op_get(m->source, &m->op);
	m->op_open = r == 0;
	return r < 0 ? r : 1;
}

int mirror_settle_paused(struct mirror *m)
{
	memcpy(m->why, m->rec.error, sizeof(m->why));
	m->order = m->order_again = false;
	hang_up(m);
	mirror_enter(m, MIRROR_PAUSED);
	return 1;
}

static int find_desired(struct mirror *m)
{
	struct source_head head = {0};
	int r = m->source->ops->head(m->source, &head);

	if (!r) {
		m->head = head.commit;
		m->tree = head.tree;
	}
	m->live = !r && head.live;
	switch (r) {
	case SOURCE_UNBORN:
		if (!oid_is_zero(&m->rec.base))
			return mirror_settle(m, MIRROR_HALTED,
					     "HEAD points at a branch without a commit; the "
					     "sandbox was left as it is");
		m->head = (struct oid){0};
		return flat_tree(NULL, 0, &m->tree);
	case SOURCE_GONE:
		return mirror_settle(m, MIRROR_HALTED,
				     "the project is gone; the sandbox was left as it is");
	case SOURCE_MISSING:
		return mirror_settle(m, MIRROR_HALTED,
				     "HEAD's commit cannot be read; `frag fsck` says more");
	default:
		return r;
	}
}

static int step_due(struct mirror *m)
{
	const struct state_sandbox *rec = &m->rec;
	int r = mirror_begin(m);

	if (r <= 0 || m->finished)
		return r;
	if (rec->phase == MIRROR_PAUSED)
		return mirror_settle_paused(m);
	m->due = m->order_again = false;
	m->trusted &= !m->changed;
	m->changed = false;
	r = find_desired(m);
	if (r)
		return r;
	if (!oid_eq(&m->rec.desired, &m->tree) || !m->rec.due)
		m->rec.due = clock_wall(m->clock);
	m->rec.desired = m->tree;
	m->rec.desired_commit = m->head;
	if (!m->talk.ch)
		mirror_enter(m, MIRROR_PROBE);
	else if (m->op_open)
		mirror_enter(m, MIRROR_VERIFY);
	else if (oid_is_zero(&rec->base) || !oid_eq(&rec->base, &rec->observed))
		mirror_enter(m, MIRROR_PULL);
	else if (!oid_eq(&rec->base, &m->tree))
		mirror_enter(m, MIRROR_PLAN);
	else if (m->trusted && !m->order)
		return mirror_settle_synced(m, &rec->observed);
	else
		mirror_enter(m, MIRROR_VERIFY);
	return 1;
}

/* A mirror that stays asks once a conversation to be told; a command that is about to end does not. 1: asked. */
static int ask_for_notices(struct mirror *m)
{
	if (!m->talk.ch || m->watch_id || m->near)
		return 0;
	m->watch_id = mirror_ask(m, &(struct wire_frame){.type = WIRE_WATCH});
	return 1;
}

static int step_settled(struct mirror *m)
{
	struct wire_frame f;
	int r = TALK_NOTHING;

	/* Late answers mean nothing any more; notices and the end of the stream do. */
	while (m->talk.ch && (r = talk_next(&m->talk, &f)) == 0)
		(void)is_notice(m, &f);
	if (r != TALK_NOTHING) {
		hang_up(m);
		m->due |= m->state == MIRROR_SYNCED;
	}
	if (!m->due)
		return ask_for_notices(m);
	m->due = false;
	mirror_enter(m, m->talk.ch ? MIRROR_DUE : MIRROR_PROBE);
	return 1;
}

static void expire(struct mirror *m)
{
	enum mirror_state was = m->state;

	if (!rests(m, was) &&
	    (was == MIRROR_PROBE || was == MIRROR_ASLEEP || was == MIRROR_NEW)) {
		mirror_fail(m, "the sandbox did not answer");
		return;
	}
	if (was != MIRROR_BACKOFF && !rests(m, was)) {
		m->doubt = true;
		m->attempt++;
		(void)snprintf(m->why, sizeof(m->why), "no answer in state %s",
			       mirror_state_name(was));
	}
	hang_up(m);
	mirror_enter(m, MIRROR_PROBE);
}

static int step_state(struct mirror *m)
{
	switch (m->state) {
	case MIRROR_NEW:
	case MIRROR_PROBE:
		return mirror_step_probe(m);
	case MIRROR_BOOTSTRAP:
		return mirror_step_bootstrap(m);
	case MIRROR_ASLEEP:
		return m->resting ? step_settled(m) : mirror_step_asleep(m);
	case MIRROR_DUE:
		return step_due(m);
	case MIRROR_PULL:
		return mirror_step_pull(m);
	case MIRROR_PLAN:
		return mirror_step_plan(m);
	case MIRROR_SEND:
		return mirror_step_send(m);
	case MIRROR_APPLY:
		return mirror_step_apply(m);
	case MIRROR_VERIFY:
		return mirror_step_verify(m);
	case MIRROR_BACKOFF:
		return 0;
	case MIRROR_SYNCED:
	case MIRROR_CONFLICT:
	case MIRROR_HALTED:
	case MIRROR_GONE:
	case MIRROR_PAUSED:
		return step_settled(m);
	}
	return 0;
}

bool mirror_step(struct mirror *m)
{
	int r;

	if (m->finished)
		return false;
	if (clock_now(m->clock) >= m->deadline) {
		expire(m);
		return true;
	}
	r = step_state(m);
	if (r < 0)
		mirror_fail(m, "the store failed: %s", strerrordesc_np(-r));
	if (m->talk.ch && talk_flush(&m->talk))
		return true;
	return r != 0;
}

int64_t mirror_wait_ms(const struct mirror *m)
{
	int64_t left = m->deadline - clock_now(m->clock);
	bool waits_for_lock = !m->owned && (m->state == MIRROR_DUE ||
					    m->state == MIRROR_PROBE || m->state == MIRROR_NEW);

	if (waits_for_lock && left > MIRROR_HELD_MS)
		return MIRROR_HELD_MS;
	return left > 0 ? left : 0;
}

void mirror_mark_doubt(struct mirror *m)
{
	m->trusted = false;
	m->doubt = m->due = true;
}

void mirror_mark_due(struct mirror *m, bool order)
{
	m->due = true;
	m->order |= order;
	m->order_again |= order;
	/* A person who asks does not wait for a pause to end. */
	if (order && m->state == MIRROR_BACKOFF)
		m->deadline = clock_now(m->clock);
}
