/* Mirrors for those who have no engine: registering a sandbox, one run to the end, a look at the record.
 *
 * A run is the same machine the daemon hosts, driven until it settles. If the daemon is at the sandbox already, the
 * machine waits for the lock and then finds the work done, so that a command needs no other word from
 * the daemon than the lock's release.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "provider/provider.h"
#include "store/commit.h"
#include "store/project.h"
#include "sync/mirror_private.h"

enum { DEFAULT_TIMEOUT_MS = 60000, PROGRESS_MS = 200 };

DEFINE_CLEANUP(struct mirror *, mirror_free)
DEFINE_CLEANUP(struct commit *, commit_free)
DEFINE_CLEANUP(struct source *, source_free)

int mirror_seed(uint64_t *ret)
{
	return getrandom(ret, sizeof(*ret), 0) == (ssize_t)sizeof(*ret)
		       ? 0
		       : fail(-errno, "get random bytes");
}

static int put_str(char *to, size_t size, const char *from, const char *what)
{
	size_t len = strlen(from);

	if (len >= size)
		return fail(-ENAMETOOLONG, "%s '%.64s…'", what, from);
	memcpy(to, from, len + 1);
	return 0;
}

int mirror_attach(struct store *st, struct project *p, const char *provider,
		  const char *sandbox_id)
{
	struct state_sandbox rec = {
		.project_id = project_id(p),
		.phase = MIRROR_NEW,
		.created = clock_wall(clock_system()),
	};
	int r = put_str(rec.provider, sizeof(rec.provider), provider, "a provider's name");

	if (!r)
		r = put_str(rec.id, sizeof(rec.id), sandbox_id, "a sandbox's id");
	/* With the old record goes an operation that may be open on the old sandbox. */
	if (!r)
		r = state_sandbox_delete(st, rec.project_id);
	if (!r || r == STATE_MISSING)
		r = state_sandbox_put(st, &rec);
	return r > 0 ? fail(-EPROTO, "write to a state of a newer version") : r;
}

struct run {
	struct mirror *m;
	const struct mirror_options *o;
	const struct clock *clock;
	enum mirror_state said;
	int64_t said_at;
};

static void report(struct run *run)
{
	struct mirror_status s;
	int64_t now = clock_now(run->clock);

	if (!run->o->progress ||
	    (run->said == run->m->state && now - run->said_at < PROGRESS_MS))
		return;
	run->said = run->m->state;
	run->said_at = now;
	mirror_status_fill(run->m, &s);
	run->o->progress(&s, run->o->arg);
}

static int drive(struct run *run, int64_t end)
{
	struct mirror *m = run->m;

	for (;;) {
		int64_t wait, left;
		int fd, r;

		while (mirror_step(m))
			report(run);
		if (m->finished)
			return MIRROR_NONE;
		if (mirror_is_settled(m))
			return m->state == MIRROR_SYNCED ? 0 : MIRROR_STUCK;
		left = end - clock_now(run->clock);
		if (left <= 0)
			return MIRROR_LATE;
		report(run);
		wait = mirror_wait_ms(m);
		wait = wait < left ? wait : left;
		/* Bytes that came in during the last step are in our buffer, not in the descriptor. */
		fd = talk_fd(&m->talk);
		r = provider_poll(m->provider, &fd, fd >= 0, (int)(wait < 1000 ? wait : 1000));
		if (r < 0)
			return r;
	}
}

int mirror_run(struct store *st, struct provider *provider, struct project *p,
	       const struct mirror_options *o, struct mirror_status *ret)
{
	CLEANUP(mirror_freep) struct mirror *m = NULL;
	const struct clock *clock = clock_system();
	int64_t timeout = o->timeout_ms ? o->timeout_ms : DEFAULT_TIMEOUT_MS;
	struct run run = {.o = o, .clock = clock, .said = MIRROR_NEW};
	uint64_t seed;
	int r = mirror_look(st, p, ret);

	if (!r)
		r = mirror_seed(&seed);
	if (r)
		return r;
	m = mirror_new(source_store_new(st, p, NULL), provider, clock, seed);
	m->near = true;
	m->doubt = o->rehash;
	mirror_mark_due(m, o->order);
	run.m = m;
	r = drive(&run, clock_now(clock) + timeout);
	if (r >= 0 && r != MIRROR_NONE)
		mirror_status_fill(m, ret);
	return r;
}

static int write_pause(struct source *s, bool pause)
{
	static const char words[] = "paused by you; `frag sync resume` goes on";
	struct state_sandbox rec;
	int r = s->ops->load(s, &rec);

	if (r)
		return r == SOURCE_MISSING ? MIRROR_NONE : r;
	if ((rec.phase == MIRROR_PAUSED) == pause)
		return 0;
	/* What was going on is found out anew; an operation that is open says what was interrupted. */
	rec.phase = pause ? MIRROR_PAUSED : MIRROR_DUE;
	memset(rec.error, 0, sizeof(rec.error));
	if (pause)
		memcpy(rec.error, words, sizeof(words));
	return s->ops->save(s, &rec);
}

int mirror_pause(struct store *st, struct project *p, bool pause, int64_t timeout_ms)
{
	CLEANUP(source_freep) struct source *s = source_store_new(st, p, NULL);
	const struct clock *clock = clock_system();
	int64_t end = clock_now(clock) + (timeout_ms ? timeout_ms : DEFAULT_TIMEOUT_MS);
	int r;

	while ((r = s->ops->own(s)) == SOURCE_HELD && clock_now(clock) < end)
		(void)poll(NULL, 0, MIRROR_HELD_MS);
	if (r)
		return r == SOURCE_HELD ? MIRROR_LATE : r;
	r = write_pause(s, pause);
	s->ops->disown(s);
	return r;
}

static int look_at_head(struct project *p, struct mirror_status *s)
{
	CLEANUP(commit_freep) struct commit *c = NULL;
	struct project_head head;
	int r = project_head(p, &head);

	if (r || oid_is_zero(&head.commit))
		return r < 0 ? r : 0;
	/* The tree may be a live one on top of it. */
	if (oid_eq(&head.commit, &s->record.desired_commit))
		return 0;
	r = commit_read(p, &head.commit, &c);
	if (r)
		return r < 0 ? r : 0;
	s->record.desired = c->tree;
	s->record.desired_commit = head.commit;
	return 0;
}

int mirror_look(struct store *st, struct project *p, struct mirror_status *ret)
{
	struct mirror_status s = {0};
	struct state_op op;
	bool moved;
	int r = state_sandbox_get(st, project_id(p), &s.record);

	if (r > 0)
		return r == STATE_MISSING ? MIRROR_NONE
					  : fail(-EPROTO, "read the record of a sandbox");
	if (!r)
		r = look_at_head(p, &s);
	if (r)
		return r;
	s.state = (enum mirror_state)s.record.phase;
	memcpy(s.why, s.record.error, sizeof(s.why));
	moved = !oid_eq(&s.record.base, &s.record.desired);
	s.verified = s.state == MIRROR_SYNCED && !moved;
	if (s.state == MIRROR_SYNCED && moved)
		s.state = MIRROR_DUE;
	r = state_op_get(st, s.record.project_id, &op);
	if (r < 0)
		return r;
	if (r == 0) {
		s.plan = op.plan;
		s.attempt = op.attempt;
		s.verified = false;
		s.state = s.state == MIRROR_SYNCED || s.state == MIRROR_DUE ? MIRROR_APPLY
									    : s.state;
	}
	if (!s.verified && (r == 0 || s.record.due))
		s.lag_s =
			clock_wall(clock_system()) - (s.record.due ? s.record.due : op.started);
	*ret = s;
	return 0;
}
