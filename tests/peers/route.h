/* tests/peers/route.h - which handler a method and a path lead to.
 */
#pragma once

#include <stddef.h>

#include "tests/peers/request.h"

struct route {
	const char *method, *path; /* `{}` in the path matches one segment */
	request_handle_fn handle;
	request_feed_fn feed; /* NULL: the handler gets the whole body */
};

struct routes {
	const struct route *first;
	size_t n;
};

/* Everything that one kind of client sees. */
struct plane {
	struct routes routes;
	/* May the request go on? Otherwise it has set the handler that refuses. */
	bool (*enter)(struct request *r);
	request_handle_fn unknown_path, wrong_method;
};

/* Sets the request's handler (and args) for its method and path below `prefix_len` bytes of it. */
void route_request(struct request *r, const struct plane *plane);

/* In place of the route's: the body is skipped. */
void request_refuse(struct request *r, request_handle_fn handle);

extern const struct plane e2b_control_plane, envd_plane, daytona_control_plane, toolbox_plane;
