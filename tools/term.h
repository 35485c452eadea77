/* tools/term.h - standard output for people: colours where they are wanted, names always safe.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum term_colour {
	TERM_PLAIN,
	TERM_BOLD,
	TERM_DIM,
	TERM_RED,
	TERM_GREEN,
	TERM_YELLOW,
	TERM_CYAN
};

struct term {
	bool coloured;
};

/* Colours only on a terminal, and not with NO_COLOR or TERM=dumb. */
void term_init(struct term *t);

/* From here on; TERM_PLAIN ends it. */
void term_start(const struct term *t, enum term_colour c);

/* A foreign string, made printable, in a colour. */
void term_put(const struct term *t, enum term_colour c, const char *s);
void term_putn(const struct term *t, enum term_colour c, const char *s, size_t len);

/* A part of a line of content: printable, but tabs stay. */
void term_put_text(const struct term *t, enum term_colour c, const char *s, size_t len);

/* Foreign text of several lines: newlines and tabs stay, each line is indented. */
void term_put_lines(const struct term *t, const char *indent, const char *text);

/* A patch, coloured line by line; printed as it is when there are no colours and output is no terminal. */
void term_put_patch(const struct term *t, const char *text, size_t len);

/* Asks `question` on the terminal; true for "y" or "yes". False at once when there is no terminal. */
bool term_confirm(const char *question);
bool term_can_ask(void);
