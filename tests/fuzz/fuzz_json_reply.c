/* Any bytes as a provider's reply, read with every getter: what comes out is inside its bounds, and a flaw is
 * named. */
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "provider/json_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json_reply j;
	const struct json *o;
	char id[16];

	json_reply_open(&j, (const char *)data, size);
	if (!j.root && !j.why[0])
		abort();
	json_reply_text(&j, j.root, "sandboxID", id, sizeof(id));
	if (!id[0] && !j.why[0])
		abort();
	for (const char *p = id; *p; p++) {
		if (!isgraph((unsigned char)*p))
			abort();
	}
	json_reply_maybe(&j, j.root, "domain", id, sizeof(id));
	o = json_reply_obj(&j, j.root, "metadata");
	(void)json_reply_str(&j, o, "label", "");
	(void)json_reply_int(&j, o, "size", 0);
	(void)json_reply_number(&j, j.root, "cpuUsedPct", 0);
	(void)json_reply_bool(&j, j.root, "ok", false);
	(void)json_reply_time(&j, j.root, "startedAt", 0);
	(void)json_reply_list(&j, j.root, "aliases");
	json_reply_close(&j);
	return 0;
}
