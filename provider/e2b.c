/* provider/e2b.c - sandboxes at E2B, its self-hosted kind, and what speaks like it.
 *
 * Two planes: the API (create, list, pause …: e2b_life.c) and envd inside each sandbox (processes:
 * e2b_process.c, files: e2b_files.c). e2b_request.c speaks to either and knows the shapes of their errors, e2b_box.c keeps
 * what is needed to reach a sandbox; e2b_event.c and e2b_upload.c are pure codecs.
 *
 * Rules of the house of this vendor: a sandbox has a clock that activity does not extend, so it is created with
 * pause-on-timeout and kept alive by keep_alive(); there is no "stopped", only paused with or without memory, so stop() forgets
 * the memory; size is a property of the template. Calls that a newer API has under /v2 fall back to the old path
 * when the server does not know it, and remember that.
 */
#include "provider/e2b_private.h"
#include "provider/exec_channel.h"

#include <ctype.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"

bool e2b_id_good(const char *id)
{
	size_t n =
		strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

	return n > 0 && n < PROVIDER_ID_MAX && !id[n];
}

void *e2b_op_new(struct e2b *p, struct provider_call *c, const char *id, size_t size)
{
	struct e2b_op *op = alloc_zero(size);
	int64_t ms = c && c->deadline_ms > 0 ? c->deadline_ms : E2B_DEFAULT_MS;
	bool none = c && c->deadline_ms < 0;

	op->p = p;
	op->c = c;
	op->deadline = none ? INT64_MAX : clock_now(p->clock) + ms;
	buf_init(&op->body, 1 << 20);
	(void)snprintf(op->id, sizeof(op->id), "%s", id);
	TAILQ_INSERT_TAIL(&p->ops, op, all);
	if (!c)
		return op;
	c->impl = op;
	c->retry_ms = 0;
	c->why[0] = '\0';
	return op;
}

static void op_free(struct e2b_op *op)
{
	TAILQ_REMOVE(&op->p->ops, op, all);
	if (op->deinit)
		op->deinit(op);
	buf_deinit(&op->body);
	free(op);
}

void e2b_end(struct e2b_op *op, int result, const char *why)
{
	struct provider_call *c = op->c;
	struct e2b *p = op->p;

	if (c) {
		c->retry_ms = result == PROVIDER_THROTTLED || result == PROVIDER_BUSY
				      ? op->http.retry_ms
				      : 0;
		(void)snprintf(c->why, sizeof(c->why), "%s", why ? why : "");
		/* Nothing that could have an effect ever left: the one certain case. */
		c->untouched = result != 0 && !op->left && !op->http.sent;
		c->impl = NULL;
	}
	op_free(op);
	if (!c)
		return;
	p->n_done++;
	c->done(c, result);
}

void e2b_end_later(struct e2b_op *op, int result, const char *why)
{
	op->later = true;
	op->was = result;
	(void)snprintf(op->was_why, sizeof(op->was_why), "%s", why ? why : "");
	op->p->n_later++;
	http_wake(op->p->http);
}

int64_t e2b_left_ms(const struct e2b_op *op)
{
	int64_t left = op->deadline == INT64_MAX ? E2B_DEFAULT_MS
						 : op->deadline - clock_now(op->p->clock);

	return left > 1 ? left : 1;
}

static void e2b_caps(struct provider *p, struct provider_caps *ret)
{
	ret->flags = PROVIDER_CAP_EXEC | PROVIDER_CAP_EXEC_STDIN | PROVIDER_CAP_GIT |
		     PROVIDER_CAP_TAR | PROVIDER_CAP_PAUSE | PROVIDER_CAP_NETWORK |
		     PROVIDER_CAP_EXEC_FEED | PROVIDER_CAP_EXEC_SIGNAL | PROVIDER_CAP_USER |
		     PROVIDER_CAP_METRICS | PROVIDER_CAP_SPLIT | PROVIDER_CAP_LABELS |
		     PROVIDER_CAP_LIFETIME | PROVIDER_CAP_IMAGE | PROVIDER_CAP_MODES |
		     PROVIDER_CAP_STOP | PROVIDER_CAP_STREAMS | PROVIDER_CAP_EXEC_HOLD;
	/* Background commands can be started and found, but their output is not kept, so the capability is not claimed. */
	if (e2b_of(p)->channels)
		ret->flags |= PROVIDER_CAP_AGENT;
	/* A preview needs a host name of its own, which a server reached by header routing does not give. */
	if (!e2b_of(p)->sandbox_url)
		ret->flags |= PROVIDER_CAP_PREVIEW;
	ret->argv_limit =
		120 << 10; /* one argument may have 128 KiB - 1, all together about 2 MB */
	ret->upload_limit = 0;
}

static int e2b_agent_open(struct provider *p, const char *id, struct channel **ret,
			  struct provider_call *c)
{
	struct exec_channels *channels = e2b_of(p)->channels;

	return channels ? exec_channels_open(channels, id, ret, c) : PROVIDER_UNSUPPORTED;
}

static int e2b_cancel(struct provider *p, struct provider_call *c)
{
	struct e2b_op *op = c->impl;

	if (e2b_of(p)->channels && exec_channels_cancel(e2b_of(p)->channels, c))
		return 0;
	if (!op || op->later)
		return 0;
	if (op->cancel)
		op->cancel(op);
	else
		http_cancel(op->p->http, &op->http);
	return 0;
}

static void end_those_later(struct e2b *p)
{
	struct e2b_op *op = TAILQ_FIRST(&p->ops);

	while (op && p->n_later) {
		bool over = op->later;

		if (over) {
			p->n_later--;
			e2b_end(op, op->was, op->was_why);
		}
		/* a `done` may have changed the list */
		op = over ? TAILQ_FIRST(&p->ops) : TAILQ_NEXT(op, all);
	}
}

static int e2b_poll(struct provider *base, const int *fds, size_t n_fds, int timeout_ms)
{
	struct e2b *p = e2b_of(base);
	int r;

	p->n_done = 0;
	r = http_poll(p->http, fds, n_fds, timeout_ms);
	end_those_later(p);
	return r < 0 ? r : p->n_done;
}

static size_t e2b_waits(struct provider *base, struct pollfd *fds, size_t cap, int *wait_ms)
{
	struct e2b *p = e2b_of(base);
	int ms = p->n_later ? 0 : http_wait_ms(p->http);

	if (ms >= 0 && (*wait_ms < 0 || ms < *wait_ms))
		*wait_ms = ms;
	if (cap)
		*fds = (struct pollfd){.fd = http_fd(p->http), .events = POLLIN};
	return 1;
}

static void e2b_free(struct provider *base)
{
	struct e2b *p = e2b_of(base);

	exec_channels_free(p->channels);
	http_free(p->http); /* before the ops, whose memory it borrows */
	while (!TAILQ_EMPTY(&p->ops))
		op_free(TAILQ_FIRST(&p->ops));
	e2b_boxes_free(p);
	if (p->key_header)
		explicit_bzero(p->key_header, strlen(p->key_header));
	free(p->key_header);
	free(p->api_url);
	free(p->domain);
	free(p->sandbox_url);
	free(p->template_id);
	free(p->user);
	free(p->dir);
	free(p);
}

static const struct provider_ops e2b_ops = {
	.name = "e2b",
	.free = e2b_free,
	.caps = e2b_caps,
	.create = e2b_create,
	.get = e2b_get,
	.list = e2b_list_page,
	.start = e2b_resume,
	.stop = e2b_stop,
	.pause = e2b_pause,
	.resume = e2b_resume,
	.delete = e2b_delete,
	.keep_alive = e2b_keep_alive,
	.exec = e2b_exec,
	.exec_feed = e2b_exec_feed,
	.exec_feed_end = e2b_exec_feed_end,
	.exec_signal = e2b_exec_signal,
	.exec_hold = e2b_exec_hold,
	.attach = e2b_attach,
	.metrics = e2b_measure,
	.put = e2b_put,
	.fetch = e2b_fetch,
	.url = e2b_url,
	.agent_open = e2b_agent_open,
	.cancel = e2b_cancel,
	.more = e2b_more,
	.poll = e2b_poll,
	.waits = e2b_waits,
};

/* A copy without slashes at its end. */
static char *url_copy(const char *url)
{
	size_t n = url ? strlen(url) : 0;

	while (n && url[n - 1] == '/')
		n--;
	return url && n ? alloc_copy(url, n) : NULL;
}

static bool key_good(const char *key)
{
	for (const char *p = key; *p; p++) {
		if (!isgraph((unsigned char)*p))
			return false;
	}
	return key[0];
}

int provider_e2b_new(const struct provider_e2b_config *config, struct provider **ret)
{
	const char *domain = config->domain ? config->domain : "e2b.app";
	struct http_config http = {
		.user_agent = config->user_agent,
		.ca_file = config->ca_file,
		.proxy = config->proxy,
		.max_per_host = config->max_connections,
		.clock = config->clock,
	};
	struct e2b *p;
	int r;

	if (!config->api_key || !key_good(config->api_key))
		return PROVIDER_DENIED;
	p = alloc_zero(sizeof(*p));
	p->base.ops = &e2b_ops;
	TAILQ_INIT(&p->ops);
	p->clock = config->clock ? config->clock : clock_system();
	p->domain = alloc_str(domain);
	p->api_url = url_copy(config->api_url);
	if (!p->api_url)
		p->api_url = alloc_fmt("https://api.%s", domain);
	p->sandbox_url = url_copy(config->sandbox_url);
	p->template_id = alloc_str(config->template_id ? config->template_id : "base");
	p->user = alloc_str(config->user);
	p->dir = alloc_fmt("%s%s%s", config->home ? config->home : "", config->home ? "/" : "",
			   config->dir ? config->dir : "app");
	p->key_header = alloc_fmt("X-API-Key: %s", config->api_key);
	r = http_new(&http, &p->http);
	if (r) {
		e2b_free(&p->base);
		return r;
	}
	if (config->agent)
		p->channels = exec_channels_new(&p->base, &(struct exec_channels_config){
								  .agent = config->agent,
								  .home = config->home,
								  .root = config->dir,
							  });
	*ret = &p->base;
	return 0;
}
