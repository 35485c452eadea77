/* provider/agent/relay.h - a session over standard input and output, for sandboxes that can be reached by commands only.
 *
 *	command's stdin ──▶ relay ──▶ <home>/.frag/agent.sock ──▶ the agent that serves this home
 *	command's stdout ◀── relay ◀──
 *
 * The agent outlives its clients: what it knows of the project stays in its memory, and it goes on watching.
 */
#pragma once

#include <stdbool.h>

/* Makes `<home>/.frag` and goes there: the socket is "agent.sock" from then on, however long `home` is. 0 or a negative
 * errno. */
int relay_enter(const char *home);

/* A connection to the agent there; -ECONNREFUSED or -ENOENT when none listens. */
int relay_connect(void);

/* In a new process: leaves the command's streams, session and terminal, so that the command can end without us. */
void relay_detach(void);

/* Waits until an agent listens, at most `seconds`. A connection or a negative errno. */
int relay_await(unsigned seconds);

/* Moves bytes until either side ends. Takes `sock` over. */
void relay_run(int sock);
