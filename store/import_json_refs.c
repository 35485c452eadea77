/* Keeping every imported document reachable.
 *
 * A document that is nobody's parent is a tip. The newest document is HEAD's branch; any other tip is
 * refs/heads/fragment/<id>, or the commit's id where the document's is no name for a ref. When a later
 * import goes on from such a tip its branch has done its service and goes.
 */
#include "store/import_json_refs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "store/fragment.h"
#include "store/git.h"
#include "store/import_git_refs.h"
#include "store/import_json_doc.h"
#include "store/import_json_plan.h"
#include "store/import_stage.h"
#include "store/project_private.h"
#include "store/ref.h"

struct known {
	struct import_json_plan *plan;
	git_repository *repo;
};

static int add_known(const struct fragment *f, void *arg)
{
	CLEANUP(git_commit_freep) git_commit *commit = NULL;
	struct known *k = arg;
	struct import_json_entry e = {
		.state = IMPORT_JSON_STORED, .commit = f->commit, .parent_at = SIZE_MAX};
	git_oid oid = oid_to_git(&f->commit);
	const char *id;
	size_t len;

	/* A commit that cannot be read has no id to be known by. */
	if (git_commit_lookup(&commit, k->repo, &oid))
		return 0;
	id = import_json_doc_id(git_commit_message_raw(commit), &len);
	if (!id)
		return 0;
	e.id = alloc_copy(id, len);
	import_json_plan_add(k->plan, &e);
	return 0;
}

int import_json_refs_known(struct project *p, struct import_json_plan *plan)
{
	CLEANUP(project_lent_done) struct project_lent lent = {.project = p};
	struct known k = {.plan = plan};
	int r = project_repo(p, &lent.repo);

	if (r)
		return r > 0 ? -ENOENT : r;
	k.repo = lent.repo;
	return fragment_each(p, 1, add_known, &k);
}

/* The side branch of a tip. */
static char *branch_of(const struct import_json_entry *e)
{
	CLEANUP(free_p) char *name = alloc_fmt("refs/heads/fragment/%s", e->id);
	char hex[OID_HEX_LEN + 1];

	if (!strchr(e->id, '/') && import_git_refs_name_ok(name))
		return TAKE(name);
	return alloc_fmt("refs/heads/fragment/%.12s", oid_hex(&e->commit, hex));
}

static bool is_tip(const struct import_json_entry *e)
{
	return e->state == IMPORT_JSON_NEW && !e->n_children;
}

int import_json_refs_write(struct import_stage *s, const struct import_json_plan *plan,
			   struct import_json_refs_result *ret)
{
	CLEANUP(import_git_refs_deinit) struct import_git_refs refs;

	import_git_refs_init(&refs);
	refs.head = alloc_str("refs/heads/main");
	import_git_refs_add(&refs, refs.head, &plan->entries[plan->newest].commit, NULL);
	for (size_t i = 0; i < plan->n; i++) {
		const struct import_json_entry *e = &plan->entries[i];
		CLEANUP(free_p) char *name = NULL;

		if (!is_tip(e) || i == plan->newest)
			continue;
		name = branch_of(e);
		import_git_refs_add(&refs, name, &e->commit, NULL);
		ret->n_branches++;
	}
	import_git_refs_sort(&refs);
	return import_git_refs_write(&refs, s->fd, false);
}

/* A ref that somebody holds or moved meanwhile must not lose documents: that is a fault, and the
 * same call again will find them imported. */
static int expect(int r, const char *name)
{
	return r > 0 ? fail(-EAGAIN, "branch '%s' was changed meanwhile: import again", name)
		     : r;
}

/* Moves HEAD's branch forward to the newest document, if that is forward. */
static int move_head(struct project *p, const struct oid *to, bool *stayed)
{
	CLEANUP(project_lent_done) struct project_lent lent = {.project = p};
	struct project_head head;
	int r = project_head(p, &head);

	*stayed = true;
	if (r || !*head.branch)
		return r < 0 ? r : 0;
	if (!oid_is_zero(&head.commit)) {
		git_oid a = oid_to_git(&head.commit), b = oid_to_git(to);

		r = project_repo(p, &lent.repo);
		if (r)
			return r < 0 ? r : -ENOENT;
		if (git_graph_descendant_of(lent.repo, &b, &a) != 1)
			return 0;
	}
	*stayed = false;
	return expect(ref_advance(p, head.branch, &head.commit, to, "import"), head.branch);
}

/* Puts or drops the side branch of one entry. */
static int move_side(struct project *p, const struct import_json_entry *e,
		     struct import_json_refs_result *ret)
{
	CLEANUP(free_p) char *name = NULL;
	struct oid at = {{0}};
	bool drop = e->state == IMPORT_JSON_STORED && e->n_children;
	int r;

	if (!drop && !is_tip(e))
		return 0;
	name = branch_of(e);
	r = ref_read(p, name, &at);
	if (r < 0)
		return r;
	if (drop)
		return !r && oid_eq(&at, &e->commit) ? expect(ref_delete(p, name, &at), name)
						     : 0;
	if (!r && oid_eq(&at, &e->commit))
		return 0;
	ret->n_branches++;
	return expect(ref_advance(p, name, &at, &e->commit, "import"), name);
}

int import_json_refs_move(struct project *p, const struct import_json_plan *plan,
			  struct import_json_refs_result *ret)
{
	int r = move_head(p, &plan->entries[plan->newest].commit, &ret->head_stayed);

	/* First what makes documents reachable, then what is no longer needed. */
	for (int drop = 0; !r && drop < 2; drop++) {
		for (size_t i = 0; !r && i < plan->n; i++) {
			const struct import_json_entry *e = &plan->entries[i];

			if ((e->state == IMPORT_JSON_STORED) == drop &&
			    (i != plan->newest || ret->head_stayed))
				r = move_side(p, e, ret);
		}
	}
	return r;
}
