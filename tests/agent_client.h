/* tests/agent_client.h - the other end of the agent, for tests: blocking, and asserting that nothing is odd.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "provider/agent/wire.h"

struct agent_client {
	int fd;
	pid_t pid; /* of the agent, 0: not ours */
	uint32_t id;
	struct wire_stream in;
	struct buf out;
	struct wire_frame welcome; /* its strings are void */
};

/* Starts the agent program for one session over a socket pair and greets it. */
void agent_client_start(struct agent_client *c, const char *agent, const char *home);
/* The same over a stream that is connected already (taken over). */
void agent_client_use(struct agent_client *c, int fd);
/* Closes; the agent must end well. */
void agent_client_stop(struct agent_client *c);
/* kill -9. */
void agent_client_kill(struct agent_client *c);

/* Gathers a frame (with the id of the last agent_client_new_id()), or gathers and sends. */
uint32_t agent_client_new_id(struct agent_client *c);
void agent_client_gather(struct agent_client *c, struct wire_frame f);
void agent_client_flush(struct agent_client *c);
/* The next frame; valid until the next call. */
struct wire_frame agent_client_next(struct agent_client *c);
/* False when the agent closed the stream instead. */
bool agent_client_try_next(struct agent_client *c, struct wire_frame *ret);
/* A new id, one frame, its (first) reply. */
struct wire_frame agent_client_ask(struct agent_client *c, struct wire_frame f);

/* A file of a tree, ended by a NULL path; sorted by path. */
struct tree_file {
	const char *path;
	uint32_t mode;
	const char *text;
};

struct oid agent_client_tree(const struct tree_file *files);

/* Switches from one set of files to another; the reply. `source` is an enum wire_source for all contents. */
struct wire_frame agent_client_switch(struct agent_client *c, const struct tree_file *from,
				      const struct tree_file *to, unsigned source);
/* Gathers the frames of that, COMMIT too, and sends nothing. */
void agent_client_gather_switch(struct agent_client *c, const struct tree_file *from,
				const struct tree_file *to, unsigned source);

void assert_frame(const struct wire_frame *f, enum wire_type type);
void assert_refused(const struct wire_frame *f, enum wire_error code);
