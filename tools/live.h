/* tools/live.h - the mount's work trees, as the mirror sees them.
 */
#pragma once

#include "sync/source.h"

struct fs;

/* The live work tree of each project, opened by the mount whose daemon this is. */
struct source_live live_source(struct fs *fs);
