/* sync/choice.h - by which way a change travels.
 *
 * The feasible way with the least predicted time n·r + bytes/w + cpu(k) wins; r and w are running estimates
 * of round trip and bandwidth of this sandbox. A pure function.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Numbers are on disk (state_op.plan): add, never reuse. */
enum choice_kind {
	CHOICE_SAME = 0,     /* R is D already */
	CHOICE_RESIDENT = 1, /* contents are inside: name them */
	CHOICE_STREAM = 2,   /* the agent's stream, contents inline */
	CHOICE_INLINE = 3,   /* one exec that carries the delta */
	CHOICE_UPLOAD = 4,   /* put, then exec */
	CHOICE_TAR = 5,      /* nothing but a shell */
	CHOICE_PER_FILE = 6, /* no exec at all: not atomic, degraded */
	CHOICE_KINDS,
};

/* "resident"; also in JSON. */
const char *choice_name(uint32_t kind);

struct choice_input {
	uint64_t n_changes;           /* puts, links, modes and removals */
	uint64_t bytes;               /* contents of the puts */
	uint64_t bytes_away;          /* … of which are not believed to be inside already */
	unsigned caps;                /* enum provider_cap */
	uint64_t argv_limit;          /* 0: none known */
	bool resident_refused;        /* the agent just said that something is not resident */
	uint64_t rtt_us, bytes_per_s; /* estimates; 0: not measured yet, a guess is taken */
};

struct choice_way {
	bool feasible;
	const char *because; /* why not; NULL when it is */
	uint64_t requests, bytes, us;
};

struct choice {
	enum choice_kind kind;
	bool found; /* false: no way is feasible */
	struct choice_way ways[CHOICE_KINDS];
};

void choice_make(const struct choice_input *in, struct choice *ret);

/* A running estimate: an eighth of the new sample, seven of the old; the first sample as it is. */
uint64_t choice_ewma(uint64_t old, uint64_t sample);
