/* provider/e2b_upload.c - names that survive the way, and the proof that they did.
 *
 * The server unescapes a quoted file name by rules of its own, drops parts it cannot read without a word, and answers 200. So names
 * travel percent-encoded and the answer is compared with what was asked. Bytes that are no UTF-8 come
 * back as U+FFFD; such a name is compared up to there.
 */
#include "provider/e2b_upload.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/buf.h"
#include "provider/json_reply.h"

int e2b_percent(struct buf *b, const char *text)
{
	static const char digits[] = "0123456789ABCDEF";
	int r = 0;

	for (; *text && !r; text++) {
		unsigned char c = (unsigned char)*text;
		char code[3] = {'%', digits[c >> 4], digits[c & 15]};

		if ((c < 128 && isalnum(c)) || strchr("-._~", c))
			r = buf_add(b, text, 1);
		else
			r = buf_add(b, code, 3);
	}
	return r;
}

int e2b_part_head(struct buf *b, const char *boundary, const char *path)
{
	int r = buf_fmt(b,
			"--%s\r\nContent-Disposition: form-data; name=\"file\"; "
			"filename*=utf-8''",
			boundary);

	if (!r)
		r = e2b_percent(b, path);
	return r ? r : buf_str(b, "\r\nContent-Type: application/octet-stream\r\n\r\n");
}

int e2b_part_tail(struct buf *b, const char *boundary)
{
	return buf_fmt(b, "\r\n--%s--\r\n", boundary);
}

void e2b_boundary(char ret[E2B_BOUNDARY_LEN + 1])
{
	unsigned char random[E2B_BOUNDARY_LEN / 2];

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		abort(); /* the kernel gives 256 bytes or less whole */
	for (size_t i = 0; i < E2B_BOUNDARY_LEN; i++)
		ret[i] = "0123456789abcdef"[i % 2 ? random[i / 2] & 15 : random[i / 2] >> 4];
	ret[E2B_BOUNDARY_LEN] = '\0';
}

static bool same_path(const char *said, const char *asked)
{
	static const char unknown[] = "\xef\xbf\xbd";

	for (; *said && *said == *asked; said++, asked++)
		;
	return (!*said && !*asked) ||
	       (strncmp(said, unknown, 3) == 0 && (unsigned char)*asked >= 128);
}

int e2b_upload_check(const char *text, size_t len, const char *path)
{
	struct json_reply j;
	bool good = false;

	json_reply_open(&j, text, len);
	if (j.root && json_is_array(j.root) && json_count(j.root) == 1)
		good = same_path(json_reply_str(&j, json_first(j.root), "path", ""), path);
	good = good && !j.why[0];
	json_reply_close(&j);
	return good ? 0 : -EPROTO;
}
