/* provider/daytona_body.h - what is sent to Daytona: the bodies of requests, and names in URLs. Pure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct buf;
struct provider_spec;

enum { DAYTONA_BOUNDARY_LEN = 40 };

/* What create adds to the spec. */
struct daytona_create {
	const char *name;     /* unique: a second delivery of the request is refused for it */
	const char *nonce;    /* by which the sandbox is known to be of this call */
	const char *snapshot; /* when the spec has no image; NULL: the server's own default */
	const char *target;   /* region; NULL: the organization's */
};

/* The image of a spec is a snapshot's name, or "image:<ref>" for a container image, which alone can be given
 * sizes. 0; PROVIDER_REFUSED, `why` (of PROVIDER_WHY_MAX) says what for; or as buf_add(). */
int daytona_create_put(struct buf *b, const struct provider_spec *spec,
		       const struct daytona_create *c, char *why);

/* What a list asks for: our mark, and these "K=V" (NULL: none). 0, PROVIDER_REFUSED (a label without '='), or as
 * buf_add(). */
int daytona_labels_put(struct buf *b, const char *const *labels);

/* {"command":…} for process/execute. The daemon takes no timeout: the job outlives its request anyway. */
int daytona_execute_put(struct buf *b, const char *text);

/* Appends `text` percent-encoded, all but unreserved characters. */
int daytona_percent(struct buf *b, const char *text);

/* What stands before and after the bytes of the one file of a bulk upload. `path` must be trimmed: the daemon does. */
int daytona_part_head(struct buf *b, const char *boundary, const char *path);
int daytona_part_tail(struct buf *b, const char *boundary);
