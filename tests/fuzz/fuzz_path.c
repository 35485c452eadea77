/* Any bytes as a path and as a time: what the judge calls fine may be handed to a filesystem, and
 * what is printed is safe to print. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/judge.h"
#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
	if (!good)
		abort();
}

/* The judge's word again, said the plain way. */
static void check_fine(const char *path, size_t len)
{
	CLEANUP(free_p) char *copy = alloc_copy(path, len);
	const char *part = copy;

	check(len > 0 && strlen(copy) == len && copy[0] != '/' && copy[len - 1] != '/');
	while (part) {
		const char *slash = strchr(part, '/');
		size_t n = slash ? (size_t)(slash - part) : strlen(part);

		check(n > 0 && n <= 255);
		check(n != 1 || part[0] != '.');
		check(n != 2 || memcmp(part, "..", 2) != 0);
		check(n != 4 || strncasecmp(part, ".git", 4) != 0);
		part = slash ? slash + 1 : NULL;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(free_p) char *text = alloc_copy(data, size);
	char iso[CLOCK_TEXT_MAX];
	struct buf shown;
	int64_t t, back;
	int tz;

	if (judge_path(text, size) == JUDGE_FINE)
		check_fine(text, size);
	(void)judge_entry(text, size, MODE_FILE);
	if (!clock_parse(text, &t, &tz)) {
		check(!clock_parse(clock_iso(t, tz, iso), &back, &tz));
		check(back == t || t < -62167219200 || t > 253402300799 - 86400);
	}
	buf_init(&shown, size * 4 + 1);
	check(!utf8_printable(&shown, text, size));
	check(utf8_valid(shown.data, shown.len));
	for (size_t i = 0; i < shown.len; i++)
		check((unsigned char)shown.data[i] >= 0x20);
	buf_deinit(&shown);
	return 0;
}
