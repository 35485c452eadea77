/* tests/peers/envd.h - the handlers of E2B's daemon, and what they share.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "tests/peers/request.h"

struct json;

/* Where a path of a client's is in the sandbox: nothing and ~ are the home, relative ones are in it. False
 * (and nothing added) for "~other". */
bool envd_path(struct buf *ret, const char *path);

/* Of e2b_metrics.c */
void envd_metrics(struct request *r);

/* Of envd_files.c */
void envd_get_file(struct request *r);
void envd_post_files(struct request *r);
bool envd_feed_files(struct request *r, const void *data, size_t len);
void envd_compose(struct request *r);

/* Of envd_filesystem.c */
void envd_stat(struct request *r);
void envd_make_dir(struct request *r);
void envd_move(struct request *r);
void envd_list_dir(struct request *r);
void envd_remove(struct request *r);

/* Of envd_process.c */
void envd_start(struct request *r);
void envd_connect(struct request *r);
void envd_list(struct request *r);

/* Of envd_input.c. The process that a selector means, a reference; NULL when there is none, and `what` says which. */
struct run *envd_selected(struct guest *g, const struct json *doc, char *what, size_t size);
void envd_update(struct request *r);
void envd_send_input(struct request *r);
void envd_send_signal(struct request *r);
void envd_close_stdin(struct request *r);
