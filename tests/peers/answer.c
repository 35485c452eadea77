/* tests/peers/answer.c - documents in a buffer, sent whole.
 */
#include "tests/peers/answer.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"

void answer_begin(struct answer *a, char bracket)
{
	buf_init(&a->buf, ANSWER_MAX);
	json_out_buf(&a->out, &a->buf);
	json_begin(&a->out, bracket);
}

void answer_send(struct request *r, struct answer *a, char bracket, unsigned status)
{
	json_end(&a->out, bracket);
	if (json_out_end(&a->out))
		reply_text(r, 500, "the answer is too large");
	else
		reply_json(r, status, &a->buf);
	buf_deinit(&a->buf);
}

void answer_map(struct json_out *o, const char *key, const struct json *map)
{
	json_key_out(o, key);
	json_begin(o, '{');
	if (map && json_is_object(map))
		for (const struct json *v = json_first(map); v; v = json_next(v))
			if (json_str(v))
				json_str_field(o, json_key(v), json_str(v));
	json_end(o, '}');
}

void answer_time(struct json_out *o, const char *key, int64_t wall)
{
	char text[CLOCK_TEXT_MAX];

	(void)clock_iso(wall, 0, text);
	memcpy(text + 19, ".000Z", 6);
	json_str_field(o, key, text);
}

char **answer_env(const struct json *map, const char *const *more)
{
	bool has = map && json_is_object(map);
	size_t n = 0;
	char **env;

	for (; more && more[n]; n++)
		;
	env = alloc_array(n + (has ? json_count(map) : 0) + 1, sizeof(*env));
	for (n = 0; more && more[n]; n++)
		env[n] = alloc_str(more[n]);
	for (const struct json *v = has ? json_first(map) : NULL; v; v = json_next(v))
		if (json_str(v))
			env[n++] = alloc_fmt("%s=%s", json_key(v), json_str(v));
	return env;
}

void answer_env_free(char **env)
{
	for (char **e = env; e && *e; e++)
		free(*e);
	free(env);
}
