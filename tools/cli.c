/* How verbs refuse, and how they read a number.
 *
 * A refusal is a sentence and, below it, what to do next; a fault was said where it was born. Both go to the
 * log, which makes names in them safe to show.
 */
#include "tools/cli.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

int cli_refuse(const char *hint, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_vat(LOG_LEVEL_ERR, fmt, ap);
	va_end(ap);
	if (hint)
		log_err("  %s", hint);
	return CLI_FAILED;
}

int cli_usage(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_vat(LOG_LEVEL_ERR, fmt, ap);
	va_end(ap);
	log_err("  `frag help <verb>` explains a verb, `frag help` lists them");
	return CLI_USAGE;
}

bool cli_number(const char *option, const char *text, int64_t min, int64_t max, int64_t *ret)
{
	char *end = NULL;
	intmax_t n;

	errno = 0;
	n = strtoimax(text, &end, 10);
	if (errno || end == text || *end || n < min || n > max || strchr(" \t\n+", *text)) {
		(void)cli_usage("%s wants a number from %" PRId64 " to %" PRId64 ", not '%s'",
				option, min, max, text);
		return false;
	}
	*ret = n;
	return true;
}
