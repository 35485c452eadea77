/* provider/http_request.c - one request as curl sees it: what is sent, what comes, and what that means.
 *
 * curl's callbacks end here. They never call `done`: a callback that wants the request ended leaves its reason in `fault` and
 * has curl stop; http_exchange_settle() then turns the reason, or curl's code and the status, into one result and
 * one sentence. Nothing that the caller passed as a secret is copied anywhere but into curl's header
 * list.
 */
#include "provider/http_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "provider/provider.h"

enum { BULK_BUFFER = 256 << 10, RETRY_DATE_MAX = 86400 };

DEFINE_CLEANUP(CURLU *, curl_url_cleanup)

long http_exchange_status(const struct http_exchange *x)
{
	long status = 0;

	(void)curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
	return status;
}

static size_t on_header(char *data, size_t size, size_t n, void *arg)
{
	struct http_exchange *x = arg;

	x->header_bytes += size * n;
	if (x->header_bytes > HTTP_HEADERS_MAX) {
		x->fault = fail(-E2BIG, "http: headers of %s", x->host);
		return 0;
	}
	if (n <= 2 && http_exchange_status(x) >= 200) { /* the empty line */
		x->headed = true;
		x->touched = clock_now(x->h->clock);
	}
	return size * n;
}

/* The first bytes of a 2xx body: is it what was asked for? */
static int judge_type(struct http_exchange *x)
{
	const char *type = http_header(x->r, "content-type");
	int r = http_outcome_type(type, x->r->expect);

	if (r > 0)
		x->reason = "a web page came instead of data; a proxy or a wrong address";
	if (r < 0)
		r = fail(r, "http: %s sent '%.64s' where '%s' was expected", x->host,
			 type ? type : "no type", x->r->expect);
	return r;
}

static int take_body(struct http_exchange *x, const char *data, size_t len)
{
	bool good = http_outcome(http_exchange_status(x)) == 0;
	int r;

	if (good && x->reply.len == 0 && x->fault == 0 && (r = judge_type(x)) != 0)
		return r;
	if (good && x->r->on_body)
		return x->r->on_body(x->r, data, len);
	if (!good && x->reply.len + len > x->reply.limit) {
		len = x->reply.limit - x->reply.len; /* enough to know what it is */
		x->enough = true;
	}
	r = buf_add(&x->reply, data, len);
	return r ? fail(r, "http: reply of %s", x->host) : 0;
}

static size_t on_write(char *data, size_t size, size_t n, void *arg)
{
	struct http_exchange *x = arg;
	int r;

	if (x->cancelled || x->enough)
		return 0;
	r = take_body(x, data, size * n);
	if (r == -EAGAIN) {
		x->paused = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	x->touched = clock_now(x->h->clock);
	if (r)
		x->fault = r;
	return r || x->enough ? 0 : size * n;
}

static size_t on_read(char *data, size_t size, size_t n, void *arg)
{
	struct http_exchange *x = arg;
	struct http_request *r = x->r;
	size_t cap = size * n;
	ssize_t got;

	if (x->cancelled)
		return CURL_READFUNC_ABORT;
	if (r->on_send) {
		got = r->on_send(r, data, cap);
	} else {
		got = (ssize_t)(r->body_len - x->sent < cap ? r->body_len - x->sent : cap);
		if (got) /* a NULL body of no bytes */
			memcpy(data, (const char *)r->body + x->sent, (size_t)got);
		x->sent += (size_t)got;
	}
	if (got == -EAGAIN) {
		x->paused = true;
		return CURL_READFUNC_PAUSE;
	}
	x->touched = clock_now(x->h->clock);
	if (got >= 0)
		return (size_t)got;
	x->fault = (int)got;
	return CURL_READFUNC_ABORT;
}

static int on_seek(void *arg, curl_off_t offset, int origin)
{
	struct http_exchange *x = arg;

	if (x->once || x->r->on_send || origin != SEEK_SET || offset != 0)
		return CURL_SEEKFUNC_FAIL;
	x->sent = 0;
	return CURL_SEEKFUNC_OK;
}

/* Making a request. */

static bool add_header(struct http_exchange *x, const char *line)
{
	struct curl_slist *list;

	if (!strpbrk(line, ":;") || strpbrk(line, "\r\n"))
		return false;
	list = curl_slist_append(x->headers, line);
	if (!list)
		abort(); /* as alloc.h does */
	x->headers = list;
	return true;
}

/* curl keeps the list, so secrets have one copy here; those come first and `open` is the one behind them. */
static bool add_headers(struct http_exchange *x)
{
	const struct http_request *r = x->r;
	struct curl_slist *last;

	for (size_t i = 0; r->secrets && r->secrets[i]; i++) {
		if (!add_header(x, r->secrets[i]))
			return false;
	}
	for (last = x->headers; last && last->next;)
		last = last->next;
	if (!add_header(x, "Expect:"))
		return false;
	x->open = last ? last->next : x->headers;
	for (size_t i = 0; r->headers && r->headers[i]; i++) {
		if (!add_header(x, r->headers[i]))
			return false;
	}
	return true;
}

/* The host for messages, and whether the URL is one of ours to send. */
static bool read_url(struct http_exchange *x)
{
	CLEANUP(curl_url_cleanupp) CURLU *u = curl_url();
	char *host = NULL, *scheme = NULL, *user = NULL;
	bool good;

	if (!u || strnlen(x->r->url, HTTP_URL_LIMIT) == HTTP_URL_LIMIT)
		return false;
	good = curl_url_set(u, CURLUPART_URL, x->r->url, CURLU_PATH_AS_IS) == CURLUE_OK &&
	       curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
	       curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
	       curl_url_get(u, CURLUPART_USER, &user, 0) != CURLUE_OK &&
	       (strcmp(scheme, "https") == 0 || strcmp(scheme, "http") == 0);
	if (good)
		(void)snprintf(x->host, sizeof(x->host), "%s", host);
	curl_free(host);
	curl_free(scheme);
	curl_free(user);
	return good;
}

static void set_body(struct http_exchange *x)
{
	const struct http_request *r = x->r;
	bool has = r->on_send || r->body || strcmp(r->method, "PUT") == 0 || x->once;

	(void)curl_easy_setopt(x->easy, CURLOPT_CUSTOMREQUEST, r->method);
	if (strcmp(r->method, "HEAD") == 0)
		(void)curl_easy_setopt(x->easy, CURLOPT_NOBODY, 1L);
	if (!has)
		return;
	(void)curl_easy_setopt(x->easy, CURLOPT_UPLOAD, 1L);
	(void)curl_easy_setopt(x->easy, CURLOPT_INFILESIZE_LARGE,
			       (curl_off_t)(r->on_send ? r->body_size : (int64_t)r->body_len));
	(void)curl_easy_setopt(x->easy, CURLOPT_READFUNCTION, on_read);
	(void)curl_easy_setopt(x->easy, CURLOPT_READDATA, x);
	(void)curl_easy_setopt(x->easy, CURLOPT_SEEKFUNCTION, on_seek);
	(void)curl_easy_setopt(x->easy, CURLOPT_SEEKDATA, x);
}

static void set_security(CURL *e, const struct http_config *config)
{
	(void)curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	(void)curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	(void)curl_easy_setopt(e, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
	(void)curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	(void)curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 1L);
	(void)curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2L);
	if (config->ca_file) {
		(void)curl_easy_setopt(e, CURLOPT_CAINFO, config->ca_file);
		(void)curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
	}
	if (config->proxy)
		(void)curl_easy_setopt(e, CURLOPT_PROXY, config->proxy);
}

static void set_options(struct http_exchange *x)
{
	const struct http_config *config = &x->h->config;
	CURL *e = x->easy;

	set_security(e, config);
	set_body(x);
	(void)curl_easy_setopt(e, CURLOPT_URL, x->r->url);
	(void)curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L);
	(void)curl_easy_setopt(e, CURLOPT_HTTPHEADER, x->headers);
	(void)curl_easy_setopt(e, CURLOPT_USERAGENT, config->user_agent);
	(void)curl_easy_setopt(e, CURLOPT_PRIVATE, x);
	(void)curl_easy_setopt(e, CURLOPT_ERRORBUFFER, x->words);
	(void)curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
	(void)curl_easy_setopt(e, CURLOPT_HEADERDATA, x);
	(void)curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_write);
	(void)curl_easy_setopt(e, CURLOPT_WRITEDATA, x);
	(void)curl_easy_setopt(e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	(void)curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	/* Do not wait for a resolver's thread when a request is dropped. */
	(void)curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
	(void)curl_easy_setopt(e, CURLOPT_NOPROGRESS, 1L);
	(void)curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
	(void)curl_easy_setopt(e, CURLOPT_TCP_KEEPIDLE, 45L);
	(void)curl_easy_setopt(e, CURLOPT_TCP_KEEPINTVL, 15L);
	(void)curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)config->connect_ms);
	(void)curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	(void)curl_easy_setopt(e, CURLOPT_PIPEWAIT,
			       (long)(strncmp(x->r->url, "https", 5) == 0));
	if (x->r->bulk) {
		(void)curl_easy_setopt(e, CURLOPT_BUFFERSIZE, (long)BULK_BUFFER);
		(void)curl_easy_setopt(e, CURLOPT_UPLOAD_BUFFERSIZE, (long)BULK_BUFFER);
	}
}

bool http_exchange_prepare(struct http_exchange *x)
{
	if (!read_url(x) || strpbrk(x->r->method, "\r\n ") || !add_headers(x))
		return false;
	x->easy = curl_easy_init();
	if (!x->easy)
		abort(); /* as alloc.h does */
	set_options(x);
	return true;
}

/* Ending a request. */

static int outcome_of_code(struct http_exchange *x, CURLcode code)
{
	const char *words = x->words[0] ? x->words : curl_easy_strerror(code);

	(void)snprintf(x->r->why, sizeof(x->r->why), "%s: %.110s", x->host, words);
	switch ((int)code) {
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_UNSUPPORTED_PROTOCOL: /* HTTP/0.9: not HTTP at all */
	case CURLE_BAD_CONTENT_ENCODING:
		return fail(-EPROTO, "http: reply of %s is no HTTP: %.110s", x->host, words);
	case CURLE_OUT_OF_MEMORY:
		return fail(-ENOMEM, "http: request to %s", x->host);
	default:
		return PROVIDER_OFFLINE;
	}
}

/* An HTTP/1 body that ends with its connection may have been cut anywhere. */
static bool end_is_known(const struct http_exchange *x)
{
	curl_off_t len = -1;
	long version = 0;

	(void)curl_easy_getinfo(x->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &len);
	(void)curl_easy_getinfo(x->easy, CURLINFO_HTTP_VERSION, &version);
	return len >= 0 || version >= CURL_HTTP_VERSION_2_0 ||
	       http_header(x->r, "transfer-encoding") || x->r->status == 204;
}

static int outcome_of_status(struct http_exchange *x)
{
	struct http_request *r = x->r;
	char *to = NULL;
	int result = http_outcome(r->status);

	if (result == 0 && r->bulk && !end_is_known(x)) {
		(void)snprintf(r->why, sizeof(r->why),
			       "%s: the end of the reply cannot be told from a cut", x->host);
		return PROVIDER_OFFLINE;
	}
	if (result == 0)
		return 0;
	(void)snprintf(r->why, sizeof(r->why), "%s answered %ld", x->host, r->status);
	(void)curl_easy_getinfo(x->easy, CURLINFO_REDIRECT_URL, &to);
	if (to)
		(void)snprintf(r->why, sizeof(r->why),
			       "%s redirects to '%.*s', which is not followed", x->host,
			       (int)strcspn(to, "?#") < 120 ? (int)strcspn(to, "?#") : 120, to);
	return result < 0 ? fail(result, "http: %s answered %ld", x->host, r->status) : result;
}

static int64_t retry_of(struct http_exchange *x)
{
	const char *value = http_header(x->r, "retry-after");
	const char *date = value ? http_header(x->r, "date") : NULL;
	int64_t ms = value ? http_outcome_retry(value) : 0, at, now;

	if (ms >= 0)
		return ms;
	/* A date: the server's clock is the one it means. */
	at = curl_getdate(value, NULL);
	now = date ? curl_getdate(date, NULL) : -1;
	if (now < 0)
		now = clock_wall(x->h->clock);
	if (at <= now)
		return 0;
	return (at - now < RETRY_DATE_MAX ? at - now : RETRY_DATE_MAX) * 1000;
}

static int result_of(struct http_exchange *x, CURLcode code)
{
	struct http_request *r = x->r;

	if (x->cancelled)
		return -ECANCELED;
	if (x->fault) {
		(void)snprintf(r->why, sizeof(r->why), "%s: %.110s", x->host,
			       x->reason ? x->reason : "not what was expected");
		return x->fault;
	}
	/* A server that refuses may well hang up on the rest of the request. */
	if (code == CURLE_OK || r->status >= 300)
		return outcome_of_status(x);
	return outcome_of_code(x, code);
}

int http_exchange_settle(struct http_exchange *x, CURLcode code)
{
	struct http_request *r = x->r;
	long sent = 0;
	int result;

	r->status = http_exchange_status(x);
	(void)curl_easy_getinfo(x->easy, CURLINFO_REQUEST_SIZE, &sent);
	r->sent = sent > 0 || r->status != 0;
	r->retry_ms = r->status ? retry_of(x) : 0;
	result = result_of(x, code);
	http_hide(r, r->why);
	return result;
}

const char *http_header(const struct http_request *r, const char *name)
{
	struct curl_header *found;

	if (!r->impl || curl_easy_header(r->impl->easy, name, 0, CURLH_HEADER, -1, &found))
		return NULL;
	return found->value;
}

const char *http_reply(const struct http_request *r, size_t *len)
{
	*len = r->impl->reply.len;
	return r->impl->reply.data;
}

void http_hide(const struct http_request *r, char *text)
{
	const struct http_exchange *x = r->impl;

	for (const struct curl_slist *n = x->headers; n && n != x->open; n = n->next)
		http_outcome_hide(text, n->data);
}
