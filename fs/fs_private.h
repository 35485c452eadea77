/* fs/fs_private.h - what the files of this folder share.
 *
 * Threads: the workers (fs/crew.c), the follower (fs/follow.c), the two that talk to the kernel unasked
 * (fs/inval.c, fs/ahead.c), and main, which waits. Locks, in the order in which they may be taken: apps, trees, an
 * app's own lock, a node shard's, the inval queue's. None is held while the kernel is told something
 * unasked or a request is answered.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "fs/fs.h"
#include "fs/ident.h"
#include "fs/init_reply.h"
#include "fs/names.h"
#include "fs/tally.h"

struct ahead;
struct apps;
struct buf;
struct crew;
struct follow;
struct fuse_session;
struct inval;
struct json_out;
struct node_table;
struct store;
struct trees;

struct fs {
	struct store *store;
	struct fuse_session *se;
	char *mountpoint;
	int stop_fd; /* readable: end fs_serve() */
	bool mounted;
	uid_t uid;
	gid_t gid;
	int64_t started;            /* wall seconds */
	_Atomic int64_t changed_ns; /* when the list of projects last changed */
	struct ident_secret secret;
	struct node_table *nodes;
	struct apps *apps;
	struct trees *trees;
	struct inval *inval;
	struct follow *follow;
	struct names_slot root_names, history_names;
	pthread_mutex_t review_lock; /* one git directory is made at a time */
	struct tally tally;
	struct init_reply init_reply; /* the workers'; settled before the first answer */
	struct ahead *ahead;
	struct crew *crew;

	void (*on_change)(const char *project, void *arg);
	void *on_change_arg;
	void (*on_edit)(const char *project, void *arg);
	void *on_edit_arg;
	void (*status)(const char *project, struct json_out *o, void *arg);
	void *status_arg;
};
