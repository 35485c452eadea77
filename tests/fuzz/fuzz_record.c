/* Any bytes as a record of the index or of state/: refused, or the same when encoded again. The first byte
 * chooses the kind. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "store/commit_raw.h"
#include "store/fragment_record.h"
#include "store/index_format.h"
#include "store/project_record.h"
#include "store/state.h"
#include "store/state_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_fragment(const uint8_t *data, size_t size)
{
	unsigned char key[INDEX_FRAGMENT_KEY_LEN], again[FRAGMENT_RECORD_MAX];
	struct fragment f;

	index_fragment_key(1, 7, key);
	if (fragment_record_decode(key, sizeof(key), data, size, &f))
		return;
	assert(fragment_record_encode(&f, again) == size && !memcmp(again, data, size));
	assert(strlen(f.slug) <= FRAGMENT_SLUG_MAX);
}

static void try_project(const uint8_t *data, size_t size)
{
	struct project_record rec;

	if (!project_record_decode(data, size, &rec))
		assert(project_name_ok(rec.name));
}

static void try_sandbox(const uint8_t *data, size_t size)
{
	CLEANUP(buf_deinit) struct buf b;
	struct state_sandbox s, again;

	buf_init(&b, STATE_RECORD_MAX);
	if (state_sandbox_decode(data, size, &s))
		return;
	assert(!state_sandbox_encode(&s, &b));
	assert(!state_sandbox_decode(b.data, b.len, &again));
	assert(!strcmp(s.provider, again.provider) && !strcmp(s.error, again.error));
}

static void try_op(const uint8_t *data, size_t size)
{
	CLEANUP(buf_deinit) struct buf b;
	struct state_op op;

	buf_init(&b, STATE_RECORD_MAX);
	if (state_op_decode(data, size, &op))
		return;
	assert(!state_op_encode(&op, &b) && b.len == size && !memcmp(b.data, data, size));
}

static void try_commit(const uint8_t *data, size_t size)
{
	char slug[FRAGMENT_SLUG_MAX + 1];
	struct commit_raw c;

	if (commit_raw_parse(data, size, &c))
		return;
	for (size_t i = 0; i < c.n_parents; i++)
		(void)commit_raw_parent(&c, i);
	assert(c.title >= (const char *)data &&
	       c.title + c.title_len <= (const char *)data + size);
	commit_raw_slug(&c, slug, sizeof(slug));
	assert(strspn(slug, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(slug));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const tries[])(const uint8_t *, size_t) = {
		try_fragment, try_project, try_sandbox, try_op, try_commit,
	};

	if (size)
		tries[*data % (sizeof(tries) / sizeof(*tries))](data + 1, size - 1);
	return 0;
}
