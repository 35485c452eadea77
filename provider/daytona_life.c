/* provider/daytona_life.c - sandboxes are looked at, listed, started, stopped, deleted, kept alive and shown.
 *
 * start, stop and pause look first, act when that is needed, and look until it is done (daytona_settle.c): so they may be
 * asked twice, and somebody else's change in between is no error. Only sandboxes with our mark among their labels are
 * listed. The list of the server lags behind; it is sorted by age, so that what changes while it is paged through does
 * not come twice.
 */
#include "provider/daytona_private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "provider/daytona_body.h"

enum { PAGE_MAX = 200, SIGNED_SECONDS = 3600, SIGNED_MAX = 86400 };

/* Get. */

struct get {
	struct daytona_op op;
	struct provider_sandbox *ret;
};

static void got(struct daytona_op *op, int result)
{
	struct get *g = (struct get *)(void *)op;
	struct daytona_sandbox s;

	if (result) {
		daytona_end_api(op, result);
		return;
	}
	result = daytona_described(op, &s);
	if (!result && s.phase == DAYTONA_LEAVING)
		result = PROVIDER_GONE;
	if (!result)
		*g->ret = s.info;
	daytona_end(op, result, "the description of the sandbox is not understood");
}

int daytona_get(struct provider *p, const char *id, struct provider_sandbox *ret,
		struct provider_call *c)
{
	struct get *g;

	if (!daytona_id_good(id))
		return PROVIDER_GONE;
	g = daytona_op_new(daytona_of(p), c, id, sizeof(*g));
	g->ret = ret;
	daytona_api(&g->op, "GET", got, "/sandbox/%s", id);
	return 0;
}

/* List. */

struct listing {
	struct daytona_op op;
	struct provider_page *page;
};

static int tell(struct json_reply *j, const struct json *items, struct provider_page *page)
{
	struct daytona_sandbox s;
	int r = 0;

	for (const struct json *i = json_first(items); i && !r && !j->why[0];
	     i = json_next(i)) {
		daytona_sandbox_read(j, i, &s);
		if (!j->why[0] && s.phase != DAYTONA_LEAVING)
			r = page->fn(&s.info, page->arg);
	}
	return r;
}

static void listed(struct daytona_op *op, int result)
{
	struct listing *l = (struct listing *)(void *)op;
	const struct json *items;
	struct json_reply j;
	const char *text;
	size_t len;

	if (result) {
		daytona_end_api(op, result);
		return;
	}
	text = http_reply(&op->http, &len);
	json_reply_open(&j, text, len);
	items = daytona_page_read(&j, l->page->next);
	/* a cursor that stands still would be followed for ever */
	if (l->page->next[0] && l->page->after && strcmp(l->page->next, l->page->after) == 0)
		json_reply_bad(&j, "nextCursor", "is the one before");
	if (items && !j.why[0])
		result = tell(&j, items, l->page);
	if (!result)
		result = json_reply_fault(&j, "daytona");
	json_reply_close(&j);
	daytona_end(op, result, "the list is not understood");
}

int daytona_list_page(struct provider *p, struct provider_page *page, struct provider_call *c)
{
	uint32_t limit = page->limit && page->limit < PAGE_MAX ? page->limit : PAGE_MAX;
	CLEANUP(buf_deinit) struct buf query = {0};
	CLEANUP(buf_deinit) struct buf labels = {0};
	struct listing *l;
	int r;

	buf_init(&query, 8192);
	buf_init(&labels, 2048);
	r = daytona_labels_put(&labels, page->labels);
	r = r ? r : daytona_percent(&query, labels.data);
	if (!r && page->after) {
		r = buf_str(&query, "&cursor=");
		r = r ? r : daytona_percent(&query, page->after);
	}
	if (r)
		return PROVIDER_REFUSED;
	page->next[0] = '\0';
	l = daytona_op_new(daytona_of(p), c, "", sizeof(*l));
	l->page = page;
	daytona_api(&l->op, "GET", listed,
		    "/sandbox?limit=%" PRIu32 "&sort=createdAt&order=asc&labels=%s", limit,
		    query.data);
	return 0;
}

/* Start, stop, pause. */

static void changed(struct daytona_settle *s, int result)
{
	daytona_end(&s->op, result, s->op.was_why);
}

/* What came of an order; whatever it was, the next look decides, unless it will never be otherwise. */
static void ordered(struct daytona_op *op, int result)
{
	struct daytona_settle *s = (struct daytona_settle *)(void *)op;
	int r;

	if (result == PROVIDER_THROTTLED || result == PROVIDER_DENIED ||
	    result == PROVIDER_GONE) {
		daytona_end_api(op, result);
		return;
	}
	r = result ? daytona_api_outcome(op, result, op->was_why) : 0;
	if (r == PROVIDER_UNSUPPORTED || r == PROVIDER_DENIED || r < 0) {
		daytona_end(op, r, op->was_why);
		return;
	}
	daytona_settle_go(s);
}

static void order_start(struct daytona_settle *s)
{
	const char *what = s->seen.phase == DAYTONA_FAILED ? "recover" : "start";

	daytona_api(&s->op, "POST", ordered, "/sandbox/%s/%s", s->op.id, what);
}

static void order_stop(struct daytona_settle *s)
{
	daytona_api(&s->op, "POST", ordered, "/sandbox/%s/stop", s->op.id);
}

static void order_pause(struct daytona_settle *s)
{
	daytona_api(&s->op, "POST", ordered, "/sandbox/%s/pause", s->op.id);
}

static int change(struct provider *p, const char *id, enum daytona_goal goal,
		  void (*act)(struct daytona_settle *s), struct provider_call *c)
{
	struct daytona_settle *s;

	if (!daytona_id_good(id))
		return PROVIDER_GONE;
	s = daytona_op_new(daytona_of(p), c, id, sizeof(*s));
	s->goal = goal;
	s->act = act;
	s->settled = changed;
	daytona_settle_go(s);
	return 0;
}

int daytona_start(struct provider *p, const char *id, struct provider_call *c)
{
	return change(p, id, DAYTONA_GOAL_UP, order_start, c);
}

int daytona_stop(struct provider *p, const char *id, struct provider_call *c)
{
	return change(p, id, DAYTONA_GOAL_STOPPED, order_stop, c);
}

int daytona_pause(struct provider *p, const char *id, struct provider_call *c)
{
	return change(p, id, DAYTONA_GOAL_PAUSED, order_pause, c);
}

/* Delete. */

static void order_delete(struct daytona_op *op);

static void deleted(struct daytona_op *op, int result)
{
	if (result == PROVIDER_GONE || result == 0) {
		daytona_box_forget(op->p, op->id);
		daytona_end(op, 0, NULL);
		return;
	}
	/* in the middle of a change, or lost: DELETE bears a second time */
	if (result == PROVIDER_BUSY ||
	    (result == PROVIDER_OFFLINE && ++op->tries < DAYTONA_TRIES)) {
		(void)daytona_api_outcome(op, result, op->was_why);
		daytona_later(op, order_delete);
		return;
	}
	daytona_end_api(op, result);
}

static void order_delete(struct daytona_op *op)
{
	daytona_api(op, "DELETE", deleted, "/sandbox/%s", op->id);
}

int daytona_delete(struct provider *p, const char *id, struct provider_call *c)
{
	struct daytona_op *op;

	if (!daytona_id_good(id))
		return c ? PROVIDER_GONE : 0;
	op = daytona_op_new(daytona_of(p), c, id, sizeof(*op));
	order_delete(op);
	return 0;
}

/* Keep alive: activity counts from now; an interval or an end that is too near is moved. */

struct alive {
	struct daytona_op op;
	int64_t seconds;
	bool moved_end;
};

static void kept(struct daytona_op *op, int result)
{
	if (result)
		daytona_end_api(op, result);
	else
		daytona_end(op, 0, NULL);
}

static void refresh(struct daytona_op *op, int result)
{
	if (result)
		daytona_end_api(op, result);
	else
		daytona_api(op, "POST", kept, "/sandbox/%s/last-activity", op->id);
}

static void alive_seen(struct daytona_op *op, int result)
{
	struct alive *a = (struct alive *)(void *)op;
	int64_t minutes = (a->seconds + 59) / 60;
	struct daytona_sandbox s;

	if (result) {
		daytona_end_api(op, result);
		return;
	}
	result = daytona_described(op, &s);
	if (!result && s.phase != DAYTONA_UP)
		result = s.phase == DAYTONA_LEAVING          ? PROVIDER_GONE
			 : s.info.state == PROVIDER_STARTING ? PROVIDER_BUSY
							     : PROVIDER_ASLEEP;
	if (result) {
		daytona_end(op, result, s.reason);
		return;
	}
	if (s.dies && !a->moved_end && s.dies < clock_wall(op->p->clock) + a->seconds) {
		a->moved_end = true;
		daytona_api(op, "POST", alive_seen, "/sandbox/%s/ttl/%" PRId64, op->id,
			    minutes);
	} else if (s.idle_minutes && s.idle_minutes < minutes) {
		daytona_api(op, "POST", refresh, "/sandbox/%s/autostop/%" PRId64, op->id,
			    minutes);
	} else {
		refresh(op, 0);
	}
}

int daytona_keep_alive(struct provider *p, const char *id, int64_t seconds,
		       struct provider_call *c)
{
	struct alive *a;

	if (!daytona_id_good(id))
		return PROVIDER_GONE;
	a = daytona_op_new(daytona_of(p), c, id, sizeof(*a));
	a->seconds = seconds;
	daytona_api(&a->op, "GET", alive_seen, "/sandbox/%s", id);
	return 0;
}

/* A preview. */

struct preview {
	struct daytona_op op;
	struct provider_preview *ret;
	int64_t seconds;
};

static void shown(struct daytona_op *op, int result)
{
	struct preview *v = (struct preview *)(void *)op;
	const char *text;
	size_t len;

	if (result) {
		daytona_end_api(op, result);
		return;
	}
	text = http_reply(&op->http, &len);
	result = daytona_preview_read(text, len, v->ret);
	if (!result && v->ret->sign) {
		v->ret->header[0] = '\0';
		v->ret->expires = clock_wall(op->p->clock) + v->seconds;
	}
	daytona_end(op, result, "the address is not understood");
}

int daytona_url(struct provider *p, const char *id, struct provider_preview *ret,
		struct provider_call *c)
{
	struct preview *v;

	if (!daytona_id_good(id))
		return PROVIDER_GONE;
	if (!ret->port)
		return PROVIDER_REFUSED;
	v = daytona_op_new(daytona_of(p), c, id, sizeof(*v));
	v->ret = ret;
	v->seconds = ret->seconds > 0 ? ret->seconds : SIGNED_SECONDS;
	if (v->seconds > SIGNED_MAX)
		v->seconds = SIGNED_MAX;
	if (ret->sign)
		daytona_api(&v->op, "GET", shown,
			    "/sandbox/%s/ports/%u/signed-preview-url?expiresInSeconds=%" PRId64,
			    id, ret->port, v->seconds);
	else
		daytona_api(&v->op, "GET", shown, "/sandbox/%s/ports/%u/preview-url", id,
			    ret->port);
	return 0;
}
