/* fs/follow.h - the thread that notices what others do to the repositories.
 *
 * It watches the directory of projects and, in each repository, HEAD, packed-refs and everything below refs/, gathers
 * what happens within a moment, has the index refreshed, and has the kernel forget what is no longer true.
 */
#pragma once

struct follow;
struct fs;

/* Starts the thread; it begins to watch every project, a few at a time. NULL on failure, said in the log. */
struct follow *follow_new(struct fs *fs);
/* Ends the thread; who waits in follow_now() is let go. */
void follow_stop(struct follow *f);
void follow_free(struct follow *f);

/* Asks it to look at a project soon (`name` NULL: at all that were looked up, and at the list). Returns at once. */
void follow_ask(struct follow *f, const char *name);

/* The same, and waits until the kernel has forgotten what it must. Never from a worker. */
void follow_now(struct follow *f, const char *name);
