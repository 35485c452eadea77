/* tests/peers/git_inside.h - git in a sandbox, for the endpoints of Daytona's toolbox.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/json.h"
#include "tests/peers/request.h"

enum { GIT_WORDS_MAX = 1030 };

/* One request: the words its script gets, of which the first is the repository. */
struct git {
	struct request *r;
	const struct json *doc; /* NULL for those that read the query */
	struct buf path, out, err;
	const char *args[GIT_WORDS_MAX];
	size_t n;
};

/* False: there is no path and that was said. git_end() in any case. */
bool git_begin(struct git *g, struct request *r, bool has_body);
/* The same where a path is no must: then it is the home. */
bool git_begin_anywhere(struct git *g, struct request *r, bool has_body);
void git_end(struct git *g);

/* Another word, from the body, "" when it is absent; false: it is needed and that was said. */
bool git_add_word(struct git *g, const char *key, bool needed);
/* All strings of a list in the body; false: it is needed and missing, and that was said. */
bool git_add_list(struct git *g, const char *key, bool needed);

/* Runs a script in which `git` works in the repository, "$d"; false: it failed and that was said. */
bool git_run(struct git *g, const char *text);

/* A script on the body's words, of which the first `n_needed` are needed, and an empty answer. */
void git_simple(struct request *r, const char *const *words, unsigned n_needed,
		const char *text, unsigned status);
