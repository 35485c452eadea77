/* tests/peers/daytona.h - what Daytona's two planes share.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/json.h"
#include "tests/peers/guest.h"
#include "tests/peers/request.h"

struct script;

#define DAYTONA_VERSION "0.205.1"

/* The control plane's errors: {path, timestamp, statusCode, error, message}. */
void daytona_error(struct request *r, unsigned status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The daemon's: {statusCode, message, code, timestamp, path, method}, "source" since it was closed. */
void toolbox_error(struct request *r, unsigned status, const char *code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* The same for endpoints of single files, which said only the status before. */
void toolbox_file_error(struct request *r, unsigned status, const char *code, const char *why);

/* Bearer key, or a preview token of the guest. */
bool daytona_knows(struct request *r);

/* Of daytona_describe.c */
void daytona_describe(struct json_out *o, struct request *r, struct guest *g, bool whole,
		      const char *state);
const char *daytona_state(struct guest *g);
void daytona_list(struct request *r);
void daytona_list_pages(struct request *r);

/* Of daytona_settings.c */
void daytona_set_labels(struct request *r);
void daytona_set_autostop(struct request *r);
void daytona_set_autoarchive(struct request *r);
void daytona_set_autodelete(struct request *r);
void daytona_set_ttl(struct request *r);
void daytona_set_public(struct request *r);
void daytona_set_network(struct request *r);
void daytona_touch(struct request *r);
void daytona_preview_url(struct request *r);
void daytona_signed_preview_url(struct request *r);
void daytona_expire_preview_url(struct request *r);
void daytona_toolbox_url(struct request *r);
void daytona_signing_key(struct request *r);
void daytona_rotate_signing_key(struct request *r);

/* The sandbox of the first argument, a reference; NULL: refused with 404. */
struct guest *daytona_wanted(struct request *r, bool by_name);
void daytona_send(struct request *r, struct guest *g, unsigned status, const char *state);

/* Of the toolbox: where a path of a client's is. Relative ones are in the home. */
bool toolbox_path(struct buf *ret, const char *path);

/* Of toolbox_files.c */
void toolbox_list(struct request *r);
void toolbox_info(struct request *r);
void toolbox_delete(struct request *r);
void toolbox_move(struct request *r);
void toolbox_folder(struct request *r);
void toolbox_permissions(struct request *r);
void toolbox_find(struct request *r);
void toolbox_search(struct request *r);
void toolbox_replace(struct request *r);

/* Of toolbox_transfer.c */
void toolbox_download(struct request *r);
void toolbox_bulk_download(struct request *r);
void toolbox_upload(struct request *r);
bool toolbox_feed_upload(struct request *r, const void *data, size_t len);
void toolbox_bulk_upload(struct request *r);
bool toolbox_feed_bulk(struct request *r, const void *data, size_t len);

/* Of toolbox_process.c */
void toolbox_execute(struct request *r);

/* Of toolbox_session.c */
void toolbox_session_create(struct request *r);
void toolbox_session_list(struct request *r);
void toolbox_session_get(struct request *r);
void toolbox_session_delete(struct request *r);
void toolbox_session_exec(struct request *r);
void toolbox_command_get(struct request *r);
void toolbox_command_logs(struct request *r);
void toolbox_command_input(struct request *r);

/* Of toolbox_pty.c */
void toolbox_pty_create(struct request *r);
void toolbox_pty_create_connect(struct request *r);
void toolbox_pty_connect(struct request *r);
void toolbox_pty_get(struct request *r);
void toolbox_pty_list(struct request *r);
void toolbox_pty_delete(struct request *r);
void toolbox_pty_resize(struct request *r);

/* Of toolbox_git_newer.c */
void toolbox_git_remotes(struct request *r);
void toolbox_git_remote_add(struct request *r);
void toolbox_git_reset(struct request *r);
void toolbox_git_restore(struct request *r);
void toolbox_git_config_set(struct request *r);
void toolbox_git_config_get(struct request *r);
void toolbox_git_config_user(struct request *r);

/* Of toolbox_git.c */
void toolbox_git_clone(struct request *r);
void toolbox_git_init(struct request *r);
void toolbox_git_status(struct request *r);
void toolbox_git_branches(struct request *r);
void toolbox_git_branch_create(struct request *r);
void toolbox_git_branch_delete(struct request *r);
void toolbox_git_checkout(struct request *r);
void toolbox_git_history(struct request *r);
void toolbox_git_add(struct request *r);
void toolbox_git_commit(struct request *r);
void toolbox_git_pull(struct request *r);
void toolbox_git_push(struct request *r);
