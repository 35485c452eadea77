/* tests/crash/blockreplay.h - the disks that a power cut could have left.
 *
 * Cuts are asked for in ascending order: the image up to the last flush before the cut is kept and
 * only moved forward.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct blockreplay;

enum blockreplay_kind {
	BLOCKREPLAY_PREFIX, /* everything up to the cut, nothing after */
	BLOCKREPLAY_TORN, /* all up to the last flush; of what followed, a random half of its 4 KiB blocks */
};

/* `image` is the disk as it was when the log began. NULL when either cannot be read. */
struct blockreplay *blockreplay_new(const char *image, const char *log);
void blockreplay_free(struct blockreplay *b);

/* Records up to `until` (nanoseconds). */
size_t blockreplay_count(const struct blockreplay *b, int64_t until);
size_t blockreplay_flushes(const struct blockreplay *b, size_t n_records);

/* When the first record that a cut after `n` records drops arrived: what was acknowledged earlier must hold. */
int64_t blockreplay_time(const struct blockreplay *b, size_t n);

/* Writes the disk after the first `n` records to `fd`. 0 or a negative errno. */
int blockreplay_cut(struct blockreplay *b, size_t n, enum blockreplay_kind kind, uint64_t seed,
		    int fd);
