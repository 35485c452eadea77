/* provider/wrapper.h - a provider in front of others.
 *
 *	caller --verb--> begin() --wrapped_forward()--> next
 *	caller <--done-- wrapped_end() <-- ended() <--done-- next
 *
 * Every verb becomes a `struct wrapped`: a request that can be looked at, forwarded, forwarded again, put off or answered,
 * without knowing which verb it is. Callbacks are led through, so that the caller sees its own call in them.
 * A wrapper goes by the name of what is behind it.
 */
#pragma once

#include "provider/provider.h"

struct wrapper;

/* A verb and what it was given; only its own fields are set. */
struct provider_request {
	enum provider_verb verb;
	char id[PROVIDER_ID_MAX]; /* "" for create and list */
	const struct provider_spec *spec;
	struct provider_sandbox *sandbox;
	struct provider_page *page;
	int64_t seconds;
	struct provider_exec *exec;
	const char *ref;
	int signal;
	provider_process_fn fn;
	void *arg;
	struct provider_metrics *metrics;
	const struct provider_file *file;
	struct provider_sink *sink;
	struct provider_preview *preview;
	struct channel **channel;
};

/* Calls the verb. As the verb. */
int provider_request(struct provider *p, const struct provider_request *q,
		     struct provider_call *c);

struct wrapped {
	struct wrapper *w;
	struct wrapped *following;
	struct provider_request q; /* the caller's */
	struct provider_call *outer;
	struct provider_call inner;
	struct provider *to; /* where it went last; begin() may choose another one of `next` */
	bool under_way;      /* `to` has it */
	bool wants_room, feed_ended; /* of an exec that is fed */
	int64_t began;               /* of the wrapper's clock */
	int64_t due;                 /* when `then` is called; INT64_MAX: never */
	void (*then)(struct wrapped *k);
	uint64_t bytes_in, bytes_out; /* what callbacks carried: to the sandbox, from it */
	uint32_t
		shown; /* entries of a list, pieces of output: what the caller has seen already */
	/* what goes to `to` in their place */
	struct provider_exec exec;
	struct provider_file file;
	struct provider_sink sink;
	struct provider_page page;
	/* the wrapper's own */
	unsigned tries;
	int result;
	int64_t number;
	void *own; /* freed with it */
};

struct wrapper_ops {
	/* A verb is called. Forwards it, or lets it end later; an outcome at once ends it. NULL: wrapped_forward(). */
	int (*begin)(struct wrapped *k);
	/* What was forwarded has ended. NULL: wrapped_end(). */
	void (*ended)(struct wrapped *k, int result);
	void (*free)(struct wrapper *w); /* of what is beside struct wrapper; may be NULL */
};

struct wrapper {
	struct provider base;
	struct provider_ops table;
	const struct wrapper_ops *ops;
	const struct clock *clock;
	struct provider **next; /* owned */
	size_t n_next;
	struct wrapped *calls;
	int n_done;
};

/* `size` bytes that start with a struct wrapper, in front of `n` providers, which it owns from then on. */
void *wrapper_new(size_t size, const struct wrapper_ops *ops, const struct clock *clock,
		  struct provider *const *next, size_t n);

/* Gives the request to k->to. As a verb; with another result than 0 ended() is not called. */
int wrapped_forward(struct wrapped *k);
/* Gives it on, again if need be, from inside ended() or then(): whatever comes of it goes to ended(). */
void wrapped_again(struct wrapped *k);
/* Answers the caller and frees `k`. Only from inside ended() or then(). */
void wrapped_end(struct wrapped *k, int result);
/* `then` is called after so many milliseconds. A cancel in between ends it. */
void wrapped_later(struct wrapped *k, int64_t ms, void (*then)(struct wrapped *k));
/* Milliseconds the caller still gives it; INT64_MAX: no end. */
int64_t wrapped_left(const struct wrapped *k);

/* Does calling it twice do no more than once? */
bool provider_verb_repeats(enum provider_verb verb);
