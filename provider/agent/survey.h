/* provider/agent/survey.h - what is really there.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "provider/agent/manifest.h"
#include "provider/agent/refusal.h"

struct site;

struct survey {
	struct manifest now;
	uint32_t
		n_drift; /* paths that differ from the current manifest, gone and new ones too */
	uint32_t n_skipped; /* what git has no place for */
};

/* Walks the project and takes down everything that counts (wire.h). `full` reads every file; else a
 * file whose stamp is unchanged keeps its id. 0 or an enum wire_error; survey_deinit() in any case. */
int survey_take(struct site *p, bool full, struct survey *ret, struct refusal *why);
void survey_deinit(struct survey *s);
