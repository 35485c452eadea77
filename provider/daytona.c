/* provider/daytona.c - sandboxes at Daytona, hosted or self-hosted.
 *
 * Two planes: the API (daytona_create.c, daytona_life.c, daytona_settle.c) and the toolbox inside each sandbox, reached through a
 * proxy (commands: daytona_exec.c over the scripts of daytona_job.c, files: daytona_files.c, the rest:
 * daytona_process.c). daytona_request.c speaks to either and knows the shapes of their errors, daytona_box.c where a
 * toolbox is, daytona_op.c how a call ends; daytona_body.c and daytona_reply.c are pure codecs.
 *
 * Rules of the house of this vendor: a change of state takes seconds and is polled for; what is idle stops by itself, so
 * that is switched off unless it was asked for; the file API carries no modes; commands are fed to a shell; and
 * requests may be delivered twice, so whatever is sent bears it.
 */
#include "provider/provider.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "provider/daytona_private.h"
#include "provider/exec_channel.h"

static void daytona_caps(struct provider *base, struct provider_caps *ret)
{
	ret->flags = PROVIDER_CAP_EXEC | PROVIDER_CAP_EXEC_STDIN | PROVIDER_CAP_EXEC_FEED |
		     PROVIDER_CAP_EXEC_SIGNAL | PROVIDER_CAP_BACKGROUND | PROVIDER_CAP_USER |
		     PROVIDER_CAP_GIT | PROVIDER_CAP_TAR | PROVIDER_CAP_PREVIEW |
		     PROVIDER_CAP_SIGNED | PROVIDER_CAP_NETWORK | PROVIDER_CAP_METRICS |
		     PROVIDER_CAP_TTY | PROVIDER_CAP_SPLIT | PROVIDER_CAP_LABELS |
		     PROVIDER_CAP_LIFETIME | PROVIDER_CAP_IMAGE | PROVIDER_CAP_MODES |
		     PROVIDER_CAP_STOP | PROVIDER_CAP_LOGS | PROVIDER_CAP_EXEC_HOLD |
		     PROVIDER_CAP_STREAMS;
	if (daytona_of(base)->channels)
		ret->flags |= PROVIDER_CAP_AGENT;
	ret->argv_limit = 128 << 10; /* the kernel's for one word; all together about 2 MB */
	ret->upload_limit = 0;
}

static int daytona_agent_open(struct provider *base, const char *id, struct channel **ret,
			      struct provider_call *c)
{
	struct daytona *p = daytona_of(base);

	return p->channels ? exec_channels_open(p->channels, id, ret, c) : PROVIDER_UNSUPPORTED;
}

static int daytona_cancel(struct provider *base, struct provider_call *c)
{
	struct daytona *p = daytona_of(base);

	if (p->channels && exec_channels_cancel(p->channels, c))
		return 0;
	if (c->impl)
		daytona_op_cancel(c->impl);
	return 0;
}

static void daytona_more(struct provider *base, struct provider_call *c)
{
	struct daytona_op *op = c->impl;

	if (op && op->running)
		http_resume(op->p->http, &op->http);
}

/* The shorter of two waits, -1 being for ever. */
static int64_t sooner(int64_t a, int64_t b)
{
	if (a < 0 || b < 0)
		return a < 0 ? b : a;
	return a < b ? a : b;
}

static int poll_some(struct daytona *p, const int *fds, size_t n_fds, int timeout_ms)
{
	int64_t start = clock_now(p->clock);

	for (;;) {
		int64_t passed = clock_now(p->clock) - start, due, left;
		int r;

		left = timeout_ms < 0 ? -1 : timeout_ms > passed ? timeout_ms - passed : 0;
		daytona_wake(p);
		due = daytona_due_ms(p);
		if (p->n_done)
			left = 0;
		left = sooner(left, due);
		r = http_poll(p->http, fds, n_fds, left > INT32_MAX ? INT32_MAX : (int)left);
		if (r < 0)
			return r;
		daytona_wake(p);
		passed = clock_now(p->clock) - start;
		/* back when something ended, time is up, or it was not us who had a wait in it */
		if (p->n_done || (timeout_ms >= 0 && passed >= timeout_ms))
			return p->n_done;
		if (r == 0 && (due < 0 || due > left))
			return 0;
	}
}

static int daytona_poll(struct provider *base, const int *fds, size_t n_fds, int timeout_ms)
{
	struct daytona *p = daytona_of(base);
	bool nested = p->polling;
	int r;

	if (!nested)
		p->n_done = 0;
	p->polling = true;
	r = poll_some(p, fds, n_fds, timeout_ms);
	p->polling = nested;
	return r;
}

static size_t daytona_waits(struct provider *base, struct pollfd *fds, size_t cap, int *wait_ms)
{
	struct daytona *p = daytona_of(base);
	int64_t wait = sooner(sooner(*wait_ms, http_wait_ms(p->http)), daytona_due_ms(p));

	*wait_ms = wait > INT32_MAX ? INT32_MAX : (int)wait;
	if (cap)
		fds[0] = (struct pollfd){.fd = http_fd(p->http), .events = POLLIN};
	return 1;
}

static void free_secret(char *s)
{
	if (s)
		explicit_bzero(s, strlen(s));
	free(s);
}

static void daytona_free(struct provider *base)
{
	struct daytona *p = daytona_of(base);

	exec_channels_free(p->channels);
	http_free(p->http); /* before the ops, whose memory it borrows */
	while (!TAILQ_EMPTY(&p->ops))
		daytona_op_free(TAILQ_FIRST(&p->ops));
	daytona_boxes_free(p);
	free_secret(p->auth);
	free(p->organization);
	free(p->api_url);
	free(p->toolbox_url);
	free(p->snapshot);
	free(p->target);
	free(p->project);
	free(p);
}

static const struct provider_ops daytona_ops = {
	.name = "daytona",
	.free = daytona_free,
	.caps = daytona_caps,
	.create = daytona_create,
	.get = daytona_get,
	.list = daytona_list_page,
	.start = daytona_start,
	.stop = daytona_stop,
	.pause = daytona_pause,
	.resume = daytona_start,
	.delete = daytona_delete,
	.keep_alive = daytona_keep_alive,
	.exec = daytona_exec,
	.exec_feed = daytona_exec_feed,
	.exec_feed_end = daytona_exec_feed_end,
	.exec_signal = daytona_exec_signal,
	.exec_resize = daytona_exec_resize,
	.exec_hold = daytona_exec_hold,
	.attach = daytona_attach,
	.processes = daytona_processes,
	.kill = daytona_kill,
	.metrics = daytona_metrics,
	.put = daytona_put,
	.fetch = daytona_fetch,
	.url = daytona_url,
	.logs = daytona_logs,
	.agent_open = daytona_agent_open,
	.cancel = daytona_cancel,
	.more = daytona_more,
	.poll = daytona_poll,
	.waits = daytona_waits,
};

/* A copy without slashes at its end; NULL for nothing. */
static char *url_copy(const char *url)
{
	size_t n = url ? strlen(url) : 0;

	while (n && url[n - 1] == '/')
		n--;
	return n ? alloc_copy(url, n) : NULL;
}

static bool word_good(const char *s)
{
	for (const char *p = s; *p; p++) {
		if (!isgraph((unsigned char)*p))
			return false;
	}
	return s[0];
}

/* The headers, or PROVIDER_DENIED. */
static int read_credentials(const struct provider_daytona_config *config, struct daytona *p)
{
	const char *secret = config->api_key ? config->api_key : config->jwt;

	if (!secret || !word_good(secret))
		return PROVIDER_DENIED;
	p->auth = alloc_fmt("Authorization: Bearer %s", secret);
	if (config->api_key)
		return 0; /* is of one organization; naming another one would be refused */
	if (!config->organization || !word_good(config->organization))
		return PROVIDER_DENIED;
	p->organization = alloc_fmt("X-Daytona-Organization-ID: %s", config->organization);
	return 0;
}

int provider_daytona_new(const struct provider_daytona_config *config, struct provider **ret)
{
	struct http_config http = {
		.user_agent = config->user_agent,
		.ca_file = config->ca_file,
		.proxy = config->proxy,
		.clock = config->clock,
	};
	struct exec_channels_config channels = {
		.agent = config->agent, .home = config->home, .root = DAYTONA_PROJECT};
	struct daytona *p = alloc_zero(sizeof(*p));
	int r;

	p->base.ops = &daytona_ops;
	TAILQ_INIT(&p->ops);
	p->clock = config->clock ? config->clock : clock_system();
	p->api_url = url_copy(config->api_url);
	if (!p->api_url)
		p->api_url = alloc_str("https://app.daytona.io/api");
	p->toolbox_url = url_copy(config->toolbox_url);
	p->snapshot = alloc_str(config->snapshot);
	p->target = alloc_str(config->target);
	if (config->home)
		p->project = alloc_fmt("%s/%s", config->home, DAYTONA_PROJECT);
	r = read_credentials(config, p);
	if (!r)
		r = http_new(&http, &p->http);
	if (r) {
		daytona_free(&p->base);
		return r;
	}
	if (config->agent)
		p->channels = exec_channels_new(&p->base, &channels);
	*ret = &p->base;
	return 0;
}
