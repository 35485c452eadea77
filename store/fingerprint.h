/* store/fingerprint.h - whether refs may have moved, for the price of a few stats.
 *
 * A digest over what the kernel says about HEAD, packed-refs, the HEADs of work trees and everything below refs/ (of
 * refs/fragments/ and refs/fragfs/ only the directory). Two equal fingerprints of which none is racy mean
 * equal refs.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct fingerprint {
	uint64_t a, b; /* both zero: none was taken */
	bool racy;     /* something changed so recently that its time stamp proves nothing */
};

/* Takes the fingerprint of the repository `dir_fd`. 0, or a negative errno (-ENOENT, silent, when there
 * is no refs/ any more; other faults are said). */
int fingerprint_take(int dir_fd, struct fingerprint *ret);

/* Of packed-refs and the directory refs/fragments/ alone; never 0. Whether it is racy does not matter to
 * its user, who is told of clashes otherwise (store/fragment_ref.h). */
uint64_t fingerprint_fragments(int dir_fd);

static inline bool fingerprint_same(const struct fingerprint *x, const struct fingerprint *y)
{
	return !x->racy && !y->racy && (x->a || x->b) && x->a == y->a && x->b == y->b;
}
