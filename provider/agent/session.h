/* provider/agent/session.h - one client's stream: frames in, replies out, in order.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "provider/agent/apply.h"
#include "provider/agent/spawn.h"
#include "provider/agent/upload.h"
#include "provider/agent/wire.h"

struct site;

/* What sessions share. */
struct agent {
	struct site *place;
	struct limits limits;
	pid_t *children; /* processes that look after an EXEC or FORWARD; 0: a free place */
	unsigned max_children;
	struct notice *notice; /* NULL until a session asks for it */
	struct oid told;       /* the tree the last CHANGED was about; zero: it was `current` */
};

struct session {
	int fd; /* owned */
	struct agent *agent;
	struct wire_stream in;
	struct buf out;
	size_t out_at;
	bool greeted;
	bool closing; /* nothing more is read; closed when the replies are out */
	/* an apply under way, or the rest of a refused one that is skipped */
	bool applying, skipping;
	uint32_t apply_id;
	struct apply apply;
	struct upload upload;
	/* a FETCH under way */
	int fetch_fd; /* -1: none */
	uint32_t fetch_id, n_fetched;
	uint32_t watch_id; /* of its WATCH; 0: it did not ask */
};

/* Takes `fd` over. */
struct session *session_new(struct agent *agent, int fd);
void session_free(struct session *s);

/* What to wait for (POLLIN, POLLOUT). */
short session_wants(const struct session *s);

/* Says CHANGED, if this session asked for it. The bytes go out when session_wants() is heeded. */
void session_tell_changed(struct session *s, uint32_t n_drift);

/* Reads, works, writes. False when the session has ended: free it. */
bool session_serve(struct session *s, short events);
