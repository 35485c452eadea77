/* provider/agent/upload.h - PUT: a whole file to any path of the sandbox, and FETCH's way to one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "provider/agent/refusal.h"

struct site;

struct upload {
	bool active;
	uint32_t id;
	int fd;
	uint32_t mode;
	char path[WIRE_PATH_MAX + 1];
	char temp[WIRE_PATH_MAX + 32];
};

/* A PUT starts; parents are made. 0 or an enum wire_error. */
int upload_begin(struct upload *u, const struct wire_frame *f, struct refusal *why);

/* More bytes; no bytes: it takes its name, and `active` ends. */
int upload_more(struct upload *u, const struct wire_data *data, struct refusal *why);

/* Drops an upload that is not complete. */
void upload_abort(struct upload *u);

/* Opens what FETCH names. 0 with `*fd`, or with `*fd` -1 and a link's target in `target`. */
int upload_open(struct site *p, struct wire_str path, int *fd, struct buf *target,
		struct refusal *why);
