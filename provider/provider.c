/* provider/provider.c - the verbs of a provider, called through its table, and waiting for one.
 *
 * A NULL verb is answered here, so that a provider's table holds only what it can do. provider_run() is
 * the loop for commands that do one thing and wait for it: it owns the call, polls until its `done`, and
 * hands over the reason. It never sleeps outside provider_poll(), so a provider's deadline is the only
 * one there is.
 */
#include "provider/provider.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"

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

int provider_list(struct provider *p, provider_list_fn fn, void *arg, struct provider_call *c)
{
	return p->ops->list ? p->ops->list(p, fn, arg, c) : PROVIDER_UNSUPPORTED;
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

int provider_fetch(struct provider *p, const char *id, const char *path, struct buf *ret,
		   struct provider_call *c)
{
	return p->ops->fetch ? p->ops->fetch(p, id, path, ret, c) : PROVIDER_UNSUPPORTED;
}

int provider_url(struct provider *p, const char *id, uint16_t port, char ret[PROVIDER_URL_MAX],
		 struct provider_call *c)
{
	return p->ops->url ? p->ops->url(p, id, port, ret, c) : PROVIDER_UNSUPPORTED;
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
