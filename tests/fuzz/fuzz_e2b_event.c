/* Any bytes as each kind of JSON that envd and the API send: nothing is taken that is out of its bounds. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "provider/e2b_event.h"
#include "provider/e2b_upload.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_error(const struct e2b_error *err)
{
	for (const char *p = err->message; *p; p++) {
		if (*p < ' ' || *p > '~')
			abort();
	}
	(void)e2b_error_outcome(err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct e2b_error err;
	struct e2b_event e;
	struct buf out;
	bool failed;

	buf_init(&out, size + 16);
	if (e2b_event_read(text, size, &e, &out) == 0) {
		if (e.status < 0 || e.status > 255 ||
		    (e.kind == E2B_EVENT_START && e.pid <= 0) ||
		    (e.kind == E2B_EVENT_DATA && e.fd != 1 && e.fd != 2))
			abort();
	}
	if (e2b_error_read(text, size, &err))
		check_error(&err);
	if (e2b_end_read(text, size, &failed, &err) == 0 && failed)
		check_error(&err);
	(void)e2b_upload_check(text, size, "/home/user/a.txt");
	buf_deinit(&out);
	return 0;
}
