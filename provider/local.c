/* provider/local.c - sandboxes on this machine: a directory and a walled-in process tree each.
 *
 * There is no daemon behind it. What exists is what stands in the directory, what runs is what answers at its socket
 * or has its pid and start time; so sandboxes outlive whoever made them, and any process of the
 * same owner finds them again. bubblewrap makes the walls (local_bwrap.c), the agent inside does everything else.
 *
 *	create, start   local_boot.c     stop, delete    local_end.c
 *	exec, put,      local_talk.c     agent_open      local_channel.c
 *	fetch           url              local_forward.c
 *
 * A call is a struct local_op with a step function and at most one descriptor it waits for; the poll below steps those
 * that are ready, then calls `done` of those that are finished, in that order, so that a `done` may start or
 * cancel anything. The kernel is shared: for code that means harm, a provider with a machine of its own is the place.
 */
#include "provider/local_private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"
#include "base/utf8.h"
#include "provider/local_box.h"

void *local_op_new(struct local *p, struct provider_call *c, size_t size, int64_t default_ms)
{
	struct local_op *op = alloc_zero(size);
	int64_t ms = c->deadline_ms > 0 ? c->deadline_ms : c->deadline_ms < 0 ? 0 : default_ms;

	op->p = p;
	op->c = c;
	op->fd = -1;
	op->deadline = ms ? clock_now(p->clock) + ms : INT64_MAX;
	op->next = p->ops;
	p->ops = op;
	c->impl = op;
	c->retry_ms = 0;
	c->untouched = false;
	c->why[0] = '\0';
	return op;
}

void local_op_finish(struct local_op *op, int result, const char *fmt, ...)
{
	va_list ap;

	op->finished = true;
	op->result = result;
	op->fd = -1;
	if (!fmt)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(op->c->why, sizeof(op->c->why), fmt, ap);
	va_end(ap);
}

static void op_free(struct local_op *op)
{
	if (op->deinit)
		op->deinit(op);
	free(op);
}

static void local_free(struct provider *base)
{
	struct local *p = local_of(base);

	while (p->ops) {
		struct local_op *op = p->ops;

		p->ops = op->next;
		op_free(op);
	}
	for (struct local_channel *ch = p->channels; ch; ch = ch->next)
		ch->p = NULL;
	close_p(&p->dir_fd);
	free(p->dir);
	free(p->agent);
	free(p->self);
	free(p);
}

static bool has_program(const char *path)
{
	return !access(path, X_OK);
}

static void local_caps(struct provider *base, struct provider_caps *ret)
{
	ret->flags = PROVIDER_CAP_AGENT | PROVIDER_CAP_EXEC | PROVIDER_CAP_EXEC_STDIN |
		     PROVIDER_CAP_EXEC_FEED | PROVIDER_CAP_EXEC_SIGNAL | PROVIDER_CAP_NETWORK |
		     PROVIDER_CAP_SPLIT | PROVIDER_CAP_LABELS | PROVIDER_CAP_MODES |
		     PROVIDER_CAP_STOP | PROVIDER_CAP_EXEC_HOLD | PROVIDER_CAP_STREAMS |
		     PROVIDER_CAP_TTY | PROVIDER_CAP_BACKGROUND;
	if (local_of(base)->self)
		ret->flags |= PROVIDER_CAP_PREVIEW;
	if (has_program("/usr/bin/git"))
		ret->flags |= PROVIDER_CAP_GIT;
	if (has_program("/usr/bin/tar") || has_program("/bin/tar"))
		ret->flags |= PROVIDER_CAP_TAR;
	ret->argv_limit = UINT16_MAX;
	ret->upload_limit = 0;
}

/* Nothing here ever expires. */
static void step_keep_alive(struct local_op *op)
{
	local_op_finish(op, 0, NULL);
}

static int local_keep_alive(struct provider *p, const char *id, int64_t seconds,
			    struct provider_call *c)
{
	struct local_op *op = local_op_new(local_of(p), c, sizeof(*op), LOCAL_CALL_MS);

	op->step = step_keep_alive;
	return 0;
}

static int local_cancel(struct provider *p, struct provider_call *c)
{
	for (struct local_op *op = local_of(p)->ops; op; op = op->next)
		if (op->c == c && !op->finished)
			local_op_finish(op, -ECANCELED, NULL);
	return 0;
}

/* Takes the finished ones off the list and tells them, one by one. */
static int tell_finished(struct local *p)
{
	struct local_op **at = &p->ops;
	int n = 0;

	while (*at) {
		struct local_op *op = *at;
		struct provider_call *c = op->c;
		int result = op->result;

		if (!op->finished) {
			at = &op->next;
			continue;
		}
		*at = op->next;
		op_free(op);
		c->impl = NULL;
		c->done(c, result);
		n++;
		at = &p->ops; /* `done` may have changed the list */
	}
	return n;
}

static void expire(struct local *p)
{
	int64_t now = clock_now(p->clock);

	for (struct local_op *op = p->ops; op; op = op->next)
		if (!op->finished && now >= op->deadline)
			local_op_finish(op, -ETIMEDOUT, NULL);
}

/* Milliseconds until the next deadline, at most `most` (-1: no bound). */
static int until_deadline(const struct local *p, int most)
{
	int64_t now = clock_now(p->clock), left = most < 0 ? INT32_MAX : most;
	bool bounded = most >= 0;

	for (const struct local_op *op = p->ops; op; op = op->next) {
		if (op->finished || op->fd < 0)
			return 0;
		if (op->deadline - now < left) {
			left = op->deadline > now ? op->deadline - now : 0;
			bounded = true;
		}
	}
	return bounded ? (int)left : -1;
}

struct waits {
	struct pollfd *fds;
	size_t n, cap;
};

static void wait_add(struct waits *w, int fd, short events)
{
	alloc_grow(&w->fds, &w->cap, w->n + 1, sizeof(*w->fds));
	w->fds[w->n++] = (struct pollfd){.fd = fd, .events = events};
}

static void gather(const struct local *p, struct waits *w)
{
	for (const struct local_op *op = p->ops; op; op = op->next)
		wait_add(w, op->fd, op->events);
	for (struct local_channel *ch = p->channels; ch; ch = ch->next) {
		ch->slot = w->n;
		wait_add(w, ch->wants_out ? ch->fd : -1, POLLOUT);
	}
}

/* Calls that start meanwhile stand in front of the list and wait for the next poll. */
static void step_ready(struct local *p, const struct pollfd *fds)
{
	size_t i = 0;

	for (struct local_op *op = p->ops; op; op = op->next, i++)
		if (!op->finished && (op->fd < 0 || fds[i].revents))
			op->step(op);
	for (struct local_channel *ch = p->channels; ch; ch = ch->next)
		if (ch->slot != SIZE_MAX && fds[ch->slot].revents)
			ch->wants_out = false;
}

static int local_poll(struct provider *base, const int *fds, size_t n_fds, int timeout_ms)
{
	struct local *p = local_of(base);
	struct waits w = {0};
	int r;

	gather(p, &w);
	for (size_t i = 0; i < n_fds; i++)
		wait_add(&w, fds[i], POLLIN);
	r = poll(w.fds, w.n, until_deadline(p, timeout_ms));
	if (r < 0 && errno != EINTR) {
		r = fail(-errno, "wait for sandboxes");
		free(w.fds);
		return r;
	}
	for (size_t i = 0; r < 0 && i < w.n; i++)
		w.fds[i].revents = 0;
	step_ready(p, w.fds);
	free(w.fds);
	expire(p);
	return tell_finished(p);
}

static size_t local_waits(struct provider *base, struct pollfd *fds, size_t cap, int *wait_ms)
{
	struct local *p = local_of(base);
	struct waits w = {0};
	size_t n;

	gather(p, &w);
	n = w.n;
	if (n)
		memcpy(fds, w.fds, (n < cap ? n : cap) * sizeof(*fds));
	free(w.fds);
	*wait_ms = until_deadline(p, *wait_ms);
	return n;
}

static const struct provider_ops local_ops = {
	.name = "local",
	.free = local_free,
	.caps = local_caps,
	.create = local_create,
	.get = local_get,
	.list = local_list,
	.start = local_start,
	.stop = local_stop,
	.delete = local_delete,
	.keep_alive = local_keep_alive,
	.exec = local_exec,
	.exec_feed = local_exec_feed,
	.exec_feed_end = local_exec_feed_end,
	.exec_signal = local_exec_signal,
	.exec_resize = local_exec_resize,
	.exec_hold = local_exec_hold,
	.attach = local_attach,
	.processes = local_processes,
	.kill = local_kill,
	.put = local_put,
	.fetch = local_fetch,
	.url = local_url,
	.agent_open = local_agent_open,
	.cancel = local_cancel,
	.more = local_more,
	.poll = local_poll,
	.waits = local_waits,
};

int provider_local_new(const struct provider_local_config *config, struct provider **ret)
{
	struct local *p;
	int fd, r = io_mkdirs(AT_FDCWD, config->dir, 0700);

	if (r)
		return r;
	fd = open(config->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return fail(-errno, "open '%s'", config->dir);
	p = alloc_zero(sizeof(*p));
	p->base.ops = &local_ops;
	p->clock = config->clock ? config->clock : clock_system();
	p->dir = alloc_str(config->dir);
	p->agent = alloc_str(config->agent);
	p->self = alloc_str(config->self);
	p->dir_fd = fd;
	*ret = &p->base;
	return 0;
}
