/* tests/peers/guest.h - the sandboxes of the server, as its clients know them.
 *
 *	           pause/stop                 delete, expiry
 *	running ──────────────→ asleep ───────────────────────→ gone
 *	        ←──────────────
 *	           resume/start
 *
 * A guest pairs a vendor's id with a sandbox of the local provider and keeps what the vendor would: names,
 * metadata, tokens, times, running processes. Fields marked (l) are guarded by the lock of all guests; the others never
 * change. The changes of state below wait for the provider without holding it, one at a time per guest:
 * others get GUEST_BUSY.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "provider/provider.h"

struct guests;
struct json;
struct run;

enum {
	GUEST_ID_MAX = 40,
	GUEST_NAME_MAX = 128,
	GUEST_TOKEN_MAX = 65,
	GUEST_RUNS_MAX = 256,
	GUEST_ALL_MAX = 4096,
};

enum guest_vendor { GUEST_E2B, GUEST_DAYTONA };
enum guest_state { GUEST_RUNNING, GUEST_PAUSED, GUEST_STOPPED, GUEST_ARCHIVED };
enum guest_outcome {
	GUEST_GONE = 1,
	GUEST_BUSY,
	GUEST_WRONG_STATE,
	GUEST_NAME_TAKEN,
	GUEST_FULL
};

struct guest {
	struct guests *all;
	struct guest *next;    /* (l) */
	int refs;              /* (l) */
	bool gone, busy, seen; /* (l) */
	enum guest_vendor vendor;
	enum guest_state state;                        /* (l) */
	char id[GUEST_ID_MAX], inner[PROVIDER_ID_MAX]; /* the vendor's and the provider's */
	char name[GUEST_NAME_MAX];
	char token[GUEST_TOKEN_MAX], traffic_token[GUEST_TOKEN_MAX]; /* (l) */
	uint64_t serial;
	int64_t created, changed, started; /* wall seconds (l) */
	int64_t expires;                   /* monotonic ms, INT64_MAX: never (l) */
	int64_t idle_ms, last_used;        /* 0: never stops when idle (l) */
	bool pause_at_expiry, auto_resume, delete_at_stop, is_public, private_traffic;
	struct json *spec;   /* what create was asked for */
	struct json *labels; /* instead of the spec's, may be NULL (l) */
	int64_t stop_minutes, archive_minutes, delete_minutes; /* (l) */
	struct run *runs[GUEST_RUNS_MAX];                      /* references (l) */
	size_t n_runs;
	void *sessions; /* of shell_session.c (l) */
	void (*sessions_free)(void *);
};

struct guests *guests_new(const char *dir, const char *agent);
/* Deletes every sandbox; from here on none is made. */
void guests_end(struct guests *all);
/* After nobody holds a reference any more. */
void guests_free(struct guests *all);
void guests_lock(struct guests *all);
void guests_unlock(struct guests *all);
/* A provider of the caller's own, for one thread. */
struct provider *guests_provider(struct guests *all);

/* A new one that runs: `init` fills in what the vendor says (name, times, flags) and `env` is the
 * sandbox's. `spec` is taken over when 0 is returned. `why` gets PROVIDER_WHY_MAX bytes. */
struct guest_new {
	enum guest_vendor vendor;
	const char *id, *name; /* name NULL: the id */
	const char *const *env;
	struct json *spec;
	bool allow_network;
	void (*init)(struct guest *g, void *arg);
	void *arg;
};
int guest_create(struct guests *all, const struct guest_new *n, struct guest **ret, char *why);

/* By id (or name, where `by_name`); a reference, or NULL. */
struct guest *guest_find(struct guests *all, enum guest_vendor v, const char *id, bool by_name);
void guest_unref(struct guest *g);

/* To `state`: GUEST_PAUSED freezes its processes, GUEST_STOPPED ends them. 0, an outcome above, or a fault. */
int guest_change(struct guest *g, enum guest_state state);
/* To GUEST_RUNNING, with so much time from then on; waits for another change to end. */
int guest_wake(struct guest *g, int64_t life_ms);
int guest_delete(struct guest *g);

enum guest_state guest_state(struct guest *g);
/* Milliseconds until it ends, INT64_MAX when it never does. */
int64_t guest_left_ms(struct guest *g);
/* Wall seconds of creation, of the last change of state, of the last start. */
struct guest_times {
	int64_t created, changed, started;
};
struct guest_times guest_times(struct guest *g);

/* When it ends, in milliseconds from now; negative: never. */
void guest_set_expiry(struct guest *g, int64_t ms);
/* It is in use: the idle time starts again. */
void guest_touch(struct guest *g);

/* Every guest of a vendor, newest first, as references in a fresh array. */
size_t guests_snapshot(struct guests *all, enum guest_vendor v, struct guest ***ret);

/* Lower-case letters and digits, never the same twice. */
void guest_random(char *to, size_t len);

/* Processes of a guest. Adding takes a reference of its own; false: too many, or it is gone. */
bool guest_add_run(struct guest *g, struct run *r);
void guest_remove_run(struct guest *g, struct run *r);
