/* Any bytes as a record of the operation log: what decodes is the same when it is written and read again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "store/oplog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(buf_deinit) struct buf b;
	struct oplog_op op, back;

	buf_init(&b, 1 << 16);
	if (oplog_decode(data, size, &op))
		return 0;
	memset(&back, 0, sizeof(back));
	if (oplog_encode(&op, &b) || oplog_decode(b.data, b.len, &back))
		abort();
	if (back.kind != op.kind || back.phase != op.phase || back.time != op.time ||
	    strcmp(back.what, op.what) != 0 ||
	    strcmp(back.after.branch, op.after.branch) != 0 ||
	    !oid_eq(&back.after.tree, &op.after.tree) || !oid_eq(&back.ref_to, &op.ref_to))
		abort();
	return 0;
}
