/* provider/http_outcome.h - what an HTTP reply means for a sandbox: one table, and words for it.
 *
 *	status                    outcome                 why
 *	2xx                       0                       unless its type is not the expected one:
 *	  text/html               PROVIDER_OFFLINE        a proxy or portal spoke, not the provider
 *	  anything else           -EPROTO
 *	3xx                       PROVIDER_REFUSED        redirects are not followed; the URL is to be set right
 *	401 402 403 407           PROVIDER_DENIED         key, account, quota, proxy
 *	404 410                   PROVIDER_GONE
 *	408 425 500 502 504 52x   PROVIDER_OFFLINE        it does not work now; whether it did something is not known
 *	409 423 503               PROVIDER_BUSY
 *	429                       PROVIDER_THROTTLED      Retry-After
 *	501                       PROVIDER_UNSUPPORTED
 *	405 and other 4xx, 507    PROVIDER_REFUSED        the request is wrong for this server
 *	no reply                  PROVIDER_OFFLINE        name, connection, TLS, reset, cut short (http.c)
 *
 * A provider that knows better (409 that means "stopped", 404 of a template) looks at `status` itself. Pure.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { HTTP_WHY_MAX = 256 };

/* The outcome of a status, by the table; 2xx is 0, anything that is no status -EPROTO. */
int http_outcome(long status);

/* Is `type` (a Content-Type, NULL: none was sent) one of `expect` (separated by spaces; NULL: anything will
 * do)? 0, PROVIDER_OFFLINE or -EPROTO by the table. Parameters and case do not matter. */
int http_outcome_type(const char *type, const char *expect);

/* Milliseconds a Retry-After of whole seconds asks for, at most a day; -1 when it is not a number. */
int64_t http_outcome_retry(const char *value);

/* Overwrites every occurrence of the value of `header` ("Name: value") in `text` with asterisks: the whole value, each
 * word of it that is 8 bytes or longer, and both percent-encoded as a URL would have them. */
void http_outcome_hide(char *text, const char *header);
