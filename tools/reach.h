/* tools/reach.h - fragments in the order people read history: newest first.
 */
#pragma once

#include <stdint.h>

#include "base/oid.h"

struct fragment;
struct project;

/* Calls `fn` from the highest number down to the lowest until it returns non-zero, which is returned; with `from` only that
 * fragment and its ancestors. Costs one index read a fragment, with `from` also one commit; memory is a
 * bit a fragment. */
typedef int (*reach_fn)(const struct fragment *f, void *arg);
int reach_each(struct project *p, const struct oid *from, reach_fn fn, void *arg);
