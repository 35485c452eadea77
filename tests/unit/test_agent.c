/* tests/unit/test_agent.c - the real agent program, driven over a socket pair, applies trees to a directory. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/judge.h"
#include "tests/agent_client.h"
#include "tests/scratch.h"

static const char *agent_path;

struct fixture {
	struct scratch s;
	struct agent_client c;
	int app; /* the project's directory */
};

static const struct tree_file empty[] = {{0}};

static const struct tree_file first[] = {
	{"bin/run.sh", MODE_EXEC, "#!/bin/sh\n"},
	{"index.html", MODE_FILE, "<h1>one</h1>\n"},
	{"link", MODE_LINK, "src/a.js"},
	{"package.json", MODE_FILE, "{}\n"},
	{"src/a.js", MODE_FILE, "a\n"},
	{"src/b.js", MODE_FILE, "b\n"},
	{0},
};

static const struct tree_file second[] = {
	{"bin/run.sh", MODE_FILE, "#!/bin/sh\n"},
	{"index.html", MODE_FILE, "<h1>two</h1>\n"},
	{"link", MODE_LINK, "src/c/d.js"},
	{"package.json", MODE_FILE, "{\"a\":1}\n"},
	{"src/a.js", MODE_FILE, "a\n"},
	{"src/c/d.js", MODE_FILE, "d\n"},
	{0},
};

static int setup(void **state)
{
	struct fixture *f = alloc_zero(sizeof(*f));

	scratch_init(&f->s);
	agent_client_start(&f->c, agent_path, f->s.path);
	f->app = openat(f->s.fd, "app", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(f->app >= 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	agent_client_stop(&f->c);
	close(f->app);
	scratch_deinit(&f->s);
	free(f);
	return 0;
}

/* kill -9 and a new one in the same place. */
static void replace_agent(struct fixture *f)
{
	agent_client_kill(&f->c);
	agent_client_start(&f->c, agent_path, f->s.path);
}

static void assert_holds(struct fixture *f, const struct tree_file *files)
{
	for (; files->path; files++) {
		char text[4096] = "", path[300];
		struct stat st;

		assert_int_equal(fstatat(f->app, files->path, &st, AT_SYMLINK_NOFOLLOW), 0);
		if (files->mode == MODE_LINK) {
			assert_true(S_ISLNK(st.st_mode));
			assert_true(readlinkat(f->app, files->path, text, sizeof(text) - 1) >
				    0);
			assert_string_equal(text, files->text);
			continue;
		}
		assert_true(S_ISREG(st.st_mode));
		assert_int_equal(st.st_mode & 07777, files->mode & 07777);
		(void)snprintf(path, sizeof(path), "app/%s", files->path);
		assert_string_equal(scratch_read(&f->s, path), files->text);
	}
}

static void assert_absent(struct fixture *f, const char *path)
{
	assert_int_equal(faccessat(f->app, path, F_OK, AT_SYMLINK_NOFOLLOW), -1);
}

static void assert_switches(struct fixture *f, const struct tree_file *from,
			    const struct tree_file *to)
{
	struct wire_frame r = agent_client_switch(&f->c, from, to, WIRE_INLINE);
	struct oid want = agent_client_tree(to);

	assert_frame(&r, WIRE_APPLIED);
	assert_true(oid_eq(&r.tree, &want));
	assert_holds(f, to);
}

static void assert_stage_is_empty(struct fixture *f)
{
	assert_int_equal(unlinkat(f->s.fd, ".frag/stage", AT_REMOVEDIR), 0);
	assert_int_equal(mkdirat(f->s.fd, ".frag/stage", 0700), 0);
	/* The agent holds the old directory: only a new agent may go on. */
	replace_agent(f);
}

static struct wire_frame verify(struct fixture *f, bool full)
{
	struct wire_frame r = agent_client_ask(
		&f->c, (struct wire_frame){.type = WIRE_VERIFY, .flags = full});

	assert_frame(&r, WIRE_VERIFIED);
	return r;
}

static void starts_with_the_empty_tree_and_no_epoch(void **state)
{
	static const unsigned char none[16];
	struct fixture *f = *state;
	char hex[OID_HEX_LEN + 1];

	assert_string_equal(oid_hex(&f->c.welcome.tree, hex),
			    "4b825dc642cb6eb9a060e54bf8d69288fbee4904");
	assert_memory_equal(f->c.welcome.epoch, none, 16);
	assert_int_equal(f->c.welcome.version, WIRE_VERSION);
}

static void puts_a_tree_in_place(void **state)
{
	struct fixture *f = *state;

	assert_switches(f, empty, first);
	assert_int_equal(verify(f, true).n_drift, 0);
	assert_stage_is_empty(f);
}

static void switches_there_and_back(void **state)
{
	struct fixture *f = *state;

	assert_switches(f, empty, first);
	assert_switches(f, first, second);
	assert_absent(f, "src/b.js");
	assert_switches(f, second, first);
	assert_absent(f, "src/c");
	assert_switches(f, first, empty);
	assert_absent(f, "src");
	assert_stage_is_empty(f);
}

static void turns_files_into_folders_and_back(void **state)
{
	static const struct tree_file flat[] = {
		{"a", MODE_FILE, "file a"},
		{"b", MODE_LINK, "a"},
		{"c/d/e", MODE_FILE, "e"},
		{"c/x", MODE_FILE, "x"},
		{0},
	};
	static const struct tree_file deep[] = {
		{"a/1", MODE_FILE, "1"},
		{"a/2/3", MODE_EXEC, "3"},
		{"b/4", MODE_FILE, "four"},
		{"c", MODE_FILE, "now a file"},
		{0},
	};
	struct fixture *f = *state;

	assert_switches(f, empty, flat);
	assert_switches(f, flat, deep);
	assert_switches(f, deep, flat);
	assert_int_equal(verify(f, true).n_drift, 0);
	assert_stage_is_empty(f);
}

static void answers_a_verify_sent_behind_the_commit(void **state)
{
	struct fixture *f = *state;
	struct oid want = agent_client_tree(first);
	struct wire_frame r;

	(void)agent_client_new_id(&f->c);
	agent_client_gather_switch(&f->c, empty, first, WIRE_INLINE);
	agent_client_gather(&f->c, (struct wire_frame){.type = WIRE_VERIFY});
	agent_client_flush(&f->c);
	r = agent_client_next(&f->c);
	assert_frame(&r, WIRE_APPLIED);
	r = agent_client_next(&f->c);
	assert_frame(&r, WIRE_VERIFIED);
	assert_true(oid_eq(&r.tree, &want));
	assert_int_equal(r.n_files, 6);
}

static void refuses_to_start_from_another_tree(void **state)
{
	struct fixture *f = *state;
	struct oid now = agent_client_tree(first);
	struct wire_frame r;

	assert_switches(f, empty, first);
	r = agent_client_switch(&f->c, second, empty, WIRE_INLINE);
	assert_refused(&r, WIRE_E_MOVED);
	assert_true(oid_eq(&r.tree, &now));
	assert_holds(f, first);
}

static void refuses_changes_that_do_not_make_the_tree(void **state)
{
	struct fixture *f = *state;
	struct wire_frame r;

	(void)agent_client_new_id(&f->c);
	agent_client_gather(&f->c, (struct wire_frame){.type = WIRE_APPLY,
						       .from = agent_client_tree(empty),
						       .to = agent_client_tree(first)});
	agent_client_gather(&f->c, (struct wire_frame){.type = WIRE_COMMIT});
	agent_client_flush(&f->c);
	r = agent_client_next(&f->c);
	assert_refused(&r, WIRE_E_HASH);
}

static void overwrites_nothing_that_the_sandbox_changed(void **state)
{
	static const struct {
		const char *path, *text;
	} own[] = {
		{"app/index.html", "<h1>mine</h1>\n"}, /* modified, same length */
		{"app/src/b.js", "mine"},              /* to be removed */
		{"app/package.json", ""},              /* emptied */
	};
	struct fixture *f = *state;

	assert_switches(f, empty, first);
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		struct oid before = agent_client_tree(first);
		struct wire_frame r;

		scratch_write(&f->s, own[i].path, own[i].text);
		r = agent_client_switch(&f->c, first, second, WIRE_INLINE);
		assert_refused(&r, WIRE_E_DRIFT);
		assert_memory_equal(r.message.p + 1, own[i].path + 4, strlen(own[i].path) - 4);
		assert_true(oid_eq(&r.tree, &before));
		assert_string_equal(scratch_read(&f->s, own[i].path), own[i].text);
		assert_absent(f, "src/c");
		assert_int_equal(verify(f, false).n_drift, 1);
		for (const struct tree_file *t = first; t->path; t++)
			if (!strcmp(t->path, own[i].path + 4))
				scratch_write(&f->s, own[i].path, t->text);
	}
	assert_switches(f, first, second);
}

static void does_not_take_the_place_of_a_file_the_sandbox_made(void **state)
{
	struct fixture *f = *state;
	struct wire_frame r;

	assert_switches(f, empty, first);
	assert_int_equal(mkdirat(f->app, "src/c", 0755), 0);
	scratch_write(&f->s, "app/src/c/d.js", "mine");
	r = agent_client_switch(&f->c, first, second, WIRE_INLINE);
	assert_refused(&r, WIRE_E_DRIFT);
	assert_string_equal(scratch_read(&f->s, "app/src/c/d.js"), "mine");
	/* the same content is nothing to fight about */
	scratch_write(&f->s, "app/src/c/d.js", "d\n");
	assert_switches(f, first, second);
}

static void never_writes_through_a_link(void **state)
{
	struct fixture *f = *state;
	struct wire_frame r;

	assert_int_equal(mkdirat(f->s.fd, "outside", 0755), 0);
	scratch_write(&f->s, "outside/a.js", "canary");
	assert_int_equal(symlinkat("../outside", f->app, "src"), 0);
	r = agent_client_switch(&f->c, empty, first, WIRE_INLINE);
	assert_refused(&r, WIRE_E_DRIFT);
	assert_string_equal(scratch_read(&f->s, "outside/a.js"), "canary");
	assert_int_equal(faccessat(f->s.fd, "outside/b.js", F_OK, 0), -1);
	assert_int_equal(unlinkat(f->app, "src", 0), 0);
	assert_switches(f, empty, first);
	/* the folder of applied files becomes a link */
	assert_int_equal(renameat(f->app, "src", f->app, "moved"), 0);
	assert_int_equal(symlinkat("../outside", f->app, "src"), 0);
	r = agent_client_switch(&f->c, first, second, WIRE_INLINE);
	assert_refused(&r, WIRE_E_DRIFT);
	assert_string_equal(scratch_read(&f->s, "outside/a.js"), "canary");
}

static void leaves_alone_what_does_not_count(void **state)
{
	struct fixture *f = *state;

	assert_switches(f, empty, first);
	assert_int_equal(mkdirat(f->app, "src/node_modules", 0755), 0);
	scratch_write(&f->s, "app/src/node_modules/x", "x");
	scratch_write(&f->s, "app/.env", "SECRET=1");
	assert_int_equal(mkfifoat(f->app, "pipe", 0644), 0);
	assert_int_equal(verify(f, true).n_drift, 0);
	assert_switches(f, first, empty);
	assert_string_equal(scratch_read(&f->s, "app/src/node_modules/x"), "x");
	assert_string_equal(scratch_read(&f->s, "app/.env"), "SECRET=1");
	assert_absent(f, "src/a.js");
}

static void counts_what_was_applied_whatever_its_name(void **state)
{
	static const struct tree_file built[] = {
		{".env", MODE_FILE, "A=1\n"},
		{"dist/app.js", MODE_FILE, "built"},
		{0},
	};
	struct fixture *f = *state;

	assert_switches(f, empty, built);
	scratch_write(&f->s, "app/dist/other.js", "not applied");
	assert_int_equal(verify(f, false).n_drift, 0);
	scratch_write(&f->s, "app/dist/app.js", "changed");
	assert_int_equal(verify(f, false).n_drift, 1);
}

static void refuses_hostile_paths_and_goes_on(void **state)
{
	static const char *const bad[] = {
		"../up",
		"a/../../up",
		"/etc/x",
		".git/hooks/post-checkout",
		"x/.GIT/config",
		"a//b",
		"./a",
		"git~1/x",
		"a/",
		".g\xe2\x80\x8cit/config",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const struct tree_file file[] = {{bad[i], MODE_FILE, "x"}, {0}};
		struct wire_frame r;

		(void)agent_client_new_id(&f->c);
		agent_client_gather(&f->c, (struct wire_frame){.type = WIRE_APPLY,
							       .from = agent_client_tree(empty),
							       .n_changes = 1});
		agent_client_gather(&f->c, (struct wire_frame){.type = WIRE_FILE,
							       .mode = file->mode,
							       .size = 1,
							       .path = wire_str(bad[i]),
							       .data = wire_data("x", 1)});
		agent_client_gather(&f->c, (struct wire_frame){.type = WIRE_COMMIT});
		agent_client_flush(&f->c);
		r = agent_client_next(&f->c);
		assert_refused(&r, WIRE_E_PATH);
	}
	assert_switches(f, empty, first);
}

static void refuses_content_that_arrives_damaged(void **state)
{
	struct fixture *f = *state;
	struct wire_frame r;

	(void)agent_client_new_id(&f->c);
	agent_client_gather(&f->c, (struct wire_frame){.type = WIRE_APPLY,
						       .from = agent_client_tree(empty),
						       .to = agent_client_tree(first),
						       .n_changes = 1});
	agent_client_gather(&f->c, (struct wire_frame){.type = WIRE_FILE,
						       .mode = MODE_FILE,
						       .size = 4,
						       .path = wire_str("a"),
						       .data = wire_data("da", 2)});
	agent_client_gather(&f->c,
			    (struct wire_frame){.type = WIRE_MORE, .data = wire_data("ta", 2)});
	agent_client_gather(&f->c, (struct wire_frame){.type = WIRE_COMMIT});
	agent_client_flush(&f->c);
	r = agent_client_next(&f->c);
	assert_refused(&r, WIRE_E_HASH);
	assert_absent(f, "a");
	assert_stage_is_empty(f);
}

static void sees_a_change_that_hides_its_time(void **state)
{
	struct fixture *f = *state;
	struct timespec times[2];
	struct stat st;

	assert_switches(f, empty, first);
	assert_int_equal(fstatat(f->app, "src/a.js", &st, 0), 0);
	scratch_write(&f->s, "app/src/a.js", "X\n");
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	assert_int_equal(utimensat(f->app, "src/a.js", times, 0), 0);
	assert_int_equal(verify(f, false).n_drift, 1);
	assert_int_equal(verify(f, true).n_drift, 1);
}

static void counts_every_kind_of_drift(void **state)
{
	struct fixture *f = *state;
	struct wire_frame r;

	assert_switches(f, empty, first);
	scratch_write(&f->s, "app/new.txt", "new");
	assert_int_equal(unlinkat(f->app, "src/b.js", 0), 0);
	assert_int_equal(fchmodat(f->app, "index.html", 0755, 0), 0);
	assert_int_equal(unlinkat(f->app, "link", 0), 0);
	assert_int_equal(symlinkat("elsewhere", f->app, "link"), 0);
	r = verify(f, false);
	assert_int_equal(r.n_drift, 4);
	assert_int_equal(r.n_files, 6);
}

static void adopts_what_a_manifest_lists(void **state)
{
	static const struct tree_file changed[] = {
		{"index.html", MODE_FILE, "edited"},
		{"src/a.js", MODE_FILE, "a\n"},
		{"src/z.js", MODE_EXEC, "made inside"},
		{0},
	};
	struct fixture *f = *state;
	struct oid want = agent_client_tree(changed);
	struct wire_frame r;

	assert_switches(f, empty, first);
	scratch_write(&f->s, "app/index.html", "edited");
	scratch_write(&f->s, "app/src/z.js", "made inside");
	assert_int_equal(fchmodat(f->app, "src/z.js", 0755, 0), 0);
	assert_int_equal(unlinkat(f->app, "src/b.js", 0), 0);
	assert_int_equal(unlinkat(f->app, "link", 0), 0);
	assert_int_equal(unlinkat(f->app, "bin/run.sh", 0), 0);
	assert_int_equal(unlinkat(f->app, "package.json", 0), 0);
	r = agent_client_ask(&f->c, (struct wire_frame){.type = WIRE_MANIFEST});
	for (const struct tree_file *t = changed; t->path; t++) {
		assert_frame(&r, WIRE_ENTRY);
		assert_int_equal(r.mode, t->mode);
		assert_int_equal(r.size, strlen(t->text));
		assert_memory_equal(r.path.p, t->path, r.path.len);
		r = agent_client_next(&f->c);
	}
	assert_frame(&r, WIRE_END);
	assert_int_equal(r.n, 3);
	assert_true(oid_eq(&r.tree, &want));
	assert_switches(f, changed, second);
}

static void undoes_from_what_it_has(void **state)
{
	struct fixture *f = *state;
	static const struct tree_file a[] = {
		{"x", MODE_FILE, "one"}, {"y", MODE_EXEC, "2"}, {0}};
	static const struct tree_file b[] = {{"x", MODE_FILE, "other"}, {0}};
	struct wire_frame r;

	assert_switches(f, empty, a);
	assert_switches(f, a, b);
	r = agent_client_switch(&f->c, b, a, WIRE_CACHED);
	assert_frame(&r, WIRE_APPLIED);
	assert_holds(f, a);
	r = agent_client_switch(&f->c, a, second, WIRE_CACHED);
	assert_refused(&r, WIRE_E_NOT_RESIDENT);
	replace_agent(f);
	r = agent_client_switch(&f->c, a, b, WIRE_CACHED);
	assert_frame(&r, WIRE_APPLIED);
	assert_holds(f, b);
}

static void does_not_trust_its_own_cache(void **state)
{
	struct fixture *f = *state;
	static const struct tree_file a[] = {{"x", MODE_FILE, "one"}, {0}};
	static const struct tree_file b[] = {{"x", MODE_FILE, "two"}, {0}};
	char hex[OID_HEX_LEN + 1], path[100];
	struct wire_frame r;
	struct oid oid;

	assert_switches(f, empty, a);
	assert_switches(f, a, b);
	assert_true(oid_parse("43dd47ea691c90a5fa7827892c70241913351963", 40, &oid));
	(void)snprintf(path, sizeof(path), ".frag/objects/%s", oid_hex(&oid, hex));
	assert_string_equal(scratch_read(&f->s, path), "one");
	scratch_write(&f->s, path, "bad");
	r = agent_client_switch(&f->c, b, a, WIRE_CACHED);
	assert_refused(&r, WIRE_E_NOT_RESIDENT);
	assert_holds(f, b);
}

static void keeps_its_epoch_and_its_tree_through_a_kill(void **state)
{
	struct wire_frame plant = {.type = WIRE_EPOCH, .epoch = "0123456789abcde"}, r;
	struct fixture *f = *state;
	struct oid want = agent_client_tree(first);

	r = agent_client_ask(&f->c, plant);
	assert_frame(&r, WIRE_OK);
	assert_switches(f, empty, first);
	replace_agent(f);
	assert_true(oid_eq(&f->c.welcome.tree, &want));
	assert_memory_equal(f->c.welcome.epoch, plant.epoch, 16);
	plant.epoch[0] = 'x';
	r = agent_client_ask(&f->c, plant);
	assert_refused(&r, WIRE_E_MOVED);
	assert_int_equal(verify(f, false).n_drift, 0);
}

static void lists_anew_when_its_memory_is_damaged(void **state)
{
	struct fixture *f = *state;
	struct oid want = agent_client_tree(first);

	assert_switches(f, empty, first);
	scratch_write(&f->s, ".frag/manifest", "no manifest at all");
	replace_agent(f);
	assert_true(oid_eq(&f->c.welcome.tree, &want));
	assert_switches(f, first, second);
}

static void ends_the_stream_at_bytes_that_are_no_frame(void **state)
{
	struct fixture *f = *state;
	struct wire_frame r;

	assert_int_equal(send(f->c.fd, "GET / HTTP/1.0\r\n\r\n", 18, 0), 18);
	r = agent_client_next(&f->c);
	assert_refused(&r, WIRE_E_PROTOCOL);
	assert_false(agent_client_try_next(&f->c, &r));
	agent_client_stop(&f->c);
	agent_client_start(&f->c, agent_path, f->s.path);
}

static void takes_the_project_folder_when_it_was_removed(void **state)
{
	struct fixture *f = *state;

	assert_switches(f, empty, first);
	assert_int_equal(renameat(f->s.fd, "app", f->s.fd, "gone"), 0);
	assert_int_equal(verify(f, false).n_drift, 6);
	close(f->app);
	f->app = openat(f->s.fd, "app", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(f->app >= 0);
}

static void keeps_a_submodule_as_a_folder(void **state)
{
	struct fixture *f = *state;
	struct wire_frame r, file = {.type = WIRE_FILE,
				     .mode = MODE_GITLINK,
				     .oid = {.id = {1, 2, 3}},
				     .path = wire_str("vendor/lib")};
	struct oid tree;

	/* git mktree of "160000 commit 010203…\tlib" below vendor */
	assert_true(oid_parse("df27d9953285b02dd86ae733f1811cfc87b2099f", 40, &tree));
	(void)agent_client_new_id(&f->c);
	agent_client_gather(&f->c, (struct wire_frame){.type = WIRE_APPLY,
						       .from = agent_client_tree(empty),
						       .to = tree,
						       .n_changes = 1});
	agent_client_gather(&f->c, file);
	agent_client_gather(&f->c, (struct wire_frame){.type = WIRE_COMMIT});
	agent_client_flush(&f->c);
	r = agent_client_next(&f->c);
	assert_frame(&r, WIRE_APPLIED);
	assert_int_equal(verify(f, true).n_drift, 0);
}

int main(int argc, char **argv)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(starts_with_the_empty_tree_and_no_epoch),
		T(puts_a_tree_in_place),
		T(switches_there_and_back),
		T(turns_files_into_folders_and_back),
		T(answers_a_verify_sent_behind_the_commit),
		T(refuses_to_start_from_another_tree),
		T(refuses_changes_that_do_not_make_the_tree),
		T(overwrites_nothing_that_the_sandbox_changed),
		T(does_not_take_the_place_of_a_file_the_sandbox_made),
		T(never_writes_through_a_link),
		T(leaves_alone_what_does_not_count),
		T(counts_what_was_applied_whatever_its_name),
		T(refuses_hostile_paths_and_goes_on),
		T(refuses_content_that_arrives_damaged),
		T(sees_a_change_that_hides_its_time),
		T(counts_every_kind_of_drift),
		T(adopts_what_a_manifest_lists),
		T(undoes_from_what_it_has),
		T(does_not_trust_its_own_cache),
		T(keeps_its_epoch_and_its_tree_through_a_kill),
		T(lists_anew_when_its_memory_is_damaged),
		T(ends_the_stream_at_bytes_that_are_no_frame),
		T(takes_the_project_folder_when_it_was_removed),
		T(keeps_a_submodule_as_a_folder),
	};

	agent_path = argc > 1 ? argv[1] : NULL;
	if (!agent_path)
		return 2;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
