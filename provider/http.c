/* provider/http.c - the HTTP client, and the loop around libcurl.
 *
 * curl says which sockets and which timer it wants (multi_socket); http_wait.c waits for them. Everything the
 * caller asks for (start, cancel, resume) is only noted as a chore and done at the head of the next step, since
 * curl refuses to be entered from its own callbacks; so the caller may do anything from anywhere. A step is
 *
 *	chores -> curl's timer -> ready sockets -> what ended: `done` -> what is overdue: `done`
 *
 * Deadlines are kept here and not by curl, because they also run while a request waits for a
 * connection, and because a transfer that we paused ourselves does not stall. `due` is the earliest of them or something before
 * it; all requests are looked at only when it passes.
 *
 * curl silently repeats a request whose kept connection turned out dead. That is harmless for GET, PUT and DELETE;
 * a POST goes out through a read callback that refuses to be rewound, which makes curl give up once a byte of
 * its body has left.
 */
#include "provider/http.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "provider/http_private.h"
#include "provider/provider.h"

enum { MAX_PER_HOST = 256, MAX_TOTAL = 1024 };

static void exchange_free(struct http_exchange *x)
{
	for (struct curl_slist *n = x->headers; n && n != x->open; n = n->next)
		explicit_bzero(n->data, strlen(n->data));
	if (x->added)
		(void)curl_multi_remove_handle(x->h->multi, x->easy);
	if (x->easy)
		curl_easy_cleanup(x->easy);
	curl_slist_free_all(x->headers);
	buf_deinit(&x->reply);
	if (x->queued)
		TAILQ_REMOVE(&x->h->chores, x, chore);
	TAILQ_REMOVE(&x->h->all, x, all);
	x->h->n_running--;
	free(x);
}

void http_queue_chore(struct http_exchange *x)
{
	if (!x->queued)
		TAILQ_INSERT_TAIL(&x->h->chores, x, chore);
	x->queued = true;
}

/* When `x` is to be ended if nothing happens. */
static int64_t due_of(const struct http_exchange *x)
{
	int64_t due = x->deadline;

	if (!x->headed && x->head_due < due)
		due = x->head_due;
	if (x->r->stall_ms > 0 && !x->paused && x->touched + x->r->stall_ms < due)
		due = x->touched + x->r->stall_ms;
	return due;
}

static void note_due(struct http_exchange *x)
{
	int64_t due = due_of(x);

	if (due < x->h->due)
		x->h->due = due;
}

/* What curl calls. */

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *unused)
{
	struct http *h = arg;
	unsigned events = 0;

	if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
		events |= HTTP_WAIT_IN;
	if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
		events |= HTTP_WAIT_OUT;
	return http_wait_watch(&h->wait, fd, events) ? -1 : 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct http *h = arg;

	h->timer = timeout_ms < 0 ? INT64_MAX : clock_now(h->clock) + timeout_ms;
	return 0;
}

int http_start(struct http *h, struct http_request *r)
{
	struct http_exchange *x = alloc_zero(sizeof(*x));
	int64_t now = clock_now(h->clock);

	r->status = 0;
	r->retry_ms = 0;
	r->sent = false;
	r->why[0] = '\0';
	r->impl = x;
	x->h = h;
	x->r = r;
	x->once = strcmp(r->method, "POST") == 0 || strcmp(r->method, "PATCH") == 0;
	x->deadline = r->deadline_ms < 0
			      ? INT64_MAX
			      : now + (r->deadline_ms ? r->deadline_ms : HTTP_DEADLINE_MS);
	x->head_due = r->head_ms > 0 ? now + r->head_ms : INT64_MAX;
	x->touched = now;
	buf_init(&x->reply, r->reply_limit ? r->reply_limit : HTTP_REPLY_MAX);
	TAILQ_INSERT_TAIL(&h->all, x, all);
	h->n_running++;
	if (!http_exchange_prepare(x)) {
		(void)snprintf(r->why, sizeof(r->why), "a URL or header that cannot be sent");
		r->impl = NULL;
		exchange_free(x);
		return PROVIDER_REFUSED;
	}
	note_due(x);
	http_queue_chore(x);
	return 0;
}

void http_cancel(struct http *h, struct http_request *r)
{
	struct http_exchange *x = r->impl;

	if (!x || x->ended)
		return;
	x->cancelled = true;
	http_queue_chore(x);
}

void http_resume(struct http *h, struct http_request *r)
{
	struct http_exchange *x = r->impl;

	if (!x || x->ended || !x->paused)
		return;
	x->resume = true;
	http_queue_chore(x);
}

/* Calls `done`; `x` is gone after. */
static void finish(struct http_exchange *x, int result)
{
	struct http_request *r = x->r;

	log_debug("http: %.16s %s: status %ld, result %d", r->method, x->host, r->status,
		  result);
	x->ended = true;
	r->done(r, result);
	exchange_free(x);
}

static int reap(struct http *h)
{
	CURLMsg *m;
	int left, n = 0;

	while ((m = curl_multi_info_read(h->multi, &left))) {
		CURLcode code = m->data.result;
		char *private = NULL;
		struct http_exchange *x;

		if (m->msg != CURLMSG_DONE)
			continue;
		(void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &private);
		x = (struct http_exchange *)(void *)private;
		finish(x, http_exchange_settle(x, code));
		n++;
	}
	return n;
}

/* Overdue requests become chores, since a `done` may end or start any other. */
static void mark_overdue(struct http *h)
{
	int64_t now = clock_now(h->clock);
	struct http_exchange *x;

	if (now < h->due)
		return;
	h->due = INT64_MAX;
	TAILQ_FOREACH(x, &h->all, all)
	{
		if (due_of(x) > now || x->fault) {
			note_due(x);
			continue;
		}
		x->fault = -ETIMEDOUT;
		x->reason = "no answer in time";
		http_queue_chore(x);
	}
}

static int run_chores(struct http *h)
{
	struct http_exchange *x;
	int n = 0;

	while ((x = TAILQ_FIRST(&h->chores))) {
		TAILQ_REMOVE(&h->chores, x, chore);
		x->queued = false;
		if (x->cancelled || x->fault) {
			finish(x, http_exchange_settle(x, CURLE_OK));
			n++;
			continue;
		}
		if (!x->added) {
			CURLMcode m = curl_multi_add_handle(h->multi, x->easy);

			if (m)
				return fail(-EIO, "http: add a request: %s",
					    curl_multi_strerror(m));
			x->added = true;
		}
		if (x->resume) {
			x->resume = x->paused = false;
			x->touched = clock_now(h->clock);
			note_due(x);
			(void)curl_easy_pause(x->easy, CURLPAUSE_CONT);
		}
	}
	return n;
}

/* The loop. */

static int step(struct http *h)
{
	struct http_ready ready[HTTP_WAIT_MAX];
	size_t n_ready;
	int running, r, n;

	mark_overdue(h);
	n = run_chores(h);
	if (n < 0)
		return n;
	if (clock_now(h->clock) >= h->timer) {
		h->timer = INT64_MAX;
		(void)curl_multi_socket_action(h->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	}
	n_ready = http_wait_ready(&h->wait, ready);
	for (size_t i = 0; i < n_ready; i++) {
		int what = (ready[i].events & HTTP_WAIT_IN ? CURL_CSELECT_IN : 0) |
			   (ready[i].events & HTTP_WAIT_OUT ? CURL_CSELECT_OUT : 0) |
			   (ready[i].events & HTTP_WAIT_ERR ? CURL_CSELECT_ERR : 0);

		(void)curl_multi_socket_action(h->multi, ready[i].fd, what, &running);
	}
	n += reap(h);
	r = run_chores(h);
	return r < 0 ? r : n + r;
}

int http_wait_ms(struct http *h)
{
	int64_t now = clock_now(h->clock), at = h->timer < h->due ? h->timer : h->due;

	if (!TAILQ_EMPTY(&h->chores) || at <= now)
		return 0;
	if (at == INT64_MAX)
		return -1;
	return at - now < INT_MAX ? (int)(at - now) : INT_MAX;
}

int http_poll(struct http *h, const int *fds, size_t n_fds, int timeout_ms)
{
	int64_t end = timeout_ms < 0 ? INT64_MAX : clock_now(h->clock) + timeout_ms;

	for (;;) {
		int n = step(h), wait = http_wait_ms(h), r;
		int64_t now = clock_now(h->clock);
		int64_t left = end == INT64_MAX ? -1 : end > now ? end - now : 0;
		bool theirs;

		if (n || h->wait.rung || left == 0) {
			h->wait.rung = false;
			return n;
		}
		if (left >= 0 && (wait < 0 || left < wait))
			wait = (int)left;
		r = http_wait_for(&h->wait, fds, n_fds, wait, &theirs);
		if (r)
			return r;
		if (theirs)
			end = 0; /* one more step, and back */
	}
}

int http_fd(const struct http *h)
{
	return h->wait.epoll_fd;
}

void http_wake(struct http *h)
{
	http_wait_ring(&h->wait);
}

size_t http_running(const struct http *h)
{
	return h->n_running;
}

/* A client. */

static int multi_init(struct http *h)
{
	CURLM *m = h->multi = curl_multi_init();

	if (!m)
		return fail(-ENOMEM, "http: curl_multi_init");
	(void)curl_multi_setopt(m, CURLMOPT_SOCKETFUNCTION, on_socket);
	(void)curl_multi_setopt(m, CURLMOPT_SOCKETDATA, h);
	(void)curl_multi_setopt(m, CURLMOPT_TIMERFUNCTION, on_timer);
	(void)curl_multi_setopt(m, CURLMOPT_TIMERDATA, h);
	(void)curl_multi_setopt(m, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
	(void)curl_multi_setopt(m, CURLMOPT_MAX_HOST_CONNECTIONS, (long)h->config.max_per_host);
	(void)curl_multi_setopt(m, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)h->config.max_total);
	(void)curl_multi_setopt(m, CURLMOPT_MAXCONNECTS, (long)h->config.max_total);
	return 0;
}

int http_new(const struct http_config *config, struct http **ret)
{
	struct http *h;
	int r;

	if (config->ca_file && access(config->ca_file, R_OK) < 0)
		return fail(-errno, "http: read the CA file '%s'", config->ca_file);
	if (curl_global_init(CURL_GLOBAL_DEFAULT))
		return fail(-EIO, "http: curl_global_init");
	h = alloc_zero(sizeof(*h));
	h->config = (struct http_config){
		.user_agent = alloc_str(config->user_agent ? config->user_agent : "fragfs"),
		.ca_file = alloc_str(config->ca_file),
		.proxy = alloc_str(config->proxy),
		.connect_ms = config->connect_ms ? config->connect_ms : HTTP_CONNECT_MS,
		.max_per_host = config->max_per_host ? config->max_per_host : MAX_PER_HOST,
		.max_total = config->max_total ? config->max_total : MAX_TOTAL,
	};
	h->clock = config->clock ? config->clock : clock_system();
	h->timer = h->due = INT64_MAX;
	h->wait.epoll_fd = h->wait.bell_fd = -1;
	TAILQ_INIT(&h->all);
	TAILQ_INIT(&h->chores);
	r = http_wait_init(&h->wait);
	if (r == 0)
		r = multi_init(h);
	if (r) {
		http_free(h);
		return r;
	}
	*ret = h;
	return 0;
}

static void free_text(const char *s)
{
	free((void *)(uintptr_t)s);
}

void http_free(struct http *h)
{
	if (!h)
		return;
	while (!TAILQ_EMPTY(&h->all))
		exchange_free(TAILQ_FIRST(&h->all));
	if (h->multi)
		(void)curl_multi_cleanup(h->multi);
	http_wait_deinit(&h->wait);
	free_text(h->config.user_agent);
	free_text(h->config.ca_file);
	free_text(h->config.proxy);
	curl_global_cleanup();
	free(h);
}
