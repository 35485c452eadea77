/* tests/unit/e2b_wire.h - what the tests of the E2B provider share: recorded bytes and a provider that talks to a script. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "provider/provider.h"
#include "tests/peers/scripted.h"

#define JSON          "HTTP/1.1 200 OK\r\nContent-Type: application/json"
#define MADE          "HTTP/1.1 201 Created\r\nContent-Type: application/json"
#define STREAM        "HTTP/1.1 200 OK\r\nContent-Type: application/connect+json"
#define ERROR(status) "HTTP/1.1 " status " No\r\nContent-Type: application/json"
#define KEY           "e2b_canary0123456789canary"
#define TOKEN         "envdcanary0123456789canary"
#define ID            "i0123456789abcdefghij"

#define SANDBOX(version)                                                                       \
	"{\"templateID\":\"base\",\"sandboxID\":\"" ID "\",\"clientID\":\"6532622b\","         \
	"\"envdVersion\":\"" version "\",\"envdAccessToken\":\"" TOKEN                         \
	"\",\"domain\":null,\"trafficAccessToken\":null,\"state\":\"running\","                \
	"\"startedAt\":\"2026-11-23T06:31:00Z\",\"endAt\":\"2026-11-23T07:31:00Z\","           \
	"\"metadata\":{\"fragfs\":\"1\",\"label\":\"demo\"}}"
#define KNOWN                                                                                  \
	{                                                                                      \
		.match = "GET /sandboxes/" ID, .head = JSON, .body = SANDBOX("0.6.13")         \
	}
#define PAUSED      "{\"sandboxID\":\"" ID "\",\"state\":\"paused\",\"envdVersion\":\"0.6.13\"}"
#define START_FRAME "\0\0\0\0\x1f{\"event\":{\"start\":{\"pid\":531}}}"
#define USER_FRAME  "\0\0\0\0\x28{\"event\":{\"data\":{\"stdout\":\"dXNlcgo=\"}}}"
#define ALIVE_FRAME "\0\0\0\0\x1a{\"event\":{\"keepalive\":{}}}"
#define ZERO_FRAME                                                                             \
	"\0\0\0\0\x3b{\"event\":{\"end\":{\"exited\":true, \"status\":\"exit status 0\"}}}"
#define DONE_FRAME "\x02\0\0\0\x02{}"
#define BYTES(s)   .body = (s), .body_len = sizeof(s) - 1

struct fixture {
	struct provider *p;
	struct scripted *server;
	struct provider_call c;
	bool done;
	int result;
	char out[4096]; /* of the last run() */
	size_t out_len;
};

int setup(void **state);
int teardown(void **state);
/* A server with that script, and a provider whose API and sandboxes it is. */
void serve(struct fixture *f, const struct scripted_reply *script);
/* A fresh call of the fixture's. */
struct provider_call *call(struct fixture *f);
/* What `done` gets for a verb that returned `started`. Fails when there is a secret in `why`. */
int settle(struct fixture *f, int started);
/* Runs `id -un` with what else `x` says. */
int run(struct fixture *f, struct provider_exec *x);
/* Keeps output in the fixture. */
void took(struct provider_call *c, int fd, const void *data, size_t len);
/* The body of the last request that starts so. */
const char *body_of(struct fixture *f, const char *match);
bool has(const char *text, const char *part);
extern const char *const argv_id[];
