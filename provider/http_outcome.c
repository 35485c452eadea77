/* provider/http_outcome.c - the table of http_outcome.h, Retry-After, and secrets kept out of words.
 *
 * Everything here is a function of its arguments. Hiding works on words, not on the whole header, since a server that
 * echoes a credential does so without "Bearer" in front; words shorter than 8 bytes are left alone, or
 * "Basic" would blank out half a sentence.
 */
#include "provider/http_outcome.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "provider/provider.h"

enum { SECRET_MIN = 8, RETRY_MAX_SECONDS = 24 * 3600 };

int http_outcome(long status)
{
	if (status >= 200 && status < 300)
		return 0;
	switch (status) {
	case 401:
	case 402:
	case 403:
	case 407:
		return PROVIDER_DENIED;
	case 404:
	case 410:
		return PROVIDER_GONE;
	case 409:
	case 423:
	case 503:
		return PROVIDER_BUSY;
	case 429:
		return PROVIDER_THROTTLED;
	case 408:
	case 425:
		return PROVIDER_OFFLINE;
	case 501:
		return PROVIDER_UNSUPPORTED;
	case 507:
		return PROVIDER_REFUSED;
	default:
		break;
	}
	if (status >= 300 && status < 500)
		return PROVIDER_REFUSED;
	return status >= 500 && status < 600 ? PROVIDER_OFFLINE : -EPROTO;
}

int http_outcome_type(const char *type, const char *expect)
{
	size_t len = type ? strcspn(type, "; \t") : 0;

	if (!expect)
		return 0;
	for (const char *p = expect; *p;) {
		size_t n = strcspn(p, " ");

		if (n && n == len && strncasecmp(p, type, n) == 0)
			return 0;
		p += n + (p[n] == ' ');
	}
	return len == 9 && strncasecmp(type, "text/html", 9) == 0 ? PROVIDER_OFFLINE : -EPROTO;
}

int64_t http_outcome_retry(const char *value)
{
	int64_t seconds = 0;

	if (!isdigit((unsigned char)*value))
		return -1;
	for (; isdigit((unsigned char)*value); value++) {
		if (seconds <= RETRY_MAX_SECONDS)
			seconds = seconds * 10 + (*value - '0');
	}
	if (*value == '.') /* some send fractions */
		value += 1 + strspn(value + 1, "0123456789");
	if (value[strspn(value, " \t")])
		return -1;
	return (seconds < RETRY_MAX_SECONDS ? seconds : RETRY_MAX_SECONDS) * 1000;
}

/* How many bytes at `text` are `word`, plain or percent-encoded; 0 when they are not. */
static size_t match(const char *text, const char *word, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	const char *p = text;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)word[i];

		if (*p == word[i]) {
			p++;
		} else if (p[0] == '%' && tolower((unsigned char)p[1]) == digits[c >> 4] &&
			   tolower((unsigned char)p[2]) == digits[c & 15]) {
			p += 3;
		} else {
			return 0;
		}
	}
	return (size_t)(p - text);
}

static void hide_word(char *text, const char *word, size_t len)
{
	while (*text) {
		size_t n = match(text, word, len);

		memset(text, '*', n);
		text += n ? n : 1;
	}
}

void http_outcome_hide(char *text, const char *header)
{
	const char *value = strchr(header, ':');

	if (!value)
		return;
	for (const char *p = value + 1; *p;) {
		size_t n = strcspn(p, " \t");

		if (n >= SECRET_MIN)
			hide_word(text, p, n);
		p += n + strspn(p + n, " \t");
	}
}
