/* tests/peers/e2b.h - what E2B's two planes share.
 */
#pragma once

#include <stdbool.h>

#include "base/json.h"
#include "tests/peers/guest.h"
#include "tests/peers/request.h"

/* {"code":status,"message":…}, the shape of everything that is no RPC. */
void e2b_error(struct request *r, unsigned status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* What the daemons say they are. */
const char *e2b_envd_version(const struct peer *p);

/* Wakes a paused one that wakes on traffic. True when it runs. */
bool e2b_wake(struct guest *g);

/* Of e2b_metrics.c. */
void e2b_metrics(struct request *r);

/* Of e2b_list.c. */
void e2b_list(struct request *r);
void e2b_list_v1(struct request *r);
/* The fields that a listed sandbox and a single one have in common. */
void e2b_describe(struct json_out *o, const struct peer *p, struct guest *g);
