/* sync/mirror_private.h - the state machine of one sandbox, for the files that make it and for its tests.
 *
 * The drawing and the rules are in sync/mirror.c.
 */
#pragma once

#include "sync/mirror.h"

#include "base/oidmap.h"

#include "sync/choice.h"
#include "sync/flat.h"
#include "sync/source.h"
#include "sync/talk.h"

struct clock;
struct errand;
struct provider;

enum {
	MIRROR_ROUNDS_MAX = 3,       /* pulls in a row before it counts as a failure */
	MIRROR_LISTING_MAX = 500000, /* files a sandbox may list */
	MIRROR_FETCHES_MAX = 16,     /* contents asked for and not yet here */
};
#define MIRROR_SAVE_MAX       ((uint64_t)16 << 20) /* one file that is brought back */
#define MIRROR_SAVE_TOTAL_MAX ((uint64_t)64 << 20) /* all of one pull, held in memory */

/* Milliseconds until a state has failed (or, settled, is looked at again). */
enum {
	MIRROR_PROBE_MS = 15000,
	MIRROR_STEP_MS = 10000,  /* since the last sign of life in a state that talks */
	MIRROR_PULL_MS = 300000, /* the whole of a pull */
	MIRROR_SETTLED_MS = 60000,
	MIRROR_HELD_MS = 20,         /* until we ask again whether another process is done */
	MIRROR_BYTES_PER_MS = 64,    /* a link slower than 64 kB/s has failed */
	MIRROR_RETRY_MS = 100,       /* first pause; doubles */
	MIRROR_RETRY_NEAR_MS = 5000, /* longest pause while a person waits */
	MIRROR_RETRY_FAR_MS = 60000,
};

/* What is being sent: the actions of a plan, as frames. */
struct transfer {
	struct plan plan;    /* its strings live in the listings of the mirror */
	struct oid from, to; /* the agent's trees */
	size_t at;           /* next action */
	struct oidmap
		in_place; /* contents that stand in the sandbox's files, where `resident` */
	struct blob_view view; /* of the file being sent */
	uint64_t view_at;
	bool viewing, committed, verify_sent;
	bool resident; /* contents believed inside are only named */
	uint32_t id, verify_id;
	int64_t began_ns;
};

/* What is being brought back. */
struct pull {
	struct source_file *files; /* one per drift entry to be kept, in path order */
	char **data;               /* of those fetched */
	uint32_t *ids;             /* of their fetches; 0: none is needed */
	bool *taken;               /* they go into the work tree */
	size_t n_files, n_asked, n_got, n_away;
	struct buf got; /* of the file that is coming in */
	uint32_t list_id;
	struct oid tree; /* the agent's, of the listing */
};

struct mirror {
	struct source *source;     /* owned */
	struct provider *provider; /* borrowed */
	const struct clock *clock;
	uint64_t random;
	bool near; /* a person waits: shorter pauses */

	enum mirror_state state;
	int64_t entered, deadline,
		ceiling; /* clock_now(); ceiling: the deadline never moves beyond */
	unsigned part;   /* of the state; 0 when it is entered */
	bool owned, due, order;
	bool order_again; /* … given since D was derived: what is under way does not fulfil it */
	bool finished;    /* there is no record: nothing to mirror any more */

	struct state_sandbox rec;
	struct state_op op;
	bool op_open;          /* the journal has an operation that is not closed */
	struct oid head, tree; /* D: HEAD's commit, and its tree or a live one */
	bool live;             /* the tree is that of a work tree */

	struct errand *errand; /* the provider call under way */
	struct talk talk;
	uint32_t next_id;
	bool trusted; /* a VERIFY agreed since this conversation began */
	bool doubt;   /* … and the next one must rehash everything */
	bool new_epoch, unsaved;
	uint32_t watch_id; /* of the WATCH of this conversation; 0: not asked yet */
	bool changed;      /* the agent said that the sandbox did something of its own */
	bool resting;      /* ASLEEP, and to be left so until somebody asks */
	bool woken;        /* it was started, and has not greeted since */

	struct flat base, desired, remote;
	struct transfer send;
	struct pull pull;
	unsigned rounds, attempt;
	bool resident_refused;
	size_t n_refused; /* entries of D that no sandbox may have */

	uint32_t plan_kind;
	uint64_t files_done, files_total, bytes_done, bytes_total;
	int64_t asked_ns; /* when the question whose answer gives r was sent */
	uint64_t rtt_us, bytes_per_s, apply_us;
	char why[STATE_ERROR_MAX];
};

/* `source` is taken over; `seed` decides epochs and pauses. */
struct mirror *mirror_new(struct source *source, struct provider *provider,
			  const struct clock *clock, uint64_t seed);
/* Writes nothing, says nothing: as if the process died. */
void mirror_free(struct mirror *m);

/* HEAD may have moved. `order`: as in struct mirror_options. */
void mirror_mark_due(struct mirror *m, bool order);

/* Nothing inside is believed to be unchanged until it was read again. */
void mirror_mark_doubt(struct mirror *m);

/* Does what can be done without waiting. True when something was done: call again. */
bool mirror_step(struct mirror *m);

/* Milliseconds after which mirror_step() has something to do even if nothing comes in. */
int64_t mirror_wait_ms(const struct mirror *m);

/* Is it in a state that it leaves only for an event or after MIRROR_SETTLED_MS? */
bool mirror_is_settled(const struct mirror *m);

void mirror_status_fill(const struct mirror *m, struct mirror_status *ret);

/* ---- between the files of the machine ---- */

void mirror_enter(struct mirror *m, enum mirror_state state);
/* A sign of life: the deadline moves, up to the ceiling. */
void mirror_alive(struct mirror *m);
/* The try failed: pause, then PROBE. */
void mirror_fail(struct mirror *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Ends in CONFLICT, HALTED, GONE or (to be left so) ASLEEP, with the reason. 1 or a fault. */
int mirror_settle(struct mirror *m, enum mirror_state state, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The record says that a person paused it. 1. */
int mirror_settle_paused(struct mirror *m);
/* R = D was proven: closes the operation, advances B and R. 1 or a fault. */
int mirror_settle_synced(struct mirror *m, const struct oid *tree);
/* Queues a frame with a fresh id, which is returned. */
uint32_t mirror_ask(struct mirror *m, struct wire_frame *f);
uint64_t mirror_random(struct mirror *m);
/* A seed from the machine. 0 or a fault. */
int mirror_seed(uint64_t *ret);
/* The next frame that answers `id`; late ones are passed over. 1; 0: none yet; or MIRROR_LOST, and the state has
 * changed (return 1). */
enum { MIRROR_LOST = 2 };
int mirror_hear(struct mirror *m, uint32_t id, struct wire_frame *f);
/* Owns the sandbox and loads its record. 1; 0: another process is at it; or a fault. `finished` may be set. */
int mirror_begin(struct mirror *m);
/* A reply that does not belong where it came: the conversation is over. */
void mirror_bewildered(struct mirror *m, const struct wire_frame *f);
void mirror_forget_plan(struct mirror *m);

/* One step of a state: 1 when something was done, 0 when nothing can be, or a fault. */
int mirror_step_probe(struct mirror *m); /* NEW, PROBE, ASLEEP: mirror_probe.c */
int mirror_step_bootstrap(struct mirror *m);
int mirror_step_asleep(struct mirror *m);
int mirror_step_pull(struct mirror *m); /* mirror_pull.c */
int mirror_step_plan(struct mirror *m); /* mirror_send.c */
int mirror_step_send(struct mirror *m);
int mirror_step_apply(struct mirror *m);
int mirror_step_verify(struct mirror *m);

/* Starts SEND with `plan` (taken over), whose strings stay valid until mirror_forget_plan(). */
int mirror_send_plan(struct mirror *m, struct plan *plan, const struct oid *from,
		     const struct oid *to);
void mirror_transfer_end(struct mirror *m);
void mirror_pull_end(struct mirror *m);
/* CONFLICT, with what of the plan stays as the sandbox has it. 1 or a fault. */
int mirror_settle_conflict(struct mirror *m);
