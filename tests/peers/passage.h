/* tests/peers/passage.h - a stream to a port inside a sandbox, for one thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct guest;
struct passage;

enum passage_outcome { PASSAGE_CLOSED = 1 /* nothing listens there */, PASSAGE_ASLEEP };

int passage_open(struct guest *g, uint16_t port, struct passage **ret);
void passage_close(struct passage *p);
/* All of it. 0 or -EPIPE. */
int passage_send(struct passage *p, const void *data, size_t len);
/* Bytes that came, 0 at the end, -EPIPE. Waits; also for input on `fd` (-1: none), then -EAGAIN. */
ssize_t passage_recv(struct passage *p, void *data, size_t max, int fd);
