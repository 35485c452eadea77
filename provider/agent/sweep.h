/* provider/agent/sweep.h - a received change of tree is put in place, or nothing is.
 */
#pragma once

#include "provider/agent/apply.h"

struct site;

/* Compares, checks every path, and renames everything in; then `p->tree` is `a->to`. On refusal the
 * project is as it was. 0 or an enum wire_error. */
int sweep_commit(struct site *p, struct apply *a, struct refusal *why);

/* Takes a sweep up that an agent before us left: what can still be put in place without overwriting
 * anything is, and the manifest says what became of it. */
int sweep_resume(struct site *p, struct apply *a, struct refusal *why);
