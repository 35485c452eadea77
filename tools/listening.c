/* tools/listening.c - /proc/net/tcp and tcp6 of a sandbox, read.
 *
 * A line is "  0: 0100007F:0BB8 00000000:0000 0A ...": local address and port, remote, state; 0A listens. The text comes
 * from inside the sandbox, so a line that is anything else is passed over.
 */
#include "tools/listening.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "provider/provider.h"

enum { PORTS_MAX = 16, TABLE_MAX = 4 << 20 };

static unsigned add_port(uint16_t port, uint16_t *ports, unsigned n, unsigned max)
{
	for (unsigned i = 0; i < n; i++)
		if (ports[i] == port)
			return n;
	if (n < max)
		ports[n++] = port;
	return n;
}

unsigned listening_parse(const char *text, uint16_t *ports, unsigned n, unsigned max)
{
	while (text && *text) {
		unsigned state;
		uint16_t port;

		if (sscanf(text, " %*u: %*32[0-9A-F]:%4" SCNx16 " %*32[0-9A-F]:%*4[0-9A-F] %2x",
			   &port, &state) == 2 &&
		    state == 0x0a)
			n = add_port(port, ports, n, max);
		text = strchr(text, '\n');
		text += text != NULL;
	}
	return n;
}

struct table {
	const char *id;
	struct provider_sink sink;
	struct buf text;
};

static int start_fetch(struct provider *p, void *arg, struct provider_call *c)
{
	struct table *t = arg;

	return provider_fetch(p, t->id, &t->sink, c);
}

static int read_table(struct provider *p, const char *id, const char *path, struct buf *ret,
		      char *why)
{
	struct table t = {.id = id, .sink = {.path = path, .into = &t.text}};
	int r;

	buf_init(&t.text, TABLE_MAX);
	r = provider_run(p, start_fetch, &t, 0, why);
	*ret = t.text;
	return r > 0 ? -r : r;
}

int listening_find(struct provider *p, const char *id, uint16_t *ret, char *why)
{
	static const char *const paths[] = {"/proc/net/tcp", "/proc/net/tcp6"};
	uint16_t ports[PORTS_MAX];
	unsigned n = 0;
	size_t at = 0;

	for (size_t i = 0; i < 2; i++) {
		CLEANUP(buf_deinit) struct buf text = {0};
		int r = read_table(p, id, paths[i], &text, why);

		if (r && !i)
			return r;
		n = listening_parse(text.data, ports, n, PORTS_MAX);
	}
	if (!n)
		return LISTENING_NONE;
	*ret = ports[0];
	for (unsigned i = 0; n > 1 && i < n && at < PROVIDER_WHY_MAX - 8; i++)
		at += (size_t)snprintf(why + at, PROVIDER_WHY_MAX - at, "%s%u", i ? ", " : "",
				       ports[i]);
	return n > 1 ? LISTENING_MANY : 0;
}
