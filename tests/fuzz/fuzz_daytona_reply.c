/* Any bytes as a reply of Daytona, or as what a shell printed about a job: refused, or within its bounds. The first
 * byte chooses the kind. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/utf8.h"
#include "provider/daytona_job.h"
#include "provider/daytona_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_sandboxes(const char *text, size_t len)
{
	char cursor[DAYTONA_CURSOR_MAX];
	struct daytona_sandbox s;
	const struct json *items;
	struct json_reply j;

	json_reply_open(&j, text, len);
	items = daytona_page_read(&j, cursor);
	for (const struct json *i = items ? json_first(items) : NULL; i; i = json_next(i)) {
		daytona_sandbox_read(&j, i, &s);
		assert(j.why[0] || daytona_id_good(s.info.id));
	}
	json_reply_close(&j);
}

static void try_error(const char *text, size_t len)
{
	struct daytona_error e;

	daytona_error_read(text, len, &e);
	assert(strlen(e.message) < sizeof(e.message));
	for (const char *p = e.message; *p; p++)
		assert((unsigned char)*p >= ' ' && *p != 127);
}

static void try_job(const char *text, size_t len)
{
	CLEANUP(buf_deinit) struct buf b = {0};
	struct daytona_job_news n;

	buf_init(&b, 2 * DAYTONA_JOB_SLICE + 8);
	(void)daytona_job_confirmed(text, "j");
	if (daytona_job_read(text, len, "j", &n, &b))
		return;
	assert(n.n_stdout <= b.len && n.size[0] - n.at[0] >= n.n_stdout);
	assert(n.size[1] - n.at[1] >= b.len - n.n_stdout);
	assert(n.status >= DAYTONA_JOB_RUNS && n.status <= 255);
}

static void try_rest(const char *text, size_t len)
{
	CLEANUP(buf_deinit) struct buf b = {0};
	struct provider_preview preview = {0};
	struct provider_process job;
	char url[DAYTONA_URL_MAX], type;
	const char *at = text;
	mode_t mode;
	int code;

	buf_init(&b, 65536);
	if (!daytona_executed_read(text, len, &code, &b))
		assert(code >= -1 && code <= 255);
	(void)daytona_uploaded_read(text, len, "/a", 1);
	(void)daytona_file_read(text, len, &type, &mode);
	(void)daytona_preview_read(text, len, &preview);
	buf_clear(&b);
	(void)daytona_logs_read(text, len, &b);
	while (daytona_job_listed(&at, &job))
		assert(strlen(job.command) < sizeof(job.command));
	if (!daytona_url_read(text, len, url))
		assert(strncmp(url, "http", 4) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const tries[])(const char *, size_t) = {try_sandboxes, try_error, try_job,
							      try_rest};
	CLEANUP(free_p) char *text = size ? alloc_copy(data + 1, size - 1) : NULL;

	log_open(-1, LOG_LEVEL_ERR, false);
	if (size)
		tries[*data % 4](text, size - 1);
	return 0;
}
