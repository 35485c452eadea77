/* Writing for people.
 *
 * Titles, paths and authors are bytes chosen by strangers; on a terminal they could move the cursor or hide lines, so all
 * of them pass utf8_printable(). A patch is content, not a name: it is changed on a terminal only, so that
 * `frag diff … | git apply` gets every byte.
 */
#include "tools/term.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/utf8.h"

enum { NAME_MAX_SHOWN = 1 << 20 };

void term_init(struct term *t)
{
	const char *no = getenv("NO_COLOR"), *kind = getenv("TERM");

	t->coloured = isatty(STDOUT_FILENO) && !(no && *no) && !(kind && !strcmp(kind, "dumb"));
}

void term_start(const struct term *t, enum term_colour c)
{
	static const char *const codes[] = {
		[TERM_PLAIN] = "\033[m",  [TERM_BOLD] = "\033[1m",   [TERM_DIM] = "\033[2m",
		[TERM_RED] = "\033[31m",  [TERM_GREEN] = "\033[32m", [TERM_YELLOW] = "\033[33m",
		[TERM_CYAN] = "\033[36m",
	};

	if (t->coloured)
		(void)fputs(codes[c], stdout);
}

void term_putn(const struct term *t, enum term_colour c, const char *s, size_t len)
{
	CLEANUP(buf_deinit) struct buf b;

	buf_init(&b, NAME_MAX_SHOWN);
	(void)utf8_printable(&b, s, len);
	if (c != TERM_PLAIN)
		term_start(t, c);
	(void)fwrite(b.data, 1, b.len, stdout);
	if (c != TERM_PLAIN)
		term_start(t, TERM_PLAIN);
}

void term_put(const struct term *t, enum term_colour c, const char *s)
{
	term_putn(t, c, s, strlen(s));
}

void term_put_text(const struct term *t, enum term_colour c, const char *s, size_t len)
{
	while (len) {
		const char *tab = memchr(s, '\t', len);
		size_t n = tab ? (size_t)(tab - s) : len;

		term_putn(t, c, s, n);
		if (tab)
			(void)putchar('\t');
		n += tab ? 1 : 0;
		s += n;
		len -= n;
	}
}

/* One line without its newline. */
static void put_line(const struct term *t, enum term_colour c, const char *s, size_t len)
{
	term_put_text(t, c, s, len);
	(void)putchar('\n');
}

void term_put_lines(const struct term *t, const char *indent, const char *text)
{
	while (*text) {
		size_t n = strcspn(text, "\n");

		(void)fputs(n ? indent : "", stdout);
		put_line(t, TERM_PLAIN, text, n);
		text += n + (text[n] == '\n');
	}
}

static enum term_colour patch_colour(const char *line, size_t len)
{
	if (len >= 4 && (!strncmp(line, "+++ ", 4) || !strncmp(line, "--- ", 4) ||
			 !strncmp(line, "diff", 4)))
		return TERM_BOLD;
	if (!len)
		return TERM_PLAIN;
	switch (line[0]) {
	case '+':
		return TERM_GREEN;
	case '-':
		return TERM_RED;
	case '@':
		return TERM_CYAN;
	default:
		return TERM_PLAIN;
	}
}

void term_put_patch(const struct term *t, const char *text, size_t len)
{
	if (!isatty(STDOUT_FILENO)) {
		(void)fwrite(text, 1, len, stdout);
		return;
	}
	while (len) {
		const char *end = memchr(text, '\n', len);
		size_t n = end ? (size_t)(end - text) : len;

		put_line(t, patch_colour(text, n), text, n);
		n += end ? 1 : 0;
		text += n;
		len -= n;
	}
}

bool term_can_ask(void)
{
	return isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

bool term_confirm(const char *question)
{
	char line[16];

	if (!term_can_ask())
		return false;
	(void)fprintf(stderr, "%s [y/N] ", question);
	(void)fflush(stderr);
	if (!fgets(line, sizeof(line), stdin))
		return false;
	line[strcspn(line, "\n")] = '\0';
	return !strcmp(line, "y") || !strcmp(line, "yes");
}
