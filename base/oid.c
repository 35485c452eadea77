/* Object ids as text. Ids are compared and hashed inline (see the header). */
#include "base/oid.h"

char *oid_hex(const struct oid *oid, char ret[OID_HEX_LEN + 1])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < OID_LEN; i++) {
		ret[2 * i] = digits[oid->id[i] >> 4];
		ret[2 * i + 1] = digits[oid->id[i] & 15];
	}
	ret[OID_HEX_LEN] = '\0';
	return ret;
}

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool oid_parse(const char *hex, size_t len, struct oid *ret)
{
	struct oid oid;

	if (len != OID_HEX_LEN)
		return false;
	for (size_t i = 0; i < OID_LEN; i++) {
		int hi = nibble(hex[2 * i]), lo = nibble(hex[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return false;
		oid.id[i] = (unsigned char)(hi << 4 | lo);
	}
	*ret = oid;
	return true;
}
