/* tools/engines.h - the engines of a daemon: one for each provider that can be used, each on a thread of its own.
 *
 * A sandbox is driven by the engine of its provider, so a vendor that hangs holds up nobody else's. The calls are those of
 * sync/engine.h, for whichever engine it is.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sync/mirror.h"
#include "sync/source.h"

struct cli;
struct engines;
struct eventlog;
struct store;

/* Opens the providers of this home. One that cannot be used is said in the log and left out. `live` is borrowed. */
struct engines *engines_new(struct cli *cli, struct store *st, const struct source_live *live);
/* Starts their threads, in which no signal is taken. */
void engines_start(struct engines *all);
void engines_free(struct engines *all); /* ends the threads first; NULL is fine */

void engines_due(struct engines *all, const char *project); /* NULL: every one */
void engines_edited(struct engines *all, const char *project);
int engines_status(struct engines *all, const char *project, struct mirror_status *ret);
/* 0: no engine here drives the project's sandbox. */
uint64_t engines_request(struct engines *all, const char *project, bool order, bool rehash);
int engines_await(struct engines *all, const char *project, uint64_t ticket, int64_t timeout_ms,
		  struct mirror_status *ret);
struct eventlog *engines_events(struct engines *all);
