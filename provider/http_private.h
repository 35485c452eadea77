/* provider/http_private.h - a request under way, between http.c (the loop) and http_request.c (what is sent and what
 * came). */
#pragma once

#include <sys/queue.h>

#include <curl/curl.h>

#include "base/buf.h"
#include "provider/http.h"
#include "provider/http_wait.h"

struct http_exchange {
	TAILQ_ENTRY(http_exchange) all, chore;
	struct http *h;
	struct http_request *r;
	CURL *easy;
	struct curl_slist *headers; /* the secret ones first, up to `open` */
	struct curl_slist *open;
	struct buf reply;
	size_t header_bytes, sent; /* of the reply's headers; of our body in memory */
	int64_t deadline, head_due, touched;
	int fault; /* why a callback ended it: an outcome or a fault */
	bool queued, added, cancelled, paused, resume, headed, once, enough, ended;
	const char *reason; /* the same in words; a constant */
	char host[128];
	char words[CURL_ERROR_SIZE];
};

TAILQ_HEAD(exchanges, http_exchange);

struct http {
	CURLM *multi;
	struct http_wait wait;
	const struct clock *clock;
	struct http_config config; /* its strings are ours */
	struct exchanges all, chores;
	size_t n_running;
	int64_t timer, due; /* INT64_MAX: none */
};

/* http.c */
void http_queue_chore(struct http_exchange *x);

/* http_request.c. Fills in the handle of `x`, whose `r` and `h` are set; false: it cannot be sent. */
bool http_exchange_prepare(struct http_exchange *x);
long http_exchange_status(const struct http_exchange *x);
/* Sets status, sent and retry_ms of the request, and with them what `done` is to get, and why. */
int http_exchange_settle(struct http_exchange *x, CURLcode code);
