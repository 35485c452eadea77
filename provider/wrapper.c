/* provider/wrapper.c - verbs as values, and callbacks led through.
 *
 * The caller's call is never given to the next provider: it gets `inner`, and copies of the structs that are called
 * back through, whose callbacks find the way back by the address of `inner`. What the next provider
 * sets in a copy is handed on before the caller could look.
 *
 * Calls are in a list; thousands of them cost a walk each poll, as long as one waits in the wrapper itself.
 */
#include "provider/wrapper.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"

static struct wrapper *wrapper_of(struct provider *p)
{
	return (struct wrapper *)(void *)p;
}

static struct wrapped *wrapped_of(struct provider_call *inner)
{
	return (struct wrapped *)(void *)((char *)inner - offsetof(struct wrapped, inner));
}

/* Callbacks. */

static void through_output(struct provider_call *c, int fd, const void *data, size_t len)
{
	struct wrapped *k = wrapped_of(c);

	k->bytes_out += len;
	k->shown++;
	memcpy(k->q.exec->ref, k->exec.ref, sizeof(k->exec.ref));
	k->q.exec->on_output(k->outer, fd, data, len);
}

static void through_room(struct provider_call *c)
{
	struct wrapped *k = wrapped_of(c);

	k->q.exec->on_room(k->outer);
}

static ssize_t through_read(struct provider_call *c, void *data, size_t cap)
{
	struct wrapped *k = wrapped_of(c);
	ssize_t n = k->q.file->on_read(k->outer, data, cap);

	if (n > 0) {
		k->bytes_in += (uint64_t)n;
		k->shown++;
	}
	return n;
}

static int through_write(struct provider_call *c, const void *data, size_t len)
{
	struct wrapped *k = wrapped_of(c);
	int r = k->q.sink->on_write ? k->q.sink->on_write(k->outer, data, len)
				    : buf_add(k->q.sink->into, data, len);

	if (!r) {
		k->bytes_out += len;
		k->shown++;
	}
	return r == -ENOBUFS ? -E2BIG : r;
}

static int through_list(const struct provider_sandbox *s, void *arg)
{
	struct wrapped *k = arg;

	k->shown++;
	return k->q.page->fn(s, k->q.page->arg);
}

/* The request with copies in place of what is called back through. */
static struct provider_request inner_request(struct wrapped *k)
{
	struct provider_request q = k->q;

	if (q.exec) {
		k->exec = *q.exec;
		k->exec.on_output = q.exec->on_output ? through_output : NULL;
		k->exec.on_room = q.exec->on_room ? through_room : NULL;
		q.exec = &k->exec;
	}
	if (q.file) {
		k->file = *q.file;
		k->file.on_read = q.file->on_read ? through_read : NULL;
		q.file = &k->file;
	}
	if (q.sink) {
		k->sink = *q.sink;
		k->sink.on_write = through_write;
		q.sink = &k->sink;
	}
	if (q.page) {
		k->page = *q.page;
		k->page.fn = through_list;
		k->page.arg = k;
		q.page = &k->page;
	}
	return q;
}

/* What the next provider set, for the caller. */
static void hand_back(struct wrapped *k)
{
	if (k->q.exec) {
		k->q.exec->status = k->exec.status;
		k->q.exec->running = k->exec.running;
		memcpy(k->q.exec->ref, k->exec.ref, sizeof(k->exec.ref));
	}
	if (k->q.sink)
		k->q.sink->mode = k->sink.mode;
	if (k->q.page)
		memcpy(k->q.page->next, k->page.next, sizeof(k->page.next));
	k->outer->retry_ms = k->inner.retry_ms;
	k->outer->untouched = k->inner.untouched;
	memcpy(k->outer->why, k->inner.why, sizeof(k->inner.why));
}

static void inner_done(struct provider_call *c, int result)
{
	struct wrapped *k = wrapped_of(c);

	k->under_way = false;
	hand_back(k);
	if (k->w->ops->ended)
		k->w->ops->ended(k, result);
	else
		wrapped_end(k, result);
}

int64_t wrapped_left(const struct wrapped *k)
{
	int64_t used = clock_now(k->w->clock) - k->began;

	if (k->outer->deadline_ms <= 0)
		return INT64_MAX;
	return k->outer->deadline_ms > used ? k->outer->deadline_ms - used : 0;
}

int wrapped_forward(struct wrapped *k)
{
	struct provider_request q = inner_request(k);
	int64_t left = wrapped_left(k);
	int r;

	k->inner = (struct provider_call){
		.done = inner_done,
		.arg = k,
		.deadline_ms = left == INT64_MAX ? k->outer->deadline_ms
			       : left            ? left
						 : 1,
	};
	k->under_way = true;
	r = provider_request(k->to, &q, &k->inner);
	if (!r)
		return 0;
	k->under_way = false;
	hand_back(k);
	return r;
}

void wrapped_again(struct wrapped *k)
{
	int r = wrapped_forward(k);

	if (!r) {
		if (k->feed_ended)
			(void)provider_exec_feed_end(k->to, &k->inner);
		if (k->wants_room && k->q.exec->on_room)
			k->q.exec->on_room(k->outer);
		return;
	}
	if (k->w->ops->ended)
		k->w->ops->ended(k, r);
	else
		wrapped_end(k, r);
}

static void wrapped_free(struct wrapped *k)
{
	struct wrapped **at = &k->w->calls;

	while (*at && *at != k)
		at = &(*at)->following;
	if (*at)
		*at = k->following;
	free(k->own);
	free(k);
}

void wrapped_end(struct wrapped *k, int result)
{
	struct provider_call *c = k->outer;

	k->w->n_done++;
	wrapped_free(k);
	c->impl = NULL;
	c->done(c, result);
}

void wrapped_later(struct wrapped *k, int64_t ms, void (*then)(struct wrapped *k))
{
	k->due = clock_now(k->w->clock) + ms;
	k->then = then;
}

/* Every verb comes here. */
static int begin(struct provider *p, const struct provider_request *q, struct provider_call *c)
{
	struct wrapper *w = wrapper_of(p);
	struct wrapped *k = alloc_zero(sizeof(*k));
	int r;

	k->w = w;
	k->q = *q;
	k->outer = c;
	k->to = w->next[0];
	k->began = clock_now(w->clock);
	k->due = INT64_MAX;
	k->following = w->calls;
	w->calls = k;
	c->impl = k;
	c->retry_ms = 0;
	c->untouched = false;
	c->why[0] = '\0';
	r = w->ops->begin ? w->ops->begin(k) : wrapped_forward(k);
	if (r) {
		c->impl = NULL;
		wrapped_free(k);
	}
	return r;
}

static void set_id(struct provider_request *q, const char *id)
{
	(void)snprintf(q->id, sizeof(q->id), "%s", id);
}

static int wrap_create(struct provider *p, const struct provider_spec *spec,
		       struct provider_sandbox *ret, struct provider_call *c)
{
	struct provider_request q = {.verb = PROVIDER_CREATE, .spec = spec, .sandbox = ret};

	return begin(p, &q, c);
}

static int wrap_get(struct provider *p, const char *id, struct provider_sandbox *ret,
		    struct provider_call *c)
{
	struct provider_request q = {.verb = PROVIDER_GET, .sandbox = ret};

	set_id(&q, id);
	return begin(p, &q, c);
}

static int wrap_list(struct provider *p, struct provider_page *page, struct provider_call *c)
{
	struct provider_request q = {.verb = PROVIDER_LIST, .page = page};

	return begin(p, &q, c);
}

static int wrap_start(struct provider *p, const char *id, struct provider_call *c)
{
	struct provider_request q = {.verb = PROVIDER_START};

	set_id(&q, id);
	return begin(p, &q, c);
}

static int wrap_stop(struct provider *p, const char *id, struct provider_call *c)
{
	struct provider_request q = {.verb = PROVIDER_STOP};

	set_id(&q, id);
	return begin(p, &q, c);
}

static int wrap_pause(struct provider *p, const char *id, struct provider_call *c)
{
	struct provider_request q = {.verb = PROVIDER_PAUSE};

	set_id(&q, id);
	return begin(p, &q, c);
}

static int wrap_resume(struct provider *p, const char *id, struct provider_call *c)
{
	struct provider_request q = {.verb = PROVIDER_RESUME};

	set_id(&q, id);
	return begin(p, &q, c);
}

static int wrap_delete(struct provider *p, const char *id, struct provider_call *c)
{
	struct provider_request q = {.verb = PROVIDER_DELETE};

	set_id(&q, id);
	return begin(p, &q, c);
}

static int wrap_keep_alive(struct provider *p, const char *id, int64_t seconds,
			   struct provider_call *c)
{
	struct provider_request q = {.verb = PROVIDER_KEEP_ALIVE, .seconds = seconds};

	set_id(&q, id);
	return begin(p, &q, c);
}

static int wrap_exec(struct provider *p, const char *id, struct provider_exec *x,
		     struct provider_call *c)
{
	struct provider_request q = {.verb = PROVIDER_EXEC, .exec = x};

	set_id(&q, id);
	return begin(p, &q, c);
}

static int wrap_attach(struct provider *p, const char *id, const char *ref,
		       struct provider_exec *x, struct provider_call *c)
{
	struct provider_request q = {.verb = PROVIDER_ATTACH, .ref = ref, .exec = x};

	set_id(&q, id);
	return begin(p, &q, c);
}

static int wrap_processes(struct provider *p, const char *id, provider_process_fn fn, void *arg,
			  struct provider_call *c)
{
	struct provider_request q = {.verb = PROVIDER_PROCESSES, .fn = fn, .arg = arg};

	set_id(&q, id);
	return begin(p, &q, c);
}

static int wrap_kill(struct provider *p, const char *id, const char *ref, int signal,
		     struct provider_call *c)
{
	struct provider_request q = {.verb = PROVIDER_KILL, .ref = ref, .signal = signal};

	set_id(&q, id);
	return begin(p, &q, c);
}

static int wrap_put(struct provider *p, const char *id, const struct provider_file *file,
		    struct provider_call *c)
{
	struct provider_request q = {.verb = PROVIDER_PUT, .file = file};

	set_id(&q, id);
	return begin(p, &q, c);
}

static int wrap_fetch(struct provider *p, const char *id, struct provider_sink *to,
		      struct provider_call *c)
{
	struct provider_request q = {.verb = PROVIDER_FETCH, .sink = to};

	set_id(&q, id);
	return begin(p, &q, c);
}

static int wrap_url(struct provider *p, const char *id, struct provider_preview *ret,
		    struct provider_call *c)
{
	struct provider_request q = {.verb = PROVIDER_URL, .preview = ret};

	set_id(&q, id);
	return begin(p, &q, c);
}

static int wrap_metrics(struct provider *p, const char *id, struct provider_metrics *ret,
			struct provider_call *c)
{
	struct provider_request q = {.verb = PROVIDER_METRICS, .metrics = ret};

	set_id(&q, id);
	return begin(p, &q, c);
}

static int wrap_logs(struct provider *p, const char *id, struct provider_sink *to,
		     struct provider_call *c)
{
	struct provider_request q = {.verb = PROVIDER_LOGS, .sink = to};

	set_id(&q, id);
	return begin(p, &q, c);
}

static int wrap_agent_open(struct provider *p, const char *id, struct channel **ret,
			   struct provider_call *c)
{
	struct provider_request q = {.verb = PROVIDER_AGENT_OPEN, .channel = ret};

	set_id(&q, id);
	return begin(p, &q, c);
}

/* Of a command under way. */

static struct wrapped *running(struct provider_call *c)
{
	struct wrapped *k = c->impl;

	return k && k->under_way ? k : NULL;
}

static ssize_t wrap_exec_feed(struct provider *p, struct provider_call *c, const void *data,
			      size_t len)
{
	struct wrapped *k = c->impl;
	ssize_t n;

	if (!k)
		return -EPIPE;
	/* While it waits to be tried again, so does its input. */
	n = k->under_way ? provider_exec_feed(k->to, &k->inner, data, len) : -EAGAIN;
	k->wants_room = n == -EAGAIN;
	if (n > 0) {
		k->bytes_in += (uint64_t)n;
		k->shown++;
	}
	return n;
}

static int wrap_exec_feed_end(struct provider *p, struct provider_call *c)
{
	struct wrapped *k = c->impl;

	if (!k)
		return 0;
	k->feed_ended = true;
	return k->under_way ? provider_exec_feed_end(k->to, &k->inner) : 0;
}

static int wrap_exec_signal(struct provider *p, struct provider_call *c, int signal)
{
	struct wrapped *k = running(c);

	return k ? provider_exec_signal(k->to, &k->inner, signal) : 0;
}

static int wrap_exec_resize(struct provider *p, struct provider_call *c, uint16_t rows,
			    uint16_t cols)
{
	struct wrapped *k = running(c);

	return k ? provider_exec_resize(k->to, &k->inner, rows, cols) : 0;
}

static int wrap_exec_hold(struct provider *p, struct provider_call *c, bool hold)
{
	struct wrapped *k = running(c);

	return k ? provider_exec_hold(k->to, &k->inner, hold) : 0;
}

static void wrap_more(struct provider *p, struct provider_call *c)
{
	struct wrapped *k = running(c);

	if (k)
		provider_more(k->to, &k->inner);
}

static void cancelled(struct wrapped *k)
{
	wrapped_end(k, -ECANCELED);
}

static int wrap_cancel(struct provider *p, struct provider_call *c)
{
	struct wrapped *k = c->impl;

	if (!k)
		return 0;
	if (k->under_way)
		return provider_cancel(k->to, &k->inner);
	wrapped_later(k, 0, cancelled);
	return 0;
}

static int sooner(const struct wrapper *w, int wait_ms)
{
	int64_t now = clock_now(w->clock);

	for (const struct wrapped *k = w->calls; k; k = k->following) {
		int64_t left = k->due > now ? k->due - now : 0;

		if (k->due != INT64_MAX && (wait_ms < 0 || left < wait_ms))
			wait_ms = left > INT32_MAX ? INT32_MAX : (int)left;
	}
	return wait_ms;
}

/* Calls `then` of all that are due. */
static void step(struct wrapper *w)
{
	int64_t now = clock_now(w->clock);
	struct wrapped *k = w->calls;

	while (k) {
		void (*then)(struct wrapped *) = k->then;

		if (k->due > now) {
			k = k->following;
			continue;
		}
		k->due = INT64_MAX;
		then(k);
		k = w->calls; /* a `done` may have changed the list */
	}
}

static int wrap_poll(struct provider *p, const int *fds, size_t n_fds, int timeout_ms)
{
	struct wrapper *w = wrapper_of(p);
	int r;

	w->n_done = 0;
	step(w);
	timeout_ms = w->n_done ? 0 : sooner(w, timeout_ms);
	r = w->n_next == 1 ? provider_poll(w->next[0], fds, n_fds, timeout_ms)
			   : provider_poll_all(w->next, w->n_next, fds, n_fds, timeout_ms);
	step(w);
	return r < 0 ? r : w->n_done;
}

static size_t wrap_waits(struct provider *p, struct pollfd *fds, size_t cap, int *wait_ms)
{
	struct wrapper *w = wrapper_of(p);
	size_t n = 0;

	*wait_ms = sooner(w, *wait_ms);
	for (size_t i = 0; i < w->n_next; i++)
		n += provider_waits(w->next[i], n < cap ? fds + n : NULL, n < cap ? cap - n : 0,
				    wait_ms);
	return n;
}

static void wrap_caps(struct provider *p, struct provider_caps *ret)
{
	*ret = provider_caps(wrapper_of(p)->next[0]);
}

static void wrap_free(struct provider *p)
{
	struct wrapper *w = wrapper_of(p);

	/* First what is behind: it may still hold our calls. */
	for (size_t i = 0; i < w->n_next; i++)
		provider_free(w->next[i]);
	while (w->calls)
		wrapped_free(w->calls);
	if (w->ops->free)
		w->ops->free(w);
	free(w->next);
	free(w);
}

void *wrapper_new(size_t size, const struct wrapper_ops *ops, const struct clock *clock,
		  struct provider *const *next, size_t n)
{
	static const struct provider_ops table = {
		.free = wrap_free,
		.caps = wrap_caps,
		.create = wrap_create,
		.get = wrap_get,
		.list = wrap_list,
		.start = wrap_start,
		.stop = wrap_stop,
		.pause = wrap_pause,
		.resume = wrap_resume,
		.delete = wrap_delete,
		.keep_alive = wrap_keep_alive,
		.exec = wrap_exec,
		.attach = wrap_attach,
		.processes = wrap_processes,
		.kill = wrap_kill,
		.put = wrap_put,
		.fetch = wrap_fetch,
		.url = wrap_url,
		.metrics = wrap_metrics,
		.logs = wrap_logs,
		.agent_open = wrap_agent_open,
		.exec_feed = wrap_exec_feed,
		.exec_feed_end = wrap_exec_feed_end,
		.exec_signal = wrap_exec_signal,
		.exec_resize = wrap_exec_resize,
		.exec_hold = wrap_exec_hold,
		.cancel = wrap_cancel,
		.more = wrap_more,
		.poll = wrap_poll,
		.waits = wrap_waits,
	};
	struct wrapper *w = alloc_zero(size);

	w->table = table;
	w->table.name = provider_name(next[0]);
	w->base.ops = &w->table;
	w->ops = ops;
	w->clock = clock ? clock : clock_system();
	w->next = alloc_array(n, sizeof(struct provider *));
	memcpy(w->next, next, n * sizeof(struct provider *));
	w->n_next = n;
	return w;
}
