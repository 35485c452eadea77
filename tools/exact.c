/* JSON that loses nothing: what the format cannot hold stands beside it in hexadecimal.
 */
#include "tools/exact.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/oid.h"
#include "base/utf8.h"

static char *hex(const char *s, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	char *text = alloc_array(len + 1, 2);

	for (size_t i = 0; i < len; i++) {
		text[2 * i] = digits[(unsigned char)s[i] >> 4];
		text[2 * i + 1] = digits[(unsigned char)s[i] & 15];
	}
	return text;
}

void exact_field(struct json_out *o, const char *key, const char *s, size_t len)
{
	CLEANUP(free_p) char *digits = NULL;
	char name[64];

	json_key_out(o, key);
	json_put_strn(o, s, len);
	/* A NUL is UTF-8 but ends a string for many who read JSON. */
	if (utf8_valid(s, len) && !memchr(s, '\0', len))
		return;
	digits = hex(s, len);
	(void)snprintf(name, sizeof(name), "%s_hex", key);
	json_str_field(o, name, digits);
}

void exact_oid_field(struct json_out *o, const char *key, const struct oid *oid)
{
	char text[OID_HEX_LEN + 1];

	json_str_field(o, key, oid_is_zero(oid) ? NULL : oid_hex(oid, text));
}

void exact_time_field(struct json_out *o, const char *key, long long seconds, int tz)
{
	char text[CLOCK_TEXT_MAX];

	json_str_field(o, key, clock_iso(seconds, tz, text));
}
