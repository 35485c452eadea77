/* tests/peers/run.h - one process inside a sandbox, shared by everybody who is connected to it.
 *
 *	input ──→ ┌─────┐ ──→ process          its own thread moves bytes between the
 *	signal ─→ │ run │                      agent's stream and the listeners
 *	listeners ←─ pieces of output
 *
 * A listener sees what is written from the moment it was added on. One that reads slowly stops the process's
 * output for all, as the vendors' servers do. Without listeners output is thrown away, or kept where `keep` says so.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct guest;
struct run;

enum { RUN_WHY_MAX = 300, RUN_PIECES_MAX = 64, RUN_KEEP_MAX = 64 << 20 };

struct run_spec {
	const char *const *argv; /* NULL-terminated */
	const char *const *env;  /* may be NULL */
	const char *cwd;         /* NULL: the sandbox's home */
	const char *tag;         /* the client's name for it, may be NULL */
	const char *words;       /* how the client described it, as JSON; may be NULL */
	bool terminal;           /* it runs on one of script(1)'s */
	bool keep;               /* keep all output, RUN_KEEP_MAX at most */
	bool hold;               /* throw nothing away before the first listener came */
	int64_t deadline_ms;     /* from now: killed then; 0: never */
};

enum run_outcome {
	RUN_REFUSED = 1, /* it could not be started; `why` says what for */
	RUN_ASLEEP,      /* the sandbox does not run */
};

enum run_end {
	RUN_RUNS,
	RUN_EXITED,
	RUN_LATE /* its deadline passed */,
	RUN_LOST /* the sandbox ended */
};

/* A reference; its guest is not kept alive by it. */
int run_start(struct guest *g, const struct run_spec *spec, struct run **ret, char *why);
struct run *run_ref(struct run *r);
void run_unref(struct run *r);

uint32_t run_pid(const struct run *r);
const char *run_tag(const struct run *r);
const char *run_words(const struct run *r);
bool run_is_terminal(const struct run *r);

/* Waits while a megabyte is in the way. False: it reads no more. */
bool run_input(struct run *r, const void *data, size_t len);
void run_close_input(struct run *r);
/* To its process group. */
void run_signal(struct run *r, int number);
/* A signal was sent by other means: it may be what ended it. */
void run_note_signal(struct run *r, int number);
/* The sandbox is ending: listeners are told RUN_LOST. */
void run_cut(struct run *r);
/* How it stands; `status` as provider_exec has it, `signal` the last one sent or 0. Either may be NULL. */
enum run_end run_state(struct run *r, int *status, int *signal);
/* When it ended, monotonic milliseconds. */
int64_t run_ended_at(struct run *r);

struct listener;
/* `from_start`: also what is kept. */
struct listener *run_listen(struct run *r, bool from_start);
void run_unlisten(struct listener *l);

enum listen_outcome { LISTEN_END = 1, LISTEN_NOTHING };
struct piece {
	int fd; /* 1 or 2 */
	size_t len;
	const char *data; /* valid until the next call */
};
/* The next piece, waiting at most `timeout_ms` (-1: for ever) and only while the client at `sock` (-1: none) is
 * there. 0, LISTEN_END behind the last piece of a process that ended, LISTEN_NOTHING, or -EPIPE. */
int run_next(struct listener *l, int timeout_ms, int sock, struct piece *ret);
/* Polls readable when there may be a next piece, or the end. */
int run_listener_fd(const struct listener *l);
/* Is one there, or the end? */
bool run_has_next(struct listener *l);
