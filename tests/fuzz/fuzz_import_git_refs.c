/* Any bytes as packed-refs and as an address: what is kept is sorted, unique and safe to give to git. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "store/import_git_refs.h"
#include "store/import_git_url.h"
#include "store/project.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_refs(const uint8_t *data, size_t size)
{
	struct import_git_refs refs;

	import_git_refs_init(&refs);
	import_git_refs_parse_packed(&refs, (const char *)data, size);
	import_git_refs_sort(&refs);
	for (size_t i = 0; i < refs.n; i++) {
		assert(import_git_refs_name_ok(refs.refs[i].name));
		assert(!oid_is_zero(&refs.refs[i].oid));
		assert(!i || strcmp(refs.refs[i - 1].name, refs.refs[i].name) < 0);
		assert(import_git_refs_find(&refs, refs.refs[i].name) == &refs.refs[i]);
	}
	import_git_refs_deinit(&refs);
}

/* Before the last @ of the part that names the host stands no colon. */
static void assert_no_password(const char *authority)
{
	size_t len = strcspn(authority, "/?#");
	const char *at = memrchr(authority, '@', len);

	assert(!at || !memchr(authority, ':', (size_t)(at - authority)));
}

static void check_url(const char *src)
{
	char name[IMPORT_GIT_NAME_SIZE];
	struct import_git_url u;
	const char *sep;

	import_git_url_parse(src, &u);
	assert((u.kind == IMPORT_GIT_URL_BAD) == (u.why != NULL));
	if (u.kind != IMPORT_GIT_URL_BAD)
		assert(u.url[0] != '-');
	sep = u.kind == IMPORT_GIT_URL_REMOTE ? strstr(u.url, "://") : NULL;
	if (sep && sep == strchr(u.url, ':') && sep + 1 == strchr(u.url, '/'))
		assert_no_password(sep + 3);
	import_git_url_deinit(&u);
	if (import_git_url_name(src, name))
		assert(project_name_ok(name));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(free_p) char *text = alloc_copy(data, size);

	log_open(-1, LOG_LEVEL_ERR, false);
	check_refs(data, size);
	check_url(text);
	return 0;
}
