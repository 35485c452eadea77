/* sync/mirror.h - one sandbox that follows one project's HEAD.
 *
 * A level-triggered reconciler over three trees: B (the last one both sides provably shared), D (what HEAD's
 * commit holds), R (what the sandbox was last seen to hold). Its work is to make R equal D and lose nothing.
 * Whoever runs it, daemon or command, owns the sandbox while it does: a lock under run/ sees to
 * that between processes, and the record in the state says where things stand after any of them died.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "store/state.h"

struct json;
struct json_out;
struct project;
struct provider;
struct store;

/* What the sandbox is about; also `phase` of its record. Numbers are on disk: add, never reuse. */
enum mirror_state {
	MIRROR_NEW = 0,       /* never spoken to */
	MIRROR_PROBE = 1,     /* asking who is there and what it holds */
	MIRROR_BOOTSTRAP = 2, /* planting the epoch, listing what is there already */
	MIRROR_SYNCED = 3,    /* R = D, verified by a tree hash computed inside */
	MIRROR_DUE = 4,       /* something may have changed: derive D anew */
	MIRROR_PULL = 5,      /* bringing the sandbox's own changes back */
	MIRROR_PLAN = 6,
	MIRROR_SEND = 7,
	MIRROR_APPLY = 8, /* everything is sent, the agent renames it into place */
	MIRROR_VERIFY = 9,
	MIRROR_BACKOFF = 10, /* failed; the next try has a time */
	MIRROR_ASLEEP = 11,  /* the provider stopped it; being started */
	MIRROR_CONFLICT =
		12,         /* settled, except for what the sandbox has of its own; see `why` */
	MIRROR_HALTED = 13, /* needs a person; `why` says what for */
	MIRROR_GONE = 14,   /* the provider has no such sandbox */
	MIRROR_PAUSED = 15, /* a person said so: left as it is until mirror_pause(…, false) */
};

/* "synced"; also in JSON. */
const char *mirror_state_name(enum mirror_state s);

struct mirror_status {
	struct state_sandbox record; /* B, D, R, last error, drift: as stored */
	enum mirror_state state;
	bool verified;    /* R = D was proven in this run, or stands so in the record */
	uint32_t plan;    /* enum choice_kind of the operation under way or last done */
	uint32_t attempt; /* tries of it so far */
	uint64_t files_done, files_total, bytes_done, bytes_total;
	int64_t retry_ms; /* until the next try; 0: none is set */
	int64_t lag_s; /* seconds since D moved away from what the sandbox holds; 0: it has not */
	uint64_t rtt_us, apply_us; /* last measured; 0: not yet */
	char why[STATE_ERROR_MAX]; /* what stands in the way, and what to do; "" when nothing does */
};

enum mirror_outcome {
	MIRROR_NONE = 1, /* the project has no sandbox */
	MIRROR_LATE,  /* not verified when the time was over; the next run goes on from there */
	MIRROR_STUCK, /* conflict, halted or gone: `why` of the status says what to do */
};

struct mirror_options {
	int64_t timeout_ms; /* 0: 60 s */
	/* A person asked for this very version: what the sandbox changed of its own is saved as a fragment and then
	 * replaced. Without it a changed sandbox whose D did not move keeps its changes (MIRROR_CONFLICT). */
	bool order;
	/* Every file inside is read and hashed anew, whatever its times say. */
	bool rehash;
	/* On the calling thread, at every change of state and some times a second. May be NULL. */
	void (*progress)(const struct mirror_status *s, void *arg);
	void *arg;
};

/* Registers a sandbox that was just created as the mirror of `p`; durable. Any older record of the project is
 * replaced: delete or keep that sandbox yourself. */
int mirror_attach(struct store *st, struct project *p, const char *provider,
		  const char *sandbox_id);

/* Drives the sandbox of `p` until it is verified, stuck, or the time is over. When another process (the daemon) is at
 * it, waits for that one and looks again. `provider` must be the one named in the record, else
 * MIRROR_STUCK. 0 (verified), an outcome, or a fault; `ret` is filled in every case but a fault. */
int mirror_run(struct store *st, struct provider *provider, struct project *p,
	       const struct mirror_options *o, struct mirror_status *ret);

/* Leaves the sandbox as it is from now on, or takes it up again; durable, and true for every process. Waits for whoever is at
 * the sandbox, until `timeout_ms` are over (0: 60 s). 0, MIRROR_NONE, MIRROR_LATE, or a fault. */
int mirror_pause(struct store *st, struct project *p, bool pause, int64_t timeout_ms);

/* Where things stand, from the record alone: no request, never blocks. 0, MIRROR_NONE, or a fault. */
int mirror_look(struct store *st, struct project *p, struct mirror_status *ret);

/* Writes the fields of a status object: state, verified, B, D, R, lag, plan, error, drift. */
void mirror_status_json(const struct mirror_status *s, struct json_out *o);

/* Reads such an object; what is missing is as if it were not known. False when it has no state. */
bool mirror_status_parse(const struct json *o, struct mirror_status *ret);
