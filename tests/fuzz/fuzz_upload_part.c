/* Any file name in the head of a multipart body: it can neither end the header nor hide in it, and decoded it is the same
 * bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "provider/e2b_upload.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int digit(char c)
{
	return c >= 'A' ? c - 'A' + 10 : c - '0';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char end[] = "\r\nContent-Type: application/octet-stream\r\n\r\n";
	char *name = malloc(size + 1), *p;
	struct buf head;
	size_t n = 0;

	if (!name)
		abort();
	memcpy(name, data, size);
	name[size] = '\0'; /* a path ends at its first NUL */
	buf_init(&head, 3 * size + 200);
	if (e2b_part_head(&head, "B", name))
		abort();
	p = strstr(head.data, "utf-8''");
	if (!p)
		abort();
	for (p += 7; *p != '\r'; p++, n++) {
		char c = *p;

		if (c == '%') {
			c = (char)(digit(p[1]) << 4 | digit(p[2]));
			p += 2;
		}
		if (c != name[n])
			abort();
	}
	if (name[n] || strcmp(p, end) != 0)
		abort();
	buf_deinit(&head);
	free(name);
	return 0;
}
