/* store/export.h - a project as other programs want it.
 */
#pragma once

#include <stdbool.h>

struct buf;
struct project;

enum export_outcome {
	EXPORT_EXISTS = 1, /* something is there already */
	EXPORT_EMPTY,      /* there is nothing to put into a bundle */
	EXPORT_FAILED,     /* git refused; its words are in `why` */
};

struct export_options {
	const char *to;      /* absolute; must not exist. The directory it is in must. */
	bool bundle;         /* one file instead of a bare repository */
	bool with_fragments; /* keep refs/fragments/<seq> */
};

/* Durable when it returns 0; otherwise nothing is left at `to`. `why` gets what git said. 0, an outcome, or a
 * fault. */
int export_project(struct project *p, const struct export_options *o, struct buf *why);
