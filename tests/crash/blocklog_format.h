/* tests/crash/blocklog_format.h - a disk's life, record by record.
 *
 * blocklog appends one record for each write and flush it is asked for, in the order they arrive, before it
 * answers. A record is this header followed by `len` bytes of data for a write, nothing for a
 * flush. Integers are the machine's: the log is read on the machine that wrote it.
 */
#pragma once

#include <stdint.h>

enum blocklog_kind { BLOCKLOG_WRITE = 1, BLOCKLOG_FLUSH = 2 };

struct blocklog_record {
	int64_t ns; /* CLOCK_MONOTONIC, when it arrived */
	uint64_t offset;
	uint32_t len, kind;
};
