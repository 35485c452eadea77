/* store/revision.h - what people call a version.
 *
 * `42` and `seq:42` are fragment 42; `2026-11-23` or an ISO time is the last fragment of HEAD's branch
 * not newer; anything else is a revision as git understands it (`main`, `v1.0~3`, `HEAD^{/fix}`, a hash
 * or its unique start). A branch named `42` is reached as `refs/heads/42`.
 */
#pragma once

#include "base/oid.h"

struct project;

enum revision_outcome {
	REVISION_MISSING = 1,
	REVISION_AMBIGUOUS, /* a short hash that several objects share */
	REVISION_BAD,       /* not a revision's syntax */
};

/* The commit meant. 0, an outcome, or a fault. */
int revision_resolve(struct project *p, const char *rev, struct oid *ret);
