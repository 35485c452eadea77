/* provider/local_box.h - one sandbox's directory: what it is, and whether it runs.
 *
 * A process is known by its pid, its start time and the machine's boot, so that a pid that was given
 * to somebody else since is never taken for it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "provider/provider.h"

enum { BOX_ID_LEN = 20, BOX_BOOT_MAX = 40, BOX_LABEL_MAX = 128, BOX_ENV_MAX = 256 };

struct box_process {
	pid_t pid; /* 0: none */
	uint64_t start;
	char boot[BOX_BOOT_MAX];
};

struct box {
	char id[PROVIDER_ID_MAX];
	char label[BOX_LABEL_MAX];
	char labels[PROVIDER_LABELS_MAX]; /* as in struct provider_sandbox */
	int64_t created;
	uid_t uid; /* 0: whoever runs us */
	bool network;
	uint64_t memory_bytes, disk_bytes;
	uint32_t processes;
	char **env; /* NULL-terminated; NULL: none */
};

enum box_outcome {
	BOX_GONE = 1, /* there is no such sandbox */
	BOX_BROKEN,   /* its record does not read; said in the log */
	BOX_DEAD,     /* the process is not there any more */
	BOX_HELD,     /* another process is changing its state */
	BOX_REFUSED,  /* the spec cannot be had */
};

/* Could this be an id of ours? */
bool box_is_id(const char *id);

/* Makes the directory of a new one under an unguessable id. 0, BOX_REFUSED (labels too long) or a fault. */
int box_make(int dir_fd, const struct provider_spec *spec, int64_t now, struct box *ret);
/* 0, BOX_GONE, BOX_BROKEN or a fault. */
int box_read(int dir_fd, const char *id, struct box *ret);
void box_deinit(struct box *b);

/* Takes the lock on its state; `ret` is a descriptor whose closing releases it. 0, BOX_GONE, BOX_HELD or a fault. */
int box_lock(int dir_fd, const char *id, int *ret);

/* Remembers a process under run/<name>, with a number of the caller's; reads one back. 0, BOX_DEAD, or a fault. */
int box_note_process(int dir_fd, const char *id, const char *name, pid_t pid, int64_t number);
int box_find_process(int dir_fd, const char *id, const char *name, struct box_process *ret,
		     int64_t *number);
void box_forget_process(int dir_fd, const char *id, const char *name);

/* A pidfd of exactly that process. A descriptor or -ESRCH (or another negative errno). */
int box_open_process(const struct box_process *p);

/* Does the agent run? No request, never waits. */
bool box_runs(int dir_fd, const char *id);

/* "<id>/<rest>" */
enum { BOX_PATH_MAX = 128 };
char *box_path(const char *id, const char *rest, char ret[BOX_PATH_MAX]);
