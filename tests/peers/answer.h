/* tests/peers/answer.h - JSON answers, written the way both vendors write them.
 */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "base/json.h"
#include "tests/peers/request.h"

enum { ANSWER_MAX = 32 << 20, ANSWER_TIME_MAX = 40 };

/* A document being written. */
struct answer {
	struct buf buf;
	struct json_out out;
};

void answer_begin(struct answer *a, char bracket);
/* Closes the bracket, replies and frees. */
void answer_send(struct request *r, struct answer *a, char bracket, unsigned status);

/* A map of strings, {} when `map` is no object. */
void answer_map(struct json_out *o, const char *key, const struct json *map);
/* "2026-11-25T09:16:18.000Z" */
void answer_time(struct json_out *o, const char *key, int64_t wall);

/* "K=V" of a map of strings, as an environment; NULL-terminated, freed by answer_env_free(). `more` (may be NULL) come first. */
char **answer_env(const struct json *map, const char *const *more);
void answer_env_free(char **env);
