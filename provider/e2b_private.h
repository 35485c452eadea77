/* provider/e2b_private.h - what the files of the E2B provider share.
 *
 * A call of the caller is an op: one or more requests, one after the other, of which `then` takes each
 * reply. It ends exactly once, by e2b_end(). What is needed to speak to a sandbox (its token and host) is kept in a
 * box; a box that is missing or turned out stale is fetched by one request more before the op's own.
 */
#pragma once

#include <sys/queue.h>

#include "base/buf.h"
#include "provider/e2b_event.h"
#include "provider/http.h"
#include "provider/json_reply.h"
#include "provider/provider.h"

enum {
	E2B_PORT = 49983, /* envd's */
	E2B_BUCKETS = 256,
	E2B_TOKEN_MAX = 512,
	E2B_DEFAULT_MS = 90000,
	E2B_LIFE_SECONDS = 3600, /* the most the smallest plan gives */
	E2B_KEEPALIVE_SECONDS = 30,
	E2B_STALL_MS = 100000, /* of a stream with keepalives, three of them */
	E2B_HEADERS = 12,
};

struct e2b_box {
	struct e2b_box *next;
	char id[PROVIDER_ID_MAX];
	char domain[128]; /* "": the configured one */
	char token[E2B_TOKEN_MAX], traffic[E2B_TOKEN_MAX];
	bool cold;        /* we stopped it: what it had in memory is gone */
	unsigned version; /* of envd, 0.5.7 is 507 */
};

struct e2b_op;
struct exec_channels;
TAILQ_HEAD(e2b_ops, e2b_op);

struct e2b {
	struct provider base;
	struct http *http;
	const struct clock *clock;
	char *api_url, *domain, *sandbox_url, *template_id, *user, *dir;
	struct exec_channels *channels; /* NULL: there is no agent to send */
	char *key_header;               /* secret */
	struct e2b_box *boxes[E2B_BUCKETS];
	struct e2b_ops ops;
	bool old_create, old_connect, old_list; /* the server has no v2 of it */
	int n_done, n_later;
};

struct e2b_op {
	TAILQ_ENTRY(e2b_op) all;
	struct e2b *p;
	struct provider_call *c; /* NULL: nobody waits for it */
	struct http_request http;
	int64_t deadline;
	char id[PROVIDER_ID_MAX];
	struct buf body;
	bool retried; /* the box was fetched anew already */
	/* Takes the reply of the request under way; starts the next or ends the op. */
	void (*then)(struct e2b_op *op, int result);
	/* The request to a sandbox whose box is known now. */
	void (*inside)(struct e2b_op *op);
	/* Frees what the bigger struct owns; may be NULL. */
	void (*deinit)(struct e2b_op *op);
	/* The caller wants it over, instead of cancelling `http`; may be NULL. */
	void (*cancel)(struct e2b_op *op);
	const char *user;  /* for requests to envd, instead of the provider's; or NULL */
	const char *extra; /* a header for the next request to envd, or NULL */
	bool left;  /* a request that may have an effect was sent before the present one */
	bool later; /* ends at the next poll, with `was` */
	/* What the request before probing ended with. */
	int was;
	char was_why[HTTP_WHY_MAX];
};

/* e2b.c */
static inline struct e2b *e2b_of(struct provider *p)
{
	return (struct e2b *)(void *)p;
}
bool e2b_id_good(const char *id);
/* An op of `size` bytes (struct e2b_op first). `c` may be NULL. */
void *e2b_op_new(struct e2b *p, struct provider_call *c, const char *id, size_t size);
/* Calls `done` and frees the op. `why` NULL: none. */
void e2b_end(struct e2b_op *op, int result, const char *why);
/* The same, from the next poll, for a verb that knows its answer at once. */
void e2b_end_later(struct e2b_op *op, int result, const char *why);
int64_t e2b_left_ms(const struct e2b_op *op); /* at least 1 */

/* e2b_box.c */
struct e2b_box *e2b_box_find(struct e2b *p, const char *id);
void e2b_box_forget(struct e2b *p, const char *id);
void e2b_boxes_free(struct e2b *p);
/* Reads a Sandbox or SandboxDetail into its box; `id` NULL: whatever it is, otherwise it must be that. */
void e2b_box_read(struct e2b *p, struct json_reply *j, const char *id);
/* Calls op->inside once the box is known, or ends the op. */
void e2b_inside(struct e2b_op *op);

/* e2b_request.c */
/* Starts a request to the API; `body` goes along when it is not empty. The reply must be JSON. */
void e2b_api(struct e2b_op *op, const char *method, void (*then)(struct e2b_op *, int),
	     const char *path, ...) __attribute__((format(printf, 4, 5)));
/* The base URL of envd in `box`, without a slash at the end. */
int e2b_envd_url(struct e2b *p, const struct e2b_box *box, struct buf *ret);
/* Fills in URL and headers of a request to envd and starts it; op->http and `type` (of the body; NULL: none) are as the
 * caller wants them. `r` is op->http or one beside it. False: the op has ended. */
bool e2b_envd(struct e2b_op *op, struct http_request *r, const char *method, const char *path,
	      const char *type);
/* A unary RPC of envd with op->body. */
void e2b_rpc(struct e2b_op *op, const char *method, void (*then)(struct e2b_op *, int));
void e2b_envd_get(struct e2b_op *op, const char *path, void (*then)(struct e2b_op *, int));
/* Why a request failed, in the server's words or ours; without secrets. */
void e2b_why(const struct http_request *r, char ret[HTTP_WHY_MAX]);
/* Ends the op after a failed request to the API. */
void e2b_end_api(struct e2b_op *op, int result);
/* After a failed request `r` to envd: fetches the box anew and starts over, asks the API what became of the sandbox, or ends the
 * op with what that means. */
void e2b_end_envd(struct e2b_op *op, const struct http_request *r, int result);
/* The reply to `r`, parsed; `who` is for the log. */
void e2b_reply(const struct http_request *r, struct json_reply *ret);

/* the verbs */
int e2b_create(struct provider *p, const struct provider_spec *spec,
	       struct provider_sandbox *ret, struct provider_call *c);
int e2b_get(struct provider *p, const char *id, struct provider_sandbox *ret,
	    struct provider_call *c);
int e2b_list_page(struct provider *p, struct provider_page *page, struct provider_call *c);
int e2b_resume(struct provider *p, const char *id, struct provider_call *c);
int e2b_pause(struct provider *p, const char *id, struct provider_call *c);
int e2b_stop(struct provider *p, const char *id, struct provider_call *c);
int e2b_delete(struct provider *p, const char *id, struct provider_call *c);
int e2b_keep_alive(struct provider *p, const char *id, int64_t seconds,
		   struct provider_call *c);
int e2b_exec(struct provider *p, const char *id, struct provider_exec *x,
	     struct provider_call *c);
ssize_t e2b_exec_feed(struct provider *p, struct provider_call *c, const void *data,
		      size_t len);
int e2b_exec_feed_end(struct provider *p, struct provider_call *c);
int e2b_exec_signal(struct provider *p, struct provider_call *c, int number);
int e2b_exec_hold(struct provider *p, struct provider_call *c, bool hold);
int e2b_attach(struct provider *p, const char *id, const char *ref, struct provider_exec *x,
	       struct provider_call *c);
int e2b_measure(struct provider *p, const char *id, struct provider_metrics *ret,
		struct provider_call *c);
int e2b_put(struct provider *p, const char *id, const struct provider_file *file,
	    struct provider_call *c);
int e2b_fetch(struct provider *p, const char *id, struct provider_sink *to,
	      struct provider_call *c);
int e2b_url(struct provider *p, const char *id, struct provider_preview *ret,
	    struct provider_call *c);
void e2b_more(struct provider *p, struct provider_call *c);
