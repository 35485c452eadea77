/* provider/e2b_start.h - what is said to start, find and signal a command: messages of process.Process. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "provider/e2b_process.h"

struct buf;
struct provider_exec;

enum { E2B_START_MAX = 4 << 20 };

/* NULL, or why the wire cannot carry it: JSON strings are UTF-8, and the kernel bounds each argument. */
const char *e2b_start_judge(const struct provider_exec *x);

/* Appends Start's one frame. `dir` (below the home) is where it runs unless it says; a `tag` that is not empty names
 * it. 0 or as buf_add(). */
int e2b_start_put(struct buf *b, const struct provider_exec *x, const char *dir,
		  const char *tag);

/* The frame that starts kill(1) for the process group of `pid`, or for it alone where it leads none. */
int e2b_start_kill(struct buf *b, int64_t pid, int number);

/* The frame of Connect. */
int e2b_start_connect(struct buf *b, int64_t pid);

/* A fresh name, random. */
void e2b_start_tag(char *ret, size_t size);

/* "<pid>.<tag>". */
bool e2b_start_read_ref(const char *ref, int64_t *pid, char tag[E2B_TAG_LEN + 1]);

/* Does a reply of List have a process of that pid under another tag? */
bool e2b_start_is_other(const char *text, size_t len, int64_t pid, const char *tag);
