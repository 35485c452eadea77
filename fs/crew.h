/* fs/crew.h - the threads that answer the kernel.
 */
#pragma once

struct crew;
struct fuse_session;

/* Starts `n` workers. `on_end` is called, from one of them, when the kernel ended the session (unmounted). NULL on
 * failure, said in the log. */
struct crew *crew_start(struct fuse_session *se, unsigned n, void (*on_end)(void *arg),
			void *arg);

/* Stops and joins them; a request that is being answered is answered. */
void crew_stop(struct crew *c);
