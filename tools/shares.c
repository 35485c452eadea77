/* tools/shares.c - a small file of names and weights.
 *
 * It is replaced as a whole, so a change holds for every verb from then on, and never half. A name that is not a
 * provider's is refused when it is read, too: guessing would move projects.
 */
#include "tools/shares.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "tools/vendors.h"

enum { FILE_MAX = 4096, WEIGHT_MAX = 1000000 };

static const char *known(const char *name, size_t len)
{
	for (size_t i = 0; vendor_name(i); i++)
		if (strlen(vendor_name(i)) == len && !strncmp(vendor_name(i), name, len))
			return vendor_name(i);
	return NULL;
}

/* A name, a separator, a weight. */
static bool parse(struct shares *s, const char *word, size_t len, char separator)
{
	const char *at = memchr(word, separator, len);
	const char *name = at ? known(word, (size_t)(at - word)) : NULL;
	unsigned weight = 0;

	if (!name || s->n == SHARES_MAX || at + 1 == word + len)
		return false;
	while (++at < word + len) {
		if (*at < '0' || *at > '9' || weight > WEIGHT_MAX)
			return false;
		weight = weight * 10 + (unsigned)(*at - '0');
	}
	for (size_t i = 0; i < s->n; i++)
		if (s->all[i].provider == name)
			return false;
	s->all[s->n++] = (struct rollout_share){name, weight};
	return true;
}

int shares_read(const struct cli *cli, struct shares *ret)
{
	CLEANUP(free_p) char *path = alloc_fmt("%s/rollout", cli->home);
	CLEANUP(buf_deinit) struct buf text = {0};
	int r;

	*ret = (struct shares){0};
	buf_init(&text, FILE_MAX);
	r = io_slurp(AT_FDCWD, path, &text);
	if (r)
		return r == IO_MISSING ? CLI_DONE : CLI_FAILED;
	for (const char *line = text.data; *line;) {
		size_t len = strcspn(line, "\n");

		if (len && !parse(ret, line, len, ' '))
			return cli_refuse(
				"`frag provider rollout NAME=WEIGHT...` writes it anew",
				"'%s' does not read", path);
		line += len + (line[len] != '\0');
	}
	return CLI_DONE;
}

int shares_write(const struct cli *cli, const struct shares *s)
{
	CLEANUP(free_p) char *path = alloc_fmt("%s/rollout", cli->home);
	CLEANUP(buf_deinit) struct buf text = {0};
	int r = 0;

	buf_init(&text, FILE_MAX);
	for (size_t i = 0; i < s->n && !r; i++)
		r = buf_fmt(&text, "%s %u\n", s->all[i].provider, s->all[i].weight);
	if (!r)
		r = io_replace(AT_FDCWD, path, text.data, text.len, 0600);
	return r ? CLI_FAILED : CLI_DONE;
}

int shares_add(struct shares *s, const char *word)
{
	if (parse(s, word, strlen(word), '='))
		return CLI_DONE;
	return cli_refuse("`frag provider list` shows the names",
			  "'%s' is no share: NAME=WEIGHT, each name once", word);
}

const char *shares_choose(const struct shares *s, const char *project)
{
	size_t i = rollout_choose(s->all, s->n, project);

	return i < s->n ? s->all[i].provider : vendor_name(0);
}
