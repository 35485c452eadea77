/* tests/peers/script.c - one exec of the provider, gathered.
 *
 * The text is argv's, never put together from what a client sent: foreign words are arguments of their own.
 */
#include "tests/peers/script.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "provider/provider.h"
#include "tests/peers/guest.h"

enum { ARGS_MAX = 4096 };

struct doing {
	const struct script *s;
	const char *id;
	struct provider_exec x;
	bool overflow;
};

static void on_output(struct provider_call *c, int fd, const void *data, size_t len);

static int start(struct provider *p, void *arg, struct provider_call *c)
{
	struct doing *d = arg;

	return provider_exec(p, d->id, &d->x, c);
}

/* provider_run() owns the call, so the output finds its way by a variable of this thread. */
static _Thread_local struct doing *current;

static void on_output(struct provider_call *c, int fd, const void *data, size_t len)
{
	struct buf *to = fd == 2 ? current->s->err : current->s->out;

	if (to && buf_add(to, data, len))
		current->overflow = true;
}

int script_run(struct guest *g, const struct script *s)
{
	const char *argv[ARGS_MAX + 5] = {"/bin/sh", "-c", s->text, "sh"};
	struct doing d = {.s = s, .id = g->inner};
	struct provider *p = guests_provider(g->all);
	size_t n = 0;
	int r;

	for (; s->args && s->args[n] && n < ARGS_MAX; n++)
		argv[4 + n] = s->args[n];
	if (s->out)
		buf_clear(s->out);
	if (s->err)
		buf_clear(s->err);
	d.x = (struct provider_exec){
		.argv = argv, .in = s->in, .in_len = s->in_len, .on_output = on_output};
	current = &d;
	r = p ? provider_run(p, start, &d, 0, NULL) : -EIO;
	current = NULL;
	provider_free(p);
	if (r == PROVIDER_ASLEEP || r == PROVIDER_GONE)
		return SCRIPT_ASLEEP;
	if (r)
		return r < 0 ? r : -EIO;
	return d.overflow ? -E2BIG : d.x.status;
}

const char *script_words(struct buf *err)
{
	char *line;

	while (err->len && err->data[err->len - 1] == '\n')
		err->data[--err->len] = '\0';
	line = strrchr(err->data, '\n');
	line = line ? line + 1 : err->data;
	return *line ? line : "unknown error";
}

int script_quote(struct buf *b, const char *s)
{
	int r = buf_str(b, "'");

	for (; !r && *s; s++)
		r = *s == '\'' ? buf_str(b, "'\\''") : buf_add(b, s, 1);
	return r ? r : buf_str(b, "'");
}

int script_resize(struct guest *g, uint32_t pid, int rows, int cols)
{
	static const char text[] =
		"for p in \"$1\" $(cat /proc/\"$1\"/task/*/children); do "
		"t=$(readlink /proc/$p/fd/0); case $t in /dev/pts/*) "
		"exec stty -F \"$t\" rows \"$2\" cols \"$3\";; esac; done; exit 1";
	char words[3][24];
	const char *const args[] = {words[0], words[1], words[2], NULL};

	(void)snprintf(words[0], sizeof(words[0]), "%u", pid);
	(void)snprintf(words[1], sizeof(words[1]), "%d", rows);
	(void)snprintf(words[2], sizeof(words[2]), "%d", cols);
	return script_run(g, &(struct script){.text = text, .args = args});
}
