/* tests/peers/connect.c - five bytes in front of every message.
 *
 * The decoder takes bytes from anybody: a length is believed only below CONNECT_FRAME_MAX.
 */
#include "tests/peers/connect.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "tests/peers/answer.h"
#include "tests/peers/request.h"

static const struct {
	const char *code;
	unsigned status;
} statuses[] = {
	{"canceled", 499},           {"invalid_argument", 400},    {"deadline_exceeded", 504},
	{"not_found", 404},          {"already_exists", 409},      {"permission_denied", 403},
	{"resource_exhausted", 429}, {"failed_precondition", 400}, {"unimplemented", 501},
	{"internal", 500},           {"unavailable", 503},         {"unauthenticated", 401},
};

int connect_decode(const void *in, size_t len, struct connect_frame *ret, size_t *used)
{
	const unsigned char *p = in;
	size_t n;

	if (len < CONNECT_HEADER)
		return CONNECT_SHORT;
	n = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
	if (p[0] & ~(unsigned)CONNECT_LAST || n > CONNECT_FRAME_MAX)
		return CONNECT_BAD;
	if (len - CONNECT_HEADER < n)
		return CONNECT_SHORT;
	*ret = (struct connect_frame){
		.flags = p[0], .data = (const char *)p + CONNECT_HEADER, .len = n};
	*used = CONNECT_HEADER + n;
	return 0;
}

int connect_encode(struct buf *out, unsigned flags, const void *data, size_t len)
{
	const unsigned char head[CONNECT_HEADER] = {
		(unsigned char)flags,       (unsigned char)(len >> 24),
		(unsigned char)(len >> 16), (unsigned char)(len >> 8),
		(unsigned char)len,
	};
	int r = buf_add(out, head, sizeof(head));

	return r ? r : buf_add(out, data, len);
}

const char *connect_single(const void *in, size_t len, struct connect_frame *ret)
{
	struct connect_frame second;
	size_t used, more;

	if (!len)
		return "unary request has zero messages";
	switch (connect_decode(in, len, ret, &used)) {
	case 0:
		break;
	case CONNECT_SHORT:
		return "protocol error: incomplete envelope";
	default:
		return "protocol error: invalid envelope";
	}
	if (used < len && !connect_decode((const char *)in + used, len - used, &second, &more))
		return "unary request has multiple messages";
	return used < len ? "protocol error: incomplete envelope" : NULL;
}

int base64_encode(struct buf *out, const void *data, size_t len)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *p = data;
	int r = buf_reserve(out, (len + 2) / 3 * 4);

	for (size_t i = 0; !r && i < len; i += 3) {
		unsigned v = (unsigned)p[i] << 16 |
			     (i + 1 < len ? (unsigned)p[i + 1] << 8 : 0) |
			     (i + 2 < len ? p[i + 2] : 0);
		char four[4] = {letters[v >> 18], letters[v >> 12 & 63],
				i + 1 < len ? letters[v >> 6 & 63] : '=',
				i + 2 < len ? letters[v & 63] : '='};

		r = buf_add(out, four, 4);
	}
	return r;
}

static int letter(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || c == '-')
		return 62;
	return c == '/' || c == '_' ? 63 : -1;
}

int base64_decode(struct buf *out, const char *text, size_t len)
{
	unsigned v = 0, bits = 0;
	int r = 0;

	while (len && text[len - 1] == '=')
		len--;
	if (len % 4 == 1)
		return -EINVAL;
	for (size_t i = 0; !r && i < len; i++) {
		int c = letter(text[i]);
		unsigned char byte;

		if (c < 0)
			return -EINVAL;
		v = (v << 6 | (unsigned)c) & 0xffff;
		bits += 6;
		if (bits < 8)
			continue;
		bits -= 8;
		byte = (unsigned char)(v >> bits);
		r = buf_add(out, &byte, 1);
	}
	return r;
}

static void put_error(struct json_out *o, const char *code, const char *message)
{
	json_begin(o, '{');
	json_str_field(o, "code", code);
	json_str_field(o, "message", message);
	json_end(o, '}');
}

void connect_last(struct buf *out, const char *code, const char *message)
{
	struct json_out o;

	json_out_buf(&o, out);
	json_begin(&o, '{');
	if (code) {
		json_key_out(&o, "error");
		put_error(&o, code, message);
	}
	json_end(&o, '}');
}

void connect_error(struct request *r, const char *code, const char *fmt, ...)
{
	unsigned status = 500;
	char text[1024];
	struct json_out o;
	struct buf doc;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		if (!strcmp(statuses[i].code, code))
			status = statuses[i].status;
	buf_init(&doc, ANSWER_MAX);
	json_out_buf(&o, &doc);
	put_error(&o, code, text);
	reply_bytes(r, &(struct reply){.status = status, .type = "application/json"}, doc.data,
		    doc.len);
	buf_deinit(&doc);
}
