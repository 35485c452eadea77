/* store/import.h - what every kind of import is asked, and how it says no.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "store/import_git_child.h"
#include "store/project.h"

enum import_outcome {
	IMPORT_REFUSED = 1, /* a clear no, in `no` of the request; nothing was changed */
};

/* Why not, and what to do instead; `why` is empty when the log has said it. */
struct import_no {
	char why[1024], hint[512];
};

struct import_request {
	const char *source;          /* as it was typed */
	const char *name;            /* of the project; NULL: derived from the source */
	const char *const *env;      /* the program's environment, for git */
	bool may_prompt;             /* a person can be asked for a password */
	import_progress_fn progress; /* may be NULL */
	void *arg;
	struct import_no *no;
};

/* What a source is, by looking at it. */
enum import_kind {
	IMPORT_KIND_UNKNOWN, /* `no` says what was seen */
	IMPORT_KIND_GIT,
	IMPORT_KIND_JSON,
};
enum import_kind import_look(const struct import_request *q);

/* Fills `no` and returns IMPORT_REFUSED. */
int import_refuse(const struct import_request *q, const char *hint, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Takes the writer lock of a project that is there; a refusal says who has it. 0, IMPORT_REFUSED, or a fault. */
struct project;
int import_lock(const struct import_request *q, struct project *p, int *ret);

/* The project's name: the one asked for, or one made from the source. 0 or IMPORT_REFUSED. */
int import_name(const struct import_request *q, char ret[PROJECT_NAME_MAX + 1]);
