/* tests/provider/conform.h - providers that the conformance suite runs over.
 *
 * A provider joins by a function that makes one and a line in subjects.c; tests that need what it cannot do (its
 * capabilities say so) are skipped and say why.
 */
#pragma once

#include <stdbool.h>

#include "provider/provider.h"
#include "tests/scratch.h"

/* What a subject may use, and keep for its end. */
struct conform {
	struct scratch s;  /* a directory of its own */
	const char *agent; /* absolute path of frag-agent */
	const char *frag;  /* of frag */
	struct provider *p;
	void *own;
	/* Sandboxes here are made by this spec, in which `labels` and lifetimes are set by tests. */
	struct provider_spec spec;
	const char *dir; /* an absolute directory inside in which files may be put */
};

struct subject {
	const char *name;
	/* Fills in c->p and c->dir. A reason when it cannot run here (the tests are skipped then), or NULL. */
	const char *(*make)(struct conform *c);
	void (*end)(struct conform *c); /* after the provider was freed; may be NULL */
};

/* Ends with a name of NULL. */
extern const struct subject subjects[];
