/* tools/options.h - a command line, taken apart after a verb's table. Pure: no I/O, no exit.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "tools/cli.h"

struct buf;

enum options_outcome {
	OPTIONS_BAD = 1, /* the command line is wrong; `why` says how */
};

struct options {
	struct cli_args args;
	const char *home; /* --home, or NULL */
	bool json, quiet, help, version;
	/* what `args` points into */
	const char **values, **pos;
	char **owned;
	size_t n_owned;
};

/* The options that every verb has; ends with a NULL name. */
extern const struct cli_option options_common[];

/* How many words of `argv` (from `at` on) name `*ret`, the longest match: 2, 1, or 0 for none. */
int options_verb(const struct verb *const *verbs, int argc, char *const *argv, int at,
		 const struct verb **ret);

/* Index of the first word that is not a common option: the verb's, or `argc`. */
int options_skip_common(int argc, char *const *argv);

/* Parses `argv[1 .. argc)` without the verb's words (`n_skip` of them at `skip`). `v` NULL: common options only.
 * Positional arguments and options may be mixed; everything after `--` is `rest`. Free with
 * options_deinit() whatever it returns. 0, OPTIONS_BAD, or a fault. */
struct options_line {
	int argc;
	char *const *argv;
	int skip, n_skip;
};
int options_parse(const struct verb *v, const struct options_line *line, struct options *ret,
		  struct buf *why);
void options_deinit(struct options *o);
