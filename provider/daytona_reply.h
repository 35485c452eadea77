/* provider/daytona_reply.h - what Daytona's two planes answer, as values.
 *
 * Pure decoders of foreign JSON. Unknown fields and unknown states are passed over, since the server is newer than
 * we are; a known field of a wrong type is a flaw of the reply. Errors come in four shapes, or as nothing but a
 * status:
 *
 *	{"statusCode":404,"message":…,"code":"NOT_FOUND","source":…}   both planes, the newer the more of it
 *	{"errors":["…"],"files":[…]}                                   bulk-upload
 *	{"error":"…"}                                                  some of the toolbox
 *	404 page not found                                             a route the daemon does not have
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "provider/json_reply.h"
#include "provider/provider.h"

struct buf;

enum { DAYTONA_URL_MAX = 256, DAYTONA_CURSOR_MAX = PROVIDER_TOKEN_MAX };

/* Where a sandbox is on its way, as far as we care. */
enum daytona_phase {
	DAYTONA_MOVING_UP,  /* creating, pulling, building, restoring, starting … and what we do not know */
	DAYTONA_UP,         /* started */
	DAYTONA_MOVING,     /* resizing, snapshotting, forking: back to where it was in a while */
	DAYTONA_STOPPING,
	DAYTONA_STOPPED,    /* stopped; or archiving, archived: starting takes longer */
	DAYTONA_PAUSING,
	DAYTONA_PAUSED,
	DAYTONA_LEAVING,    /* destroying: as good as gone */
	DAYTONA_FAILED,     /* error, build_failed */
};

struct daytona_sandbox {
	struct provider_sandbox info;
	enum daytona_phase phase;
	bool recoverable;
	char nonce[40];                  /* what create put into its labels, "" for none */
	char toolbox[DAYTONA_URL_MAX];   /* base of all sandboxes' toolboxes there, "" when not told */
	int64_t idle_minutes;            /* autoStopInterval, 0: off */
	int64_t dies;                    /* autoDestroyAt in wall seconds, 0: never or not told */
	char reason[PROVIDER_WHY_MAX];   /* errorReason, printable */
};

enum daytona_phase daytona_phase_of(const char *state);
enum provider_state daytona_state_of(enum daytona_phase phase);

/* An id as the server makes them and we put them into a URL. */
bool daytona_id_good(const char *id);

/* A sandbox of a document that json_reply_open() read; flaws go into `j`. */
void daytona_sandbox_read(struct json_reply *j, const struct json *obj,
			  struct daytona_sandbox *ret);

/* The items of a page of the list, and where the next starts ("": this was the last). An old server answers with
 * a bare array. */
const struct json *daytona_page_read(struct json_reply *j, char cursor[DAYTONA_CURSOR_MAX]);

/* Foreign words, cut and made fit to be shown. */
void daytona_words(const char *text, size_t len, char ret[PROVIDER_WHY_MAX]);

struct daytona_error {
	char code[48];                 /* "" when there was none */
	char message[PROVIDER_WHY_MAX]; /* printable; "" when there was none */
	bool json;                     /* it was one of the JSON shapes */
	bool no_route;                 /* "404 page not found", "Cannot GET /…" */
	bool not_running;              /* a hop says so: the sandbox is stopped, archived or gone */
};

/* Reads any error body; never fails. */
void daytona_error_read(const char *text, size_t len, struct daytona_error *ret);

/* The outcome of an error of the control plane beyond what its status says: a quota is PROVIDER_DENIED. */
int daytona_error_outcome(long status, const struct daytona_error *err);

/* The reply of process/execute: what was printed (in `printed`, emptied first) and the exit code, -1 when the command
 * could not start or was killed. 0 or -EPROTO (said). */
int daytona_executed_read(const char *text, size_t len, int *code, struct buf *printed);

/* The reply to an upload of one file: it must name a path that ends in `tail` (what is before it may hold bytes that
 * JSON does not bring back), and `size`. 0 or -EPROTO (said). */
int daytona_uploaded_read(const char *text, size_t len, const char *tail, uint64_t size);

/* FileInfo: 0, or -EPROTO (said). `type` is the first letter of its mode: '-', 'd', 'p' …; `mode` its permissions. */
int daytona_file_read(const char *text, size_t len, char *type, mode_t *mode);

/* {"url":…,"token":…}: url and, when there is a token, header of `ret`. 0 or -EPROTO (said). */
int daytona_preview_read(const char *text, size_t len, struct provider_preview *ret);

/* Appends the log of a session's command, which is JSON with `output` or plain text, without the bytes that mark its
 * streams. 0 or as buf_add(). */
int daytona_logs_read(const char *text, size_t len, struct buf *ret);

/* {"url":…} of toolbox-proxy-url. 0 or -EPROTO (said). */
int daytona_url_read(const char *text, size_t len, char ret[DAYTONA_URL_MAX]);
