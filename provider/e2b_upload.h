/* provider/e2b_upload.h - the bytes around a file that is uploaded, for either kind of body envd takes. Pure. */
#pragma once

#include <stddef.h>

struct buf;

enum { E2B_BOUNDARY_LEN = 32 };

/* Appends `text` with everything but unreserved characters percent-encoded. 0 or as buf_add(). */
int e2b_percent(struct buf *b, const char *text);

/* What stands before and after the one file of a multipart body. The name goes into filename*, which carries every byte;
 * in a quoted one envd would store `"` as %22. 0 or as buf_add(). */
int e2b_part_head(struct buf *b, const char *boundary, const char *path);
int e2b_part_tail(struct buf *b, const char *boundary);

/* 32 random hex digits and a NUL. */
void e2b_boundary(char ret[E2B_BOUNDARY_LEN + 1]);

/* The reply to an upload must name exactly the one path that was asked for. 0, or -EPROTO (silent). */
int e2b_upload_check(const char *text, size_t len, const char *path);
