/* provider/local_list.c - get and list: records and process tables, never a sandbox itself.
 *
 * A list goes by the order of ids, so a page goes on behind the last id of the one before, whatever was made or deleted
 * between. Names are read whole, which is cheap; records only for the page. A sandbox that hangs cannot
 * hang a list: nobody inside is asked.
 */
#include "provider/local_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "provider/local_box.h"

void local_describe(struct local *p, const struct box *b, struct provider_sandbox *ret)
{
	*ret = (struct provider_sandbox){
		.created = b->created,
		.state = box_runs(p->dir_fd, b->id) ? PROVIDER_RUNNING : PROVIDER_STOPPED,
	};
	(void)snprintf(ret->id, sizeof(ret->id), "%s", b->id);
	(void)snprintf(ret->label, sizeof(ret->label), "%s", b->label);
	memcpy(ret->labels, b->labels, sizeof(ret->labels));
}

struct get_op {
	struct local_op op;
	char id[PROVIDER_ID_MAX];
	struct provider_sandbox *ret;
};

static void step_get(struct local_op *op)
{
	struct get_op *g = (struct get_op *)(void *)op;
	struct box b;
	int r = box_read(op->p->dir_fd, g->id, &b);

	if (!r) {
		local_describe(op->p, &b, g->ret);
		box_deinit(&b);
	}
	local_op_finish(op, r == BOX_GONE || r == BOX_BROKEN ? PROVIDER_GONE : r, NULL);
}

int local_get(struct provider *p, const char *id, struct provider_sandbox *ret,
	      struct provider_call *c)
{
	struct get_op *g = local_op_new(local_of(p), c, sizeof(*g), LOCAL_CALL_MS);

	g->op.step = step_get;
	g->ret = ret;
	(void)snprintf(g->id, sizeof(g->id), "%s", id);
	return 0;
}

typedef char box_name[BOX_ID_LEN + 1];

struct list_op {
	struct local_op op;
	struct provider_page *page;
	box_name after;
	box_name *names;
	size_t n, cap;
};

static void list_deinit(struct local_op *op)
{
	free(((struct list_op *)(void *)op)->names);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static int read_names(struct list_op *l)
{
	int fd = openat(l->op.p->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP(closedirp) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!dir) {
		close_p(&fd);
		return fail(-EIO, "list '%s'", l->op.p->dir);
	}
	while ((e = readdir(dir))) {
		if (!box_is_id(e->d_name) || strcmp(e->d_name, l->after) <= 0)
			continue;
		alloc_grow(&l->names, &l->cap, l->n + 1, sizeof(*l->names));
		memcpy(l->names[l->n++], e->d_name, sizeof(box_name));
	}
	if (l->n)
		qsort(l->names, l->n, sizeof(*l->names), by_name);
	return 0;
}

/* 1 when it is on the page, 0 when not, or what `fn` said (which is not told apart from a fault). */
static int list_one(struct list_op *l, const char *id, int *result)
{
	struct provider_sandbox s;
	struct box b;
	int r = box_read(l->op.p->dir_fd, id, &b);

	*result = r < 0 ? r : 0;
	if (r)
		return 0;
	local_describe(l->op.p, &b, &s);
	box_deinit(&b);
	if (!provider_labels_match(&s, l->page->labels))
		return 0;
	*result = l->page->fn(&s, l->page->arg);
	return 1;
}

static void step_list(struct local_op *op)
{
	struct list_op *l = (struct list_op *)(void *)op;
	struct provider_page *page = l->page;
	uint32_t on_page = 0;
	int r = read_names(l);

	for (size_t i = 0; i < l->n && !r; i++) {
		on_page += (uint32_t)list_one(l, l->names[i], &r);
		if (on_page == page->limit && on_page && i + 1 < l->n) {
			memcpy(page->next, l->names[i], sizeof(box_name));
			break;
		}
	}
	local_op_finish(op, r, NULL);
}

int local_list(struct provider *p, struct provider_page *page, struct provider_call *c)
{
	struct list_op *l;

	if (page->after && !box_is_id(page->after)) {
		(void)snprintf(c->why, sizeof(c->why), "'%.100s' is the end of no page",
			       page->after);
		return PROVIDER_REFUSED;
	}
	l = local_op_new(local_of(p), c, sizeof(*l), LOCAL_CALL_MS);
	l->op.step = step_list;
	l->op.deinit = list_deinit;
	l->page = page;
	(void)snprintf(l->after, sizeof(l->after), "%s", page->after ? page->after : "");
	return 0;
}
