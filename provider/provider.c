/* provider/provider.c - the verbs of a provider, called through its table, and waiting for one.
 *
 * A NULL verb is answered here, so that a provider's table holds only what it can do. provider_run() is
 * the loop for commands that do one thing and wait for it: it owns the call, polls until its `done`, and
 * hands over the reason. It never sleeps outside provider_poll(), so a provider's deadline is the only
 * one there is.
 */
#include "provider/provider.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

enum { BLIND_MS = 10 };

void provider_free(struct provider *p)
{
	if (p)
		p->ops->free(p);
}

const char *provider_name(const struct provider *p)
{
	return p->ops->name;
}

struct provider_caps provider_caps(struct provider *p)
{
	struct provider_caps caps = {0};

	p->ops->caps(p, &caps);
	return caps;
}

bool provider_can(struct provider *p, unsigned caps)
{
	return (provider_caps(p).flags & caps) == caps;
}

int provider_poll(struct provider *p, const int *fds, size_t n_fds, int timeout_ms)
{
	return p->ops->poll(p, fds, n_fds, timeout_ms);
}

int provider_create(struct provider *p, const struct provider_spec *spec,
		    struct provider_sandbox *ret, struct provider_call *c)
{
	return p->ops->create ? p->ops->create(p, spec, ret, c) : PROVIDER_UNSUPPORTED;
}

int provider_get(struct provider *p, const char *id, struct provider_sandbox *ret,
		 struct provider_call *c)
{
	return p->ops->get ? p->ops->get(p, id, ret, c) : PROVIDER_UNSUPPORTED;
}

int provider_list(struct provider *p, struct provider_page *page, struct provider_call *c)
{
	page->next[0] = '\0';
	return p->ops->list ? p->ops->list(p, page, c) : PROVIDER_UNSUPPORTED;
}

int provider_start(struct provider *p, const char *id, struct provider_call *c)
{
	return p->ops->start ? p->ops->start(p, id, c) : PROVIDER_UNSUPPORTED;
}

int provider_stop(struct provider *p, const char *id, struct provider_call *c)
{
	return p->ops->stop ? p->ops->stop(p, id, c) : PROVIDER_UNSUPPORTED;
}

int provider_pause(struct provider *p, const char *id, struct provider_call *c)
{
	return p->ops->pause ? p->ops->pause(p, id, c) : PROVIDER_UNSUPPORTED;
}

int provider_resume(struct provider *p, const char *id, struct provider_call *c)
{
	return p->ops->resume ? p->ops->resume(p, id, c) : PROVIDER_UNSUPPORTED;
}

int provider_delete(struct provider *p, const char *id, struct provider_call *c)
{
	return p->ops->delete ? p->ops->delete (p, id, c) : PROVIDER_UNSUPPORTED;
}

int provider_keep_alive(struct provider *p, const char *id, int64_t seconds,
			struct provider_call *c)
{
	return p->ops->keep_alive ? p->ops->keep_alive(p, id, seconds, c)
				  : PROVIDER_UNSUPPORTED;
}

int provider_exec(struct provider *p, const char *id, struct provider_exec *x,
		  struct provider_call *c)
{
	return p->ops->exec ? p->ops->exec(p, id, x, c) : PROVIDER_UNSUPPORTED;
}

ssize_t provider_exec_feed(struct provider *p, struct provider_call *c, const void *data,
			   size_t len)
{
	return p->ops->exec_feed ? p->ops->exec_feed(p, c, data, len) : -EPIPE;
}

int provider_exec_feed_end(struct provider *p, struct provider_call *c)
{
	return p->ops->exec_feed_end ? p->ops->exec_feed_end(p, c) : PROVIDER_UNSUPPORTED;
}

int provider_exec_signal(struct provider *p, struct provider_call *c, int signal)
{
	return p->ops->exec_signal ? p->ops->exec_signal(p, c, signal) : PROVIDER_UNSUPPORTED;
}

int provider_attach(struct provider *p, const char *id, const char *ref,
		    struct provider_exec *x, struct provider_call *c)
{
	return p->ops->attach ? p->ops->attach(p, id, ref, x, c) : PROVIDER_UNSUPPORTED;
}

int provider_metrics(struct provider *p, const char *id, struct provider_metrics *ret,
		     struct provider_call *c)
{
	return p->ops->metrics ? p->ops->metrics(p, id, ret, c) : PROVIDER_UNSUPPORTED;
}

int provider_put(struct provider *p, const char *id, const struct provider_file *file,
		 struct provider_call *c)
{
	return p->ops->put ? p->ops->put(p, id, file, c) : PROVIDER_UNSUPPORTED;
}

int provider_fetch(struct provider *p, const char *id, struct provider_sink *to,
		   struct provider_call *c)
{
	to->mode = 0;
	return p->ops->fetch ? p->ops->fetch(p, id, to, c) : PROVIDER_UNSUPPORTED;
}

int provider_url(struct provider *p, const char *id, struct provider_preview *ret,
		 struct provider_call *c)
{
	ret->url[0] = ret->header[0] = '\0';
	ret->expires = 0;
	return p->ops->url ? p->ops->url(p, id, ret, c) : PROVIDER_UNSUPPORTED;
}

int provider_logs(struct provider *p, const char *id, struct provider_sink *to,
		  struct provider_call *c)
{
	to->mode = 0;
	return p->ops->logs ? p->ops->logs(p, id, to, c) : PROVIDER_UNSUPPORTED;
}

int provider_processes(struct provider *p, const char *id, provider_process_fn fn, void *arg,
		       struct provider_call *c)
{
	return p->ops->processes ? p->ops->processes(p, id, fn, arg, c) : PROVIDER_UNSUPPORTED;
}

int provider_kill(struct provider *p, const char *id, const char *ref, int signal,
		  struct provider_call *c)
{
	return p->ops->kill ? p->ops->kill(p, id, ref, signal, c) : PROVIDER_UNSUPPORTED;
}

int provider_exec_resize(struct provider *p, struct provider_call *c, uint16_t rows,
			 uint16_t cols)
{
	return p->ops->exec_resize ? p->ops->exec_resize(p, c, rows, cols)
				   : PROVIDER_UNSUPPORTED;
}

int provider_exec_hold(struct provider *p, struct provider_call *c, bool hold)
{
	return p->ops->exec_hold ? p->ops->exec_hold(p, c, hold) : PROVIDER_UNSUPPORTED;
}

void provider_more(struct provider *p, struct provider_call *c)
{
	if (p->ops->more)
		p->ops->more(p, c);
}

size_t provider_waits(struct provider *p, struct pollfd *fds, size_t cap, int *wait_ms)
{
	if (p->ops->waits)
		return p->ops->waits(p, fds, cap, wait_ms);
	/* One that cannot say is looked at often. */
	*wait_ms = *wait_ms < 0 || *wait_ms > BLIND_MS ? BLIND_MS : *wait_ms;
	return 0;
}

struct gathered {
	struct pollfd *fds;
	size_t n, cap;
	int wait_ms;
};

static void gather_from(struct gathered *g, struct provider *p)
{
	int wait_ms = g->wait_ms;
	size_t n = provider_waits(p, g->fds + g->n, g->cap - g->n, &wait_ms);

	if (n > g->cap - g->n) {
		alloc_grow(&g->fds, &g->cap, g->n + n, sizeof(*g->fds));
		n = provider_waits(p, g->fds + g->n, n, &wait_ms);
	}
	g->n += n;
	g->wait_ms = wait_ms;
}

int provider_poll_all(struct provider *const *ps, size_t n, const int *fds, size_t n_fds,
		      int timeout_ms)
{
	struct gathered g = {.wait_ms = timeout_ms};
	int sum = 0, r = 0;

	alloc_grow(&g.fds, &g.cap, n_fds + 16, sizeof(*g.fds));
	for (; g.n < n_fds; g.n++)
		g.fds[g.n] = (struct pollfd){.fd = fds[g.n], .events = POLLIN};
	for (size_t i = 0; i < n; i++)
		gather_from(&g, ps[i]);
	if (poll(g.fds, g.n, g.wait_ms) < 0 && errno != EINTR)
		r = fail(-errno, "wait for providers");
	free(g.fds);
	for (size_t i = 0; i < n && r >= 0; i++) {
		r = provider_poll(ps[i], NULL, 0, 0);
		sum += r > 0 ? r : 0;
	}
	return r < 0 ? r : sum;
}

int provider_agent_open(struct provider *p, const char *id, struct channel **ret,
			struct provider_call *c)
{
	return p->ops->agent_open ? p->ops->agent_open(p, id, ret, c) : PROVIDER_UNSUPPORTED;
}

int provider_cancel(struct provider *p, struct provider_call *c)
{
	return p->ops->cancel ? p->ops->cancel(p, c) : PROVIDER_UNSUPPORTED;
}

struct waiting {
	int result;
	bool done;
};

static void ended(struct provider_call *c, int result)
{
	struct waiting *w = c->arg;

	w->result = result;
	w->done = true;
}

int provider_run(struct provider *p, provider_start_fn start, void *arg, int64_t deadline_ms,
		 char *why)
{
	struct waiting w = {0};
	struct provider_call c = {.done = ended, .arg = &w, .deadline_ms = deadline_ms};
	int r = start(p, arg, &c), polled = 0;

	while (!r && !w.done && polled >= 0)
		polled = provider_poll(p, NULL, 0, -1);
	if (!r && !w.done) {
		/* Polling is broken: the call must not outlive this frame. */
		(void)provider_cancel(p, &c);
		(void)provider_poll(p, NULL, 0, 0);
		r = polled;
	}
	if (why)
		memcpy(why, c.why, PROVIDER_WHY_MAX);
	return r ? r : w.result;
}

const char *provider_words(int result)
{
	switch (result) {
	case 0:
		return "done";
	case PROVIDER_GONE:
		return "the sandbox is gone";
	case PROVIDER_ASLEEP:
		return "the sandbox is stopped";
	case PROVIDER_BUSY:
		return "the sandbox is in the middle of a change";
	case PROVIDER_THROTTLED:
		return "the provider asks for fewer requests";
	case PROVIDER_OFFLINE:
		return "the provider cannot be reached";
	case PROVIDER_DENIED:
		return "the provider denies access";
	case PROVIDER_UNSUPPORTED:
		return "the provider cannot do that";
	case PROVIDER_REFUSED:
		return "the provider refused the request";
	case -ETIMEDOUT:
		return "the provider did not answer in time";
	case -ECANCELED:
		return "the call was cancelled";
	default:
		return result < 0 ? strerrordesc_np(-result) : "an unknown outcome";
	}
}

const char *provider_class(int result)
{
	static const char *const words[] = {
		[0] = "ok",
		[PROVIDER_GONE] = "gone",
		[PROVIDER_ASLEEP] = "asleep",
		[PROVIDER_BUSY] = "busy",
		[PROVIDER_THROTTLED] = "throttled",
		[PROVIDER_OFFLINE] = "offline",
		[PROVIDER_DENIED] = "denied",
		[PROVIDER_UNSUPPORTED] = "unsupported",
		[PROVIDER_REFUSED] = "refused",
	};

	if (result == -ETIMEDOUT)
		return "timeout";
	if (result == -ECANCELED)
		return "cancelled";
	if (result < 0 || (size_t)result >= sizeof(words) / sizeof(words[0]))
		return "fault";
	return words[result];
}

const char *provider_verb_name(enum provider_verb verb)
{
	static const char *const words[] = {
		[PROVIDER_CREATE] = "create",
		[PROVIDER_GET] = "get",
		[PROVIDER_LIST] = "list",
		[PROVIDER_START] = "start",
		[PROVIDER_STOP] = "stop",
		[PROVIDER_PAUSE] = "pause",
		[PROVIDER_RESUME] = "resume",
		[PROVIDER_DELETE] = "delete",
		[PROVIDER_KEEP_ALIVE] = "keep-alive",
		[PROVIDER_EXEC] = "exec",
		[PROVIDER_ATTACH] = "attach",
		[PROVIDER_PROCESSES] = "processes",
		[PROVIDER_KILL] = "kill",
		[PROVIDER_PUT] = "put",
		[PROVIDER_FETCH] = "fetch",
		[PROVIDER_URL] = "url",
		[PROVIDER_METRICS] = "metrics",
		[PROVIDER_LOGS] = "logs",
		[PROVIDER_AGENT_OPEN] = "agent-open",
	};

	_Static_assert(sizeof(words) / sizeof(words[0]) == PROVIDER_N_VERBS, "one each");
	return words[verb];
}

bool provider_labels_set(struct provider_sandbox *s, const char *const *labels)
{
	size_t at = 0;

	s->labels[0] = '\0';
	for (; labels && *labels; labels++) {
		size_t len = strlen(*labels) + 1;

		if (!strchr(*labels, '=') || len + 1 > sizeof(s->labels) - at) {
			s->labels[0] = '\0';
			return false;
		}
		memcpy(s->labels + at, *labels, len);
		at += len;
		s->labels[at] = '\0';
	}
	return true;
}

const char *provider_label(const struct provider_sandbox *s, const char *key)
{
	size_t len = strlen(key);

	for (const char *l = s->labels; *l; l += strlen(l) + 1)
		if (!strncmp(l, key, len) && l[len] == '=')
			return l + len + 1;
	return NULL;
}

static bool has_label(const struct provider_sandbox *s, const char *want)
{
	for (const char *l = s->labels; *l; l += strlen(l) + 1)
		if (!strcmp(l, want))
			return true;
	return false;
}

bool provider_labels_match(const struct provider_sandbox *s, const char *const *labels)
{
	for (; labels && *labels; labels++)
		if (!has_label(s, *labels))
			return false;
	return true;
}
