/* provider/agent/spawn.h - EXEC: a command, its pipes and its end.
 */
#pragma once

#include <stdint.h>

#include "provider/agent/wire.h"

/* What every command may use at most; 0: as much as it likes. */
struct limits {
	uint64_t processes, file_bytes, memory_bytes;
};

struct spawn_request {
	int sock;               /* of the session */
	struct wire_stream *in; /* what came on it already */
	struct wire_frame exec;
	const char *root; /* where relative `cwd`s start */
	int frag_dir;     /* the agent's own directory, for jobs */
	struct limits limits;
};

/* Starts the command and stays until it ended or the client left; talks to the client itself. Runs
 * in a process of its own. */
void spawn_run(const struct spawn_request *q);
