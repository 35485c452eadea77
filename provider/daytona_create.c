/* provider/daytona_create.c - a sandbox is made once, whatever the network does.
 *
 *	POST /sandbox {name, nonce} --2xx--------------------------> settle until it is started
 *	      |---- lost, or 409 "name taken" ---> GET /sandbox/{name}
 *	      |                                      |-- our nonce --> settle
 *	      |                                      '-- anything else: what the POST ended with
 *	      '---- refused: that is it
 *
 * The name is a nonce of ours and unique in the organization, so a second delivery is refused by the server, and whether a lost
 * POST did anything can be looked up under a name we know. The reply usually still says `creating`; only looking
 * again tells. When it fails to start, or nobody waits for it any more, it is deleted: the caller never learnt its id.
 */
#include "provider/daytona_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "provider/daytona_body.h"
#include "provider/daytona_job.h"

enum { ANSWER_MS = 75000 }; /* the server itself waits up to 30 s */

struct create {
	struct daytona_settle s;
	struct provider_sandbox *ret;
	char nonce[DAYTONA_JOB_ID_LEN + 1], name[DAYTONA_JOB_ID_LEN + 8];
};

static struct create *create_of(struct daytona_op *op)
{
	return (struct create *)(void *)op;
}

static void create_ending(struct daytona_op *op, int result)
{
	struct create *n = create_of(op);

	if (!result || result == PROVIDER_GONE || !op->touched)
		return;
	/* the API takes a name for an id */
	if (daytona_delete(&op->p->base, op->id[0] ? op->id : n->name, NULL))
		fail(-EIO, "daytona: delete a sandbox that did not start");
}

static void settled(struct daytona_settle *s, int result)
{
	struct create *n = create_of(&s->op);

	if (!result)
		*n->ret = s->seen.info;
	daytona_end(&s->op, result, s->op.was_why);
}

/* `seen` is ours. */
static void go_on(struct create *n)
{
	struct daytona_op *op = &n->s.op;

	memcpy(op->id, n->s.seen.info.id, sizeof(op->id));
	if (n->s.seen.phase == DAYTONA_UP && daytona_box_find(op->p, op->id)) {
		settled(&n->s, 0); /* handed over from a pool of warm ones */
		return;
	}
	n->s.goal = DAYTONA_GOAL_UP;
	n->s.settled = settled;
	daytona_settle_go(&n->s);
}

static void found(struct daytona_op *op, int result)
{
	struct create *n = create_of(op);

	if (!result && daytona_described(op, &n->s.seen) == 0 &&
	    strcmp(n->s.seen.nonce, n->nonce) == 0) {
		go_on(n);
		return;
	}
	/* gone: it was certainly not made; otherwise nobody knows, and it is deleted by its name */
	if (result == PROVIDER_GONE)
		op->touched = false;
	daytona_end(op, op->was, op->was_why);
}

static void made(struct daytona_op *op, int result)
{
	struct create *n = create_of(op);

	if (!result)
		result = daytona_described(op, &n->s.seen);
	if (!result && strcmp(n->s.seen.nonce, n->nonce) == 0) {
		go_on(n);
		return;
	}
	if (!result)
		result = fail(-EPROTO, "daytona: another sandbox than the one asked for");
	op->was = daytona_api_outcome(op, result, op->was_why);
	if (!op->http.sent ||
	    (op->http.status / 100 == 4 && op->http.status != 409 && op->http.status != 408)) {
		if (op->was == PROVIDER_GONE)
			op->was = PROVIDER_REFUSED; /* the snapshot, or the region */
		op->touched = false;
		daytona_end(op, op->was, op->was_why);
		return;
	}
	op->touched = true;
	daytona_api(op, "GET", found, "/sandbox/%s", n->name);
}

int daytona_create(struct provider *base, const struct provider_spec *spec,
		   struct provider_sandbox *ret, struct provider_call *c)
{
	struct daytona *p = daytona_of(base);
	struct create *n = daytona_op_new(p, c, "", sizeof(*n));
	struct daytona_create extras = {.name = n->name,
					.nonce = n->nonce,
					.snapshot = p->snapshot,
					.target = p->target};
	int r;

	n->ret = ret;
	daytona_job_nonce(n->nonce);
	(void)snprintf(n->name, sizeof(n->name), "frag-%s", n->nonce);
	r = daytona_create_put(&n->s.op.body, spec, &extras, c->why);
	if (r) {
		c->impl = NULL;
		daytona_op_free(&n->s.op);
		return r;
	}
	n->s.op.ending = create_ending;
	n->s.op.answer_ms = ANSWER_MS;
	daytona_api(&n->s.op, "POST", made, "/sandbox");
	return 0;
}
