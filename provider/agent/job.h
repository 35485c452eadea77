/* provider/agent/job.h - what a command in the background said, kept in a file.
 *
 *	<home>/.frag/jobs/<ref>      JOB, OUTPUT..., EXITED: frames as they would go to a client
 *
 * Whoever looks after the command holds the file's lock, so a job whose keeper was killed is known to have ended. When a file
 * is full a new one takes its name, and the oldest of what was said is gone. A ref is "<seconds>-<pid>".
 */
#pragma once

#include <sys/types.h>

#include "provider/agent/wire.h"

enum { JOB_REF_MAX = 48, JOB_BYTES = 8 << 20 };

struct job {
	int dir, fd; /* owned */
	char ref[JOB_REF_MAX];
	struct buf head; /* its JOB frame */
	size_t len;
};

/* Starts the record of process `pid`. 0 or a negative errno. */
int job_open(struct job *j, int frag_dir, pid_t pid, struct wire_list argv);
void job_close(struct job *j);

/* Takes whole frames. What cannot be written is not kept. */
void job_write(struct job *j, const struct buf *frames);

/* Appends a JOB for each to `out`. How many, or a negative errno. */
int job_list(int frag_dir, struct buf *out, uint32_t id);

/* 0, -ESRCH when there is no such job or it has ended, or another negative errno. */
int job_kill(int frag_dir, struct wire_str ref, int signal);

/* Sends what a job said to `sock`, until its end or the client's. In a process of its own. */
void job_attach(int frag_dir, int sock, const struct wire_frame *request);
