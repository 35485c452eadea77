/* provider/daytona_op.c - a call on its way: when it ends, when it waits, and when that is over.
 *
 * An op is either in a request or waits for `due`; its deadline holds for both. Ending frees the op before `done` is
 * called, since `done` may start anything, even free the call. Ops that nobody waits for (cleaning up) are the
 * same without a call.
 */
#include "provider/daytona_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"

void *daytona_op_new(struct daytona *p, struct provider_call *c, const char *id, size_t size)
{
	struct daytona_op *op = alloc_zero(size);
	int64_t ms = c && c->deadline_ms > 0 ? c->deadline_ms : DAYTONA_DEFAULT_MS;

	op->p = p;
	op->c = c;
	op->deadline = ms == INT64_MAX ? INT64_MAX : clock_now(p->clock) + ms;
	op->due = INT64_MAX;
	buf_init(&op->body, DAYTONA_TEXT_MAX + (DAYTONA_TEXT_MAX >> 2));
	(void)snprintf(op->id, sizeof(op->id), "%s", id);
	TAILQ_INSERT_TAIL(&p->ops, op, all);
	if (!c)
		return op;
	c->impl = op;
	c->retry_ms = 0;
	c->untouched = false;
	c->why[0] = '\0';
	return op;
}

void daytona_op_free(struct daytona_op *op)
{
	TAILQ_REMOVE(&op->p->ops, op, all);
	if (op->deinit)
		op->deinit(op);
	buf_deinit(&op->body);
	free(op);
}

static void end_now(struct daytona_op *op)
{
	daytona_end(op, op->was, op->was_why);
}

void daytona_end(struct daytona_op *op, int result, const char *why)
{
	struct provider_call *c = op->c;
	struct daytona *p = op->p;

	if (c && !p->polling) { /* inside the verb, where `done` may not come */
		if (why != op->was_why)
			(void)snprintf(op->was_why, sizeof(op->was_why), "%s", why ? why : "");
		op->was = result;
		op->wake = end_now;
		op->due = 0;
		return;
	}
	if (op->ending)
		op->ending(op, result);
	if (c) {
		if (result == PROVIDER_THROTTLED || result == PROVIDER_BUSY)
			c->retry_ms = op->http.retry_ms;
		if (why && result)
			(void)snprintf(c->why, sizeof(c->why), "%s", why);
		c->untouched = result && !op->touched;
		c->impl = NULL;
	}
	daytona_op_free(op);
	if (!c)
		return;
	p->n_done++;
	c->done(c, result);
}

int64_t daytona_left_ms(const struct daytona_op *op)
{
	int64_t left;

	if (op->deadline == INT64_MAX)
		return INT64_MAX;
	left = op->deadline - clock_now(op->p->clock);
	return left > 1 ? left : 1;
}

void daytona_later(struct daytona_op *op, void (*wake)(struct daytona_op *op))
{
	int64_t ms = op->pause_ms + op->pause_ms / 5;

	if (ms < DAYTONA_POLL_MIN_MS)
		ms = DAYTONA_POLL_MIN_MS;
	if (ms > DAYTONA_POLL_MAX_MS)
		ms = DAYTONA_POLL_MAX_MS;
	op->pause_ms = ms;
	op->wake = wake;
	op->due = clock_now(op->p->clock) + ms;
	if (op->due > op->deadline)
		op->due = op->deadline;
}

/* One op that is due, or NULL. Started over after each, since a `done` may free any other. */
static struct daytona_op *find_due(struct daytona *p, int64_t now)
{
	struct daytona_op *op;

	TAILQ_FOREACH(op, &p->ops, all)
	{
		if (op->due <= now)
			return op;
	}
	return NULL;
}

void daytona_wake(struct daytona *p)
{
	int64_t now = clock_now(p->clock);
	struct daytona_op *op;

	while ((op = find_due(p, now))) {
		op->due = INT64_MAX;
		if (op->cancelled)
			daytona_end(op, -ECANCELED, NULL);
		else if (now >= op->deadline)
			daytona_end(op, -ETIMEDOUT, op->was_why);
		else
			op->wake(op);
	}
}

int64_t daytona_due_ms(const struct daytona *p)
{
	int64_t due = INT64_MAX, now = clock_now(p->clock);
	const struct daytona_op *op;

	TAILQ_FOREACH(op, &p->ops, all)
	{
		if (op->due < due)
			due = op->due;
	}
	if (due == INT64_MAX)
		return -1;
	return due > now ? due - now : 0;
}

void daytona_op_cancel(struct daytona_op *op)
{
	op->cancelled = true;
	if (op->running)
		http_cancel(op->p->http, &op->http);
	else
		op->due = 0;
}
