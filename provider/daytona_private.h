/* provider/daytona_private.h - what the files of the Daytona provider share.
 *
 * A call of the caller is an op: requests and waits, one after the other, of which `then` takes each reply. It ends exactly once,
 * by daytona_end(). Requests to a sandbox's toolbox need to know where that is; a box keeps it, and one that is not
 * known is asked for by one request more before the op's own.
 *
 *	op --daytona_api()----> then        control plane
 *	op --daytona_inside()-> inside --daytona_toolbox()--> then
 *	op --daytona_later()--> wake        after a while
 */
#pragma once

#include <sys/queue.h>

#include "base/buf.h"
#include "provider/daytona_reply.h"
#include "provider/http.h"
#include "provider/provider.h"

/* Below the user's home; exec_channel.h puts the project there. */
#define DAYTONA_PROJECT "app"

enum {
	DAYTONA_BUCKETS = 256,
	DAYTONA_DEFAULT_MS = 90000,
	DAYTONA_POLL_MIN_MS = 100, /* between two looks at a sandbox that changes: from … */
	DAYTONA_POLL_MAX_MS = 1000, /* … up to */
	DAYTONA_ANSWER_MS = 60000,  /* for a toolbox to answer what needs no time */
	DAYTONA_TRIES = 4,          /* of a request to a toolbox that got lost on the way */
	DAYTONA_TEXT_MAX = 6 << 20, /* of one command text */
};

struct daytona_box {
	struct daytona_box *next;
	char id[PROVIDER_ID_MAX];
	char toolbox[DAYTONA_URL_MAX]; /* base of this sandbox's toolbox */
};

struct daytona_op;
TAILQ_HEAD(daytona_ops, daytona_op);

struct daytona {
	struct provider base;
	struct http *http;
	const struct clock *clock;
	char *api_url, *toolbox_url, *snapshot, *target;
	char *project; /* absolute, or NULL: DAYTONA_PROJECT below the home */
	char *auth, *organization; /* headers; the first is secret, the second may be NULL */
	struct daytona_box *boxes[DAYTONA_BUCKETS];
	struct daytona_ops ops;
	struct exec_channels *channels; /* NULL: no agent was given */
	bool polling; /* inside daytona_poll() */
	int n_done;
};

struct daytona_op {
	TAILQ_ENTRY(daytona_op) all;
	struct daytona *p;
	struct provider_call *c; /* NULL: nobody waits for it */
	struct http_request http;
	bool running; /* http is under way */
	bool cancelled;
	bool touched; /* a request that may have had an effect was sent */
	int64_t deadline; /* INT64_MAX: none */
	int64_t answer_ms; /* the longest the next request to the API may take, 0: until the deadline */
	int64_t hold_ms; /* how long process/execute may take by itself */
	int64_t due; /* when `wake` is to be called, INT64_MAX: never */
	int64_t pause_ms; /* of the last wait, grows */
	char id[PROVIDER_ID_MAX];
	struct buf body;
	int tries; /* requests to the toolbox that got lost */
	void (*then)(struct daytona_op *op, int result);
	void (*wake)(struct daytona_op *op);
	void (*inside)(struct daytona_op *op);
	void (*executed)(struct daytona_op *op, int result);
	/* A callback of the caller's would not say -EAGAIN any more; may be NULL. */
	void (*more)(struct daytona_op *op);
	/* Called first by daytona_end(), for what else must be undone; may be NULL. */
	void (*ending)(struct daytona_op *op, int result);
	/* Frees what the bigger struct owns; may be NULL. */
	void (*deinit)(struct daytona_op *op);
	/* what a lost request ended with, while the API is asked why */
	int was;
	char was_why[PROVIDER_WHY_MAX];
};

static inline struct daytona *daytona_of(struct provider *p)
{
	return (struct daytona *)(void *)p;
}

/* daytona_op.c */
/* An op of `size` bytes (struct daytona_op first). `c` may be NULL. */
void *daytona_op_new(struct daytona *p, struct provider_call *c, const char *id, size_t size);
void daytona_op_free(struct daytona_op *op);
/* Frees the op, then calls `done`. `why` NULL: none. */
void daytona_end(struct daytona_op *op, int result, const char *why);
int64_t daytona_left_ms(const struct daytona_op *op); /* at least 1 */
/* Calls `wake` after a pause that starts at DAYTONA_POLL_MIN_MS and grows, but not behind the deadline. */
void daytona_later(struct daytona_op *op, void (*wake)(struct daytona_op *op));
/* Calls what is due. */
void daytona_wake(struct daytona *p);
/* Milliseconds until something is due, -1: nothing. */
int64_t daytona_due_ms(const struct daytona *p);
/* -ECANCELED, from the next poll. */
void daytona_op_cancel(struct daytona_op *op);

/* daytona_request.c */
/* Starts a request to the API; op->body goes along when it is not empty and the method is not GET. The reply is JSON. */
void daytona_api(struct daytona_op *op, const char *method,
		 void (*then)(struct daytona_op *, int), const char *path, ...)
	__attribute__((format(printf, 4, 5)));
/* Ends the op after a failed request to the API, as its reply means it. */
void daytona_end_api(struct daytona_op *op, int result);
/* The same meaning without ending: the outcome, and the words in `why` (PROVIDER_WHY_MAX). */
int daytona_api_outcome(struct daytona_op *op, int result, char *why);

/* Calls `inside` once the box is known; again after a request got lost. Ends the op when that cannot be. */
void daytona_inside(struct daytona_op *op, void (*inside)(struct daytona_op *op));
/* Starts a request to the toolbox of op's sandbox: op->http's body, streams and limits are as the caller set them after
 * daytona_fresh(). `type` is the body's, NULL: none. */
void daytona_fresh(struct daytona_op *op);
void daytona_toolbox(struct daytona_op *op, const char *method, const char *path,
		     const char *type, void (*then)(struct daytona_op *, int));
/* After a failed request to a toolbox: tries again what got lost, when the sandbox runs; ends the op with what became of the
 * sandbox; or as the reply means it. Everything sent to a toolbox must bear to be delivered again. */
void daytona_end_toolbox(struct daytona_op *op, int result);
/* Runs a text by process/execute; it may hold its answer back for op->hold_ms. `then` reads the reply by
 * daytona_executed(), or hands a failure to daytona_end_toolbox(). */
void daytona_execute(struct daytona_op *op, const struct buf *text,
		     void (*then)(struct daytona_op *, int));
/* Runs a text that nobody waits for. */
void daytona_order(struct daytona *p, const char *id, const struct buf *text);
/* What was printed, in `printed` (emptied first), and the exit code. 0 or -EPROTO. */
int daytona_executed(struct daytona_op *op, int *code, struct buf *printed);

/* daytona_box.c */
struct daytona_box *daytona_box_find(struct daytona *p, const char *id);
void daytona_box_forget(struct daytona *p, const char *id);
void daytona_boxes_free(struct daytona *p);
/* Remembers where the sandbox's toolbox is. False: it is nowhere we would send a key. */
bool daytona_box_learn(struct daytona *p, const struct daytona_sandbox *s);

/* daytona_settle.c */
enum daytona_goal { DAYTONA_GOAL_UP, DAYTONA_GOAL_STOPPED, DAYTONA_GOAL_PAUSED };

/* Reads the sandbox in the reply; it must be `id` unless that is "". 0 or -EPROTO (said). */
int daytona_described(struct daytona_op *op, struct daytona_sandbox *ret);
/* Looks at the sandbox until it is where it should be, then calls `settled` with 0, or with an outcome (a failed
 * sandbox is PROVIDER_REFUSED) and op->was_why. `act` (may be NULL) is called when the sandbox rests where it should not,
 * to have it moved; it ends by daytona_settle_go(). */
struct daytona_settle {
	struct daytona_op op; /* first */
	enum daytona_goal goal;
	struct daytona_sandbox seen;
	void (*act)(struct daytona_settle *s);
	void (*settled)(struct daytona_settle *s, int result);
	int acts;
};
void daytona_settle_go(struct daytona_settle *s);

/* the verbs */
int daytona_create(struct provider *p, const struct provider_spec *spec,
		   struct provider_sandbox *ret, struct provider_call *c);
int daytona_get(struct provider *p, const char *id, struct provider_sandbox *ret,
		struct provider_call *c);
int daytona_list_page(struct provider *p, struct provider_page *page, struct provider_call *c);
int daytona_start(struct provider *p, const char *id, struct provider_call *c);
int daytona_stop(struct provider *p, const char *id, struct provider_call *c);
int daytona_pause(struct provider *p, const char *id, struct provider_call *c);
int daytona_delete(struct provider *p, const char *id, struct provider_call *c);
int daytona_keep_alive(struct provider *p, const char *id, int64_t seconds,
		       struct provider_call *c);
int daytona_url(struct provider *p, const char *id, struct provider_preview *ret,
		struct provider_call *c);
int daytona_exec(struct provider *p, const char *id, struct provider_exec *x,
		 struct provider_call *c);
ssize_t daytona_exec_feed(struct provider *p, struct provider_call *c, const void *data,
			  size_t len);
int daytona_exec_feed_end(struct provider *p, struct provider_call *c);
int daytona_exec_signal(struct provider *p, struct provider_call *c, int signal);
int daytona_exec_resize(struct provider *p, struct provider_call *c, uint16_t rows,
			uint16_t cols);
int daytona_exec_hold(struct provider *p, struct provider_call *c, bool hold);
int daytona_attach(struct provider *p, const char *id, const char *ref, struct provider_exec *x,
		   struct provider_call *c);
int daytona_processes(struct provider *p, const char *id, provider_process_fn fn, void *arg,
		      struct provider_call *c);
int daytona_kill(struct provider *p, const char *id, const char *ref, int signal,
		 struct provider_call *c);
int daytona_put(struct provider *p, const char *id, const struct provider_file *file,
		struct provider_call *c);
int daytona_fetch(struct provider *p, const char *id, struct provider_sink *to,
		  struct provider_call *c);
int daytona_metrics(struct provider *p, const char *id, struct provider_metrics *ret,
		    struct provider_call *c);
int daytona_logs(struct provider *p, const char *id, struct provider_sink *to,
		 struct provider_call *c);
