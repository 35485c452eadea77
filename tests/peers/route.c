/* tests/peers/route.c - matching a path with a table, segment by segment.
 *
 * The tables are short; the first row that fits wins.
 */
#include "tests/peers/route.h"

#include <string.h>

void request_refuse(struct request *r, request_handle_fn handle)
{
	r->handle = handle;
	r->feed = NULL;
	r->skips = true;
}

static bool matches(const char *pattern, const char *path,
		    char args[REQUEST_ARGS_MAX][REQUEST_ARG_MAX])
{
	size_t n = 0;

	while (*pattern && *path) {
		size_t len;

		if (pattern[0] != '{') {
			if (*pattern++ != *path++)
				return false;
			continue;
		}
		len = strcspn(path, "/");
		if (!len || len >= REQUEST_ARG_MAX || n == REQUEST_ARGS_MAX)
			return false;
		memcpy(args[n], path, len);
		args[n++][len] = '\0';
		pattern += 2;
		path += len;
	}
	return !*pattern && !*path;
}

void route_request(struct request *r, const struct plane *plane)
{
	bool path_known = false;

	for (size_t i = 0; i < plane->routes.n; i++) {
		const struct route *row = &plane->routes.first[i];

		if (!matches(row->path, r->path, r->args))
			continue;
		path_known = true;
		if (strcmp(row->method, r->method))
			continue;
		r->handle = row->handle;
		r->feed = row->feed;
		(void)plane->enter(r);
		return;
	}
	request_refuse(r, path_known ? plane->wrong_method : plane->unknown_path);
}
