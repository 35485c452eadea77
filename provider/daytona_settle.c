/* provider/daytona_settle.c - looking at a sandbox until it is where it should be.
 *
 *	    +---------------- daytona_later() <-----------+
 *	    v                                             |
 *	GET /sandbox/{id} --- moving -------------------->+
 *	    |---- where it should be ---> settled(0)      |
 *	    |---- at rest elsewhere ----> act() --409---->+   (start, stop …; at most a few times)
 *	    |---- failed ---------------> settled(PROVIDER_REFUSED), unless act() can recover it
 *	    '---- 404 ------------------> settled(PROVIDER_GONE)
 *
 * A look that fails for reasons of the network, a limit or a server's bad minute is tried again until the deadline, as the
 * vendor's own clients do. Half switches (a 409 in the middle of another change, a 400 because somebody
 * else was faster) need no case of their own: the next look tells.
 */
#include "provider/daytona_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { ACTS_MAX = 5 };

int daytona_described(struct daytona_op *op, struct daytona_sandbox *ret)
{
	struct json_reply j;
	const char *text;
	size_t len;
	int r;

	text = http_reply(&op->http, &len);
	json_reply_open(&j, text, len);
	daytona_sandbox_read(&j, j.root, ret);
	if (!j.why[0] && op->id[0] && strcmp(ret->info.id, op->id) != 0)
		json_reply_bad(&j, "id", "is of another sandbox");
	r = json_reply_fault(&j, "daytona");
	json_reply_close(&j);
	if (!r)
		(void)daytona_box_learn(op->p, ret);
	return r;
}

static bool reached(enum daytona_phase phase, enum daytona_goal goal)
{
	switch (goal) {
	case DAYTONA_GOAL_UP:
		return phase == DAYTONA_UP;
	case DAYTONA_GOAL_STOPPED:
		return phase == DAYTONA_STOPPED;
	case DAYTONA_GOAL_PAUSED:
		return phase == DAYTONA_PAUSED;
	}
	return false;
}

static bool moves(enum daytona_phase phase)
{
	return phase == DAYTONA_MOVING_UP || phase == DAYTONA_MOVING ||
	       phase == DAYTONA_STOPPING || phase == DAYTONA_PAUSING;
}

static void settle(struct daytona_settle *s, int result, const char *why)
{
	if (why != s->op.was_why)
		(void)snprintf(s->op.was_why, sizeof(s->op.was_why), "%s", why);
	s->settled(s, result);
}

static void look(struct daytona_op *op);

static void judge(struct daytona_settle *s)
{
	enum daytona_phase phase = s->seen.phase;

	if (reached(phase, s->goal)) {
		settle(s, 0, "");
		return;
	}
	if (phase == DAYTONA_LEAVING) {
		settle(s, PROVIDER_GONE, "");
		return;
	}
	if (moves(phase)) {
		daytona_later(&s->op, look);
		return;
	}
	if (s->act && s->acts < ACTS_MAX && (phase != DAYTONA_FAILED || s->seen.recoverable)) {
		s->acts++;
		s->act(s);
		return;
	}
	settle(s, PROVIDER_REFUSED,
	       s->seen.reason[0] ? s->seen.reason : "the sandbox does not go where it should");
}

static void looked(struct daytona_op *op, int result)
{
	struct daytona_settle *s = (struct daytona_settle *)(void *)op;
	int r;

	if (result == PROVIDER_OFFLINE || result == PROVIDER_BUSY ||
	    result == PROVIDER_THROTTLED) {
		(void)daytona_api_outcome(op, result, op->was_why);
		daytona_later(op, look);
		return;
	}
	if (result) {
		result = daytona_api_outcome(op, result, op->was_why);
		settle(s, result, op->was_why);
		return;
	}
	r = daytona_described(op, &s->seen);
	if (r)
		settle(s, r, "the description of the sandbox is not understood");
	else
		judge(s);
}

static void look(struct daytona_op *op)
{
	daytona_api(op, "GET", looked, "/sandbox/%s", op->id);
}

void daytona_settle_go(struct daytona_settle *s)
{
	if (s->acts)
		daytona_later(&s->op, look);
	else
		look(&s->op);
}
