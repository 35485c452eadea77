/* provider/agent/ledger.h - what was applied, kept through the agent's death.
 *
 * A manifest is written now and then; what happened since stands in a journal. Before a sweep touches the project its
 * whole intent is in the journal, so an agent killed between any two steps finds out at its
 * next start what it was about to do. Page cache is enough for that: nothing is synced.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "provider/agent/apply.h"
#include "provider/agent/manifest.h"

struct ledger {
	int frag;    /* borrowed */
	int journal; /* -1: none is open */
	uint64_t generation, bytes;
	bool behind; /* a record could not be written: rewrite before the next intent */
};

enum ledger_outcome {
	LEDGER_EMPTY = 1, /* nothing was ever applied here */
	LEDGER_BROKEN,    /* it does not check: list what is there */
};

/* Reads `ret` back. When a sweep was cut short, `cut` holds its INTENT (its `n` is not 0); it is
 * initialised in any case. 0, an outcome, or a negative errno. */
int ledger_open(struct ledger *l, int frag, struct manifest *ret, struct apply *cut);
void ledger_close(struct ledger *l);

/* 0 or a negative errno; a failed one leaves the ledger as it was. */
int ledger_intend(struct ledger *l, const struct apply *a);

/* Notes the outcome. It cannot fail: what it cannot write is derived at the next start. */
void ledger_done(struct ledger *l, const struct manifest *changes, const struct manifest *all);

/* Writes everything anew. 0 or a negative errno. */
int ledger_rewrite(struct ledger *l, const struct manifest *all);
