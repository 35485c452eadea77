/* store/search_scan.h - one pattern over one content.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/search.h"

struct search_pattern; /* compiled; shared by all threads */
struct search_scan;    /* what one thread needs to match */

/* 0, SEARCH_BAD_PATTERN, or a fault. */
int search_pattern_new(const struct search_options *o, struct search_pattern **ret,
		       char why[SEARCH_WHY_MAX]);
void search_pattern_free(struct search_pattern *p);

int search_scan_new(const struct search_pattern *p, struct search_scan **ret);
void search_scan_free(struct search_scan *s);

/* The lines that match, in one allocation each. */
struct search_hits {
	struct search_line *lines;
	size_t n, cap;
	size_t text_len;
	bool cut, costly;
};

/* Appends the lines of `data` that match; their texts are copies. */
void search_scan_run(struct search_scan *s, const char *data, size_t len,
		     struct search_hits *h);
void search_hits_deinit(struct search_hits *h);

/* A NUL in the first 8 KiB. */
bool search_is_binary(const char *data, size_t len);
