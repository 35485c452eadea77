/* provider/e2b_facts.c - what can be told about a sandbox: the address of a port, what it uses.
 *
 * An address is put together here, from the domain that the API gave for the sandbox; a server that routes by headers has none. What
 * is used comes from envd, which measures now, while the API's own series is minutes old and empty at first.
 */
#include "provider/e2b_private.h"

#include <stdio.h>
#include <stdlib.h>

struct address {
	struct e2b_op op;
	struct provider_preview *ret;
};

static void address_inside(struct e2b_op *op)
{
	struct address *a = (struct address *)(void *)op;
	const struct e2b_box *box = e2b_box_find(op->p, op->id);
	struct provider_preview *ret = a->ret;

	(void)snprintf(ret->url, sizeof(ret->url), "https://%u-%s.%s/", ret->port, op->id,
		       box->domain[0] ? box->domain : op->p->domain);
	ret->header[0] = '\0';
	if (box->traffic[0])
		(void)snprintf(ret->header, sizeof(ret->header),
			       "e2b-traffic-access-token: %.480s", box->traffic);
	ret->expires = 0;
	e2b_end_later(op, 0, NULL);
}

int e2b_url(struct provider *p, const char *id, struct provider_preview *ret,
	    struct provider_call *c)
{
	const char *why =
		e2b_of(p)->sandbox_url
			? "this server routes by headers; its sandboxes have no addresses"
		: ret->sign ? "E2B does not sign addresses"
			    : NULL;
	struct address *a;

	if (!e2b_id_good(id))
		return PROVIDER_GONE;
	if (why) {
		(void)snprintf(c->why, sizeof(c->why), "%s", why);
		return PROVIDER_UNSUPPORTED;
	}
	a = e2b_op_new(e2b_of(p), c, id, sizeof(*a));
	a->ret = ret;
	a->op.inside = address_inside;
	e2b_inside(&a->op);
	return 0;
}

/* What it uses. */

struct measure {
	struct e2b_op op;
	struct provider_metrics *ret;
};

static uint64_t amount(struct json_reply *j, const char *key)
{
	int64_t n = json_reply_int(j, j->root, key, 0);

	if (n < 0)
		json_reply_bad(j, key, "is negative");
	return n < 0 ? 0 : (uint64_t)n;
}

static void measured(struct e2b_op *op, int result)
{
	struct measure *m = (struct measure *)(void *)op;
	struct provider_metrics got = {0};
	struct json_reply j;
	double used;
	int r;

	if (result) {
		e2b_end_envd(op, &op->http, result);
		return;
	}
	e2b_reply(&op->http, &j);
	got.time = json_reply_int(&j, j.root, "ts", 0);
	used = json_reply_number(&j, j.root, "cpu_used_pct", 0);
	got.cpu_limit = (uint32_t)amount(&j, "cpu_count") * 100;
	/* of all cores together */
	if (used > 0 && used <= 100)
		got.cpu_percent = (uint32_t)(used * got.cpu_limit / 100);
	got.memory_bytes = amount(&j, "mem_used");
	got.memory_limit = amount(&j, "mem_total");
	got.disk_bytes = amount(&j, "disk_used");
	got.disk_limit = amount(&j, "disk_total");
	r = json_reply_fault(&j, "e2b");
	json_reply_close(&j);
	if (!r)
		*m->ret = got;
	e2b_end(op, r, j.why);
}

static void measure_inside(struct e2b_op *op)
{
	e2b_envd_get(op, "/metrics", measured);
}

int e2b_measure(struct provider *p, const char *id, struct provider_metrics *ret,
		struct provider_call *c)
{
	struct measure *m;

	if (!e2b_id_good(id))
		return PROVIDER_GONE;
	m = e2b_op_new(e2b_of(p), c, id, sizeof(*m));
	m->ret = ret;
	m->op.inside = measure_inside;
	e2b_inside(&m->op);
	return 0;
}
