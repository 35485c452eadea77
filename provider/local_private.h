/* provider/local_private.h - what the files of the local provider share.
 *
 * One directory per sandbox, made by local_box.h:
 *
 *	<dir>/<id>/meta.json        what create was given; 0600
 *	<dir>/<id>/home/            the sandbox's home; the project is home/app
 *	<dir>/<id>/run/             0700: nothing of it is visible inside
 *	    lock                    held while the sandbox changes state
 *	    agent.sock              where the agent listens
 *	    agent.json              which process it is
 *	    log                     what bubblewrap and the agent had to say
 *	    forward-<port>.json     which process serves a preview, and where
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "provider/agent/wire.h"
#include "provider/provider.h"

#define LOCAL_HOME                                                                             \
	"/home/"                                                                               \
	"sb" /* of whoever lives in a sandbox */

enum { LOCAL_START_MS = 30000, LOCAL_CALL_MS = 60000 };

struct box;
struct local_op;

struct local {
	struct provider base;
	const struct clock *clock;
	char *dir, *agent, *self;
	int dir_fd;
	struct local_op *ops;
	struct local_channel *channels;
};

/* A call under way. Kinds of calls put it first in a struct of their own. */
struct local_op {
	struct local *p;
	struct provider_call *c;
	struct local_op *next;
	int64_t deadline;       /* of the provider's clock; INT64_MAX: none */
	bool finished, is_talk; /* is_talk: it starts a struct talk */
	int result;
	/* What step() waits for; fd -1: nothing, it is called at the next poll. */
	int fd;
	short events;
	void (*step)(struct local_op *op);
	void (*deinit)(struct local_op *op); /* may be NULL */
};

/* `size` bytes that start with a struct local_op; the call is under way from here on. `default_ms` 0: no
 * deadline unless the call has one. */
void *local_op_new(struct local *p, struct provider_call *c, size_t size, int64_t default_ms);

/* The call has its result; `done` is called by the poll. `fmt` (may be NULL) becomes its `why`. */
void local_op_finish(struct local_op *op, int result, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static inline struct local *local_of(struct provider *p)
{
	return (struct local *)(void *)p;
}

/* The verbs, by file. local_list.c: */
void local_describe(struct local *p, const struct box *b, struct provider_sandbox *ret);
int local_get(struct provider *p, const char *id, struct provider_sandbox *ret,
	      struct provider_call *c);
int local_list(struct provider *p, struct provider_page *page, struct provider_call *c);
/* local_boot.c: */
int local_create(struct provider *p, const struct provider_spec *spec,
		 struct provider_sandbox *ret, struct provider_call *c);
int local_start(struct provider *p, const char *id, struct provider_call *c);
/* local_end.c: */
int local_stop(struct provider *p, const char *id, struct provider_call *c);
int local_delete(struct provider *p, const char *id, struct provider_call *c);
/* local_talk.c: */
int local_exec(struct provider *p, const char *id, struct provider_exec *x,
	       struct provider_call *c);
ssize_t local_exec_feed(struct provider *p, struct provider_call *c, const void *data,
			size_t len);
int local_exec_feed_end(struct provider *p, struct provider_call *c);
int local_exec_signal(struct provider *p, struct provider_call *c, int signal);
int local_put(struct provider *p, const char *id, const struct provider_file *file,
	      struct provider_call *c);
int local_exec_resize(struct provider *p, struct provider_call *c, uint16_t rows,
		      uint16_t cols);
int local_attach(struct provider *p, const char *id, const char *ref, struct provider_exec *x,
		 struct provider_call *c);
int local_processes(struct provider *p, const char *id, provider_process_fn fn, void *arg,
		    struct provider_call *c);
int local_kill(struct provider *p, const char *id, const char *ref, int signal,
	       struct provider_call *c);
int local_exec_hold(struct provider *p, struct provider_call *c, bool hold);
int local_fetch(struct provider *p, const char *id, struct provider_sink *to,
		struct provider_call *c);
void local_more(struct provider *p, struct provider_call *c);
/* local_channel.c: */
int local_agent_open(struct provider *p, const char *id, struct channel **ret,
		     struct provider_call *c);
/* local_forward.c: */
int local_url(struct provider *p, const char *id, struct provider_preview *ret,
	      struct provider_call *c);

/* A connection to the agent's socket, non-blocking. A descriptor; or a negative errno: -ENOENT when there is no
 * such sandbox, -ECONNREFUSED when it does not run, -EAGAIN when it is too busy. */
int local_connect(int dir_fd, const char *id);

/* That errno as an outcome, with `why` of the call. */
int local_connect_failed(struct provider_call *c, int err);

/* The agent's stream, as given out by agent_open. */
struct local_channel {
	struct channel base;
	struct local *p; /* NULL once the provider is freed */
	struct local_channel *next;
	int fd;
	bool wants_out; /* send said -EAGAIN */
	size_t slot;    /* in the poll under way; SIZE_MAX: it came later */
};
