/* store/fragment_ref.h - refs/fragments/<seq>, which keep every fragment alive.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "store/refs_scan.h"

enum fragment_ref_outcome {
	FRAGMENT_REF_CLASH =
		1, /* a number is taken by another commit; nothing more was written */
};

/* Writes `n` refs of ascending numbers, durably. Few become loose refs, many go into packed-refs at once.
 * 0, FRAGMENT_REF_CLASH, or a fault (-EBUSY when git holds packed-refs.lock). The caller holds the
 * numbering lock. */
int fragment_ref_write(int dir_fd, const struct refs_seq *refs, size_t n);

/* The highest number that was ever written here, as far as the repository remembers it beside its refs:
 * a guard against giving a number twice after refs were deleted and the index lost. */
uint32_t fragment_ref_mark(int dir_fd);
void fragment_ref_set_mark(int dir_fd, uint32_t seq);
