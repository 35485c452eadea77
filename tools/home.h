/* tools/home.h - what the environment says: which home, who we are, how loud.
 *
 * One of the few places that read the environment.
 */
#pragma once

struct cli;

/* Fills home, self and agent; `option` is --home or NULL. 0 or an exit status. */
int home_find(const char *option, struct cli *cli);
void home_forget(struct cli *cli);

/* Sets the log's level from $FRAG_LOG. */
void home_log(void);
