/* tools/home.h - what the environment says: which home, who we are, how loud.
 *
 * One of the few places that read the environment.
 */
#pragma once

#include "base/log.h"

struct cli;

/* Fills home, self and agent; `option` is --home or NULL. 0 or an exit status. */
int home_find(const char *option, struct cli *cli);
void home_forget(struct cli *cli);

/* The log's level: $FRAG_LOG, or `otherwise`. */
enum log_level home_log_level(enum log_level otherwise);
