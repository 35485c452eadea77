/* tests/peers/shell_session.h - Daytona's sessions: a shell that lives on, and the commands it was given.
 *
 * Commands of one session run one after the other in the same shell, so that `cd` and `export` last. What each
 * wrote is kept by lines, in a log where every line starts with three bytes of 1 (stdout) or 2 (stderr).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

struct guest;
struct session;

/* A command that fits into what a run takes without waiting: it is handed over under the lock. */
enum { SESSION_COMMAND_MAX = 700 << 10 };
enum { SESSION_ID_MAX = 128, SESSION_COMMANDS_MAX = 1024, SESSION_LOG_MAX = 16 << 20 };
enum session_outcome { SESSION_EXISTS = 1, SESSION_FAILED, SESSION_ENDED };

struct command {
	char id[37];
	char *text;
	struct buf log, out, err;
	bool done, echoes;
	int status;
};

int session_create(struct guest *g, const char *id);
struct session *session_find(struct guest *g, const char *id);
/* Every one, as references in a fresh array. */
size_t session_all(struct guest *g, struct session ***ret);
void session_unref(struct session *s);
/* Ends its shell and forgets it. */
void session_delete(struct guest *g, struct session *s);
const char *session_id(const struct session *s);

/* Queues a command. 0 or SESSION_ENDED. */
int session_exec(struct session *s, const char *text, bool echoes, struct command **ret);
/* Until it is done; false when the shell ended before. */
bool session_wait(struct session *s, struct command *c);
/* To its standard input: 0, or SESSION_ENDED when it has none any more. */
int session_input(struct session *s, struct guest *g, struct command *c, const char *text);

/* Commands live as long as the session; what changes in them is read between these two. */
void session_lock(struct session *s);
void session_unlock(struct session *s);
/* NULL behind the last; the lock is held. */
struct command *session_command(struct session *s, size_t i);
struct command *session_command_by_id(struct session *s, const char *id);

/* An event descriptor that is written to whenever something changes. */
int session_watch(struct session *s);
void session_unwatch(struct session *s, int event);
bool session_is_over(struct session *s);

/* Of guest.c, when the sandbox is forgotten. */
void sessions_free(void *sessions);
