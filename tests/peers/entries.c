/* tests/peers/entries.c - find(1) inside, records of NUL-terminated fields outside.
 *
 * One exec lists a whole tree. The output comes from inside the sandbox, where anybody may have replaced
 * anything, so it is parsed like any foreign bytes. The agent's own directory, which no vendor has, is left out.
 */
#include "tests/peers/entries.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "tests/peers/script.h"

enum { FIELDS = 13 };

static const char text[] =
	"if [ ! -e \"$1\" ] && [ ! -L \"$1\" ]; then echo \"lstat $1: no such file or "
	"directory\" >&2; exit 44; fi\n"
	"if [ \"$2\" = 0 ]; then set -- \"$1\" 0 0; else\n"
	"[ -d \"$1\" ] || { echo \"path is not a directory: $1\" >&2; exit 45; }\n"
	"set -- \"${1%/}/\" 1 \"$2\"; fi\n"
	"find \"$1\" -mindepth \"$2\" -maxdepth \"$3\" -path '/home/*/.frag' -prune -o -printf "
	"'%y\\0%Y\\0%s\\0%m\\0%M\\0%u\\0%g\\0%U\\0%G\\0%T@\\0%p\\0%f\\0' "
	"\\( -type l -exec readlink -mzn -- {} \\; -printf '\\0' -o -printf '\\0' \\)\n";

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->path, ((const struct entry *)b)->path);
}

static uint64_t number(const char *s, int base)
{
	return strtoull(s, NULL, base);
}

static void fill(struct entry *e, const char *const f[FIELDS])
{
	const char *dot = strchr(f[9], '.');

	*e = (struct entry){
		.type = f[0][0],
		.target_type = f[1][0],
		.size = number(f[2], 10),
		.mode = (unsigned)number(f[3], 8) & 0777,
		.permissions = f[4],
		.owner = f[5],
		.group = f[6],
		.uid = (unsigned)number(f[7], 10),
		.gid = (unsigned)number(f[8], 10),
		.mtime = (int64_t)number(f[9], 10),
		.path = f[10],
		.name = f[11],
		.target = f[12],
	};
	/* Ten digits after the dot; the first nine are nanoseconds. */
	if (dot && strlen(dot) > 9) {
		char digits[10] = "";

		memcpy(digits, dot + 1, 9);
		e->mtime_ns = (unsigned)number(digits, 10);
	}
}

int entries_parse(struct entries *e)
{
	const char *at = e->text.data, *end = at + e->text.len;
	size_t cap = 0;

	while (at < end) {
		const char *f[FIELDS];

		for (size_t i = 0; i < FIELDS; i++) {
			f[i] = at;
			at = at < end ? memchr(at, '\0', (size_t)(end - at)) : NULL;
			if (!at)
				return -EPROTO;
			at++;
		}
		alloc_grow(&e->list, &cap, e->n + 1, sizeof(*e->list));
		fill(&e->list[e->n++], f);
	}
	if (e->n)
		qsort(e->list, e->n, sizeof(*e->list), by_path);
	return 0;
}

int entries_read(struct guest *g, const char *path, int depth, struct entries *ret, char *why)
{
	char levels[16];
	const char *const args[] = {path, levels, NULL};
	struct buf err;
	int r;

	*ret = (struct entries){0};
	buf_init(&ret->text, SCRIPT_OUT_MAX);
	buf_init(&err, SCRIPT_ERR_MAX);
	(void)snprintf(levels, sizeof(levels), "%d", depth);
	r = script_run(g, &(struct script){
				  .text = text, .args = args, .out = &ret->text, .err = &err});
	(void)snprintf(why, 256, "%s", script_words(&err));
	buf_deinit(&err);
	if (r == SCRIPT_FAILED && ret->text.len)
		r = 0; /* something vanished meanwhile */
	return r ? r : entries_parse(ret);
}

void entries_deinit(struct entries *e)
{
	buf_deinit(&e->text);
	free(e->list);
}
