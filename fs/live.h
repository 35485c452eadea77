/* fs/live.h - `live` of a project follows its HEAD.
 */
#pragma once

#include "base/oid.h"

struct app;
struct fs;
struct project;
struct work;

/* The tree of the commit that HEAD points at, zero while HEAD is unborn. 0 or a fault. */
int live_head(struct project *p, struct oid *tree);

/* HEAD may have moved: makes `w` stand for the tree it points at and queues what the kernel must drop. A tree
 * without changes of its own is switched. One with changes keeps its content, as git leaves a directory alone whose HEAD
 * is moved by hand; what was committed from it is then no change any more. 0 or a fault. */
int live_follow(struct fs *fs, struct app *app, struct project *p, struct work *w);
