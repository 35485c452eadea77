/* tests/fs/test_same.c - the differential test: a fragment is what `git archive | tar` makes of it.
 *
 * Bytes, modes and link targets of random fragments of a real repository (this project's own, when its sources are a
 * clone) and of a generated one are compared path by path.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/fs/mounted.h"

/* Everything a tree can say of a path: type, mode, target, content. */
static const char describe[] =
	"describe() { (cd \"$1\"; find . -mindepth 1 -printf '%y %m %l %p\\n' | sort; "
	"find . -type f -print0 | sort -z | xargs -0r sha1sum); }\n"
	"compare() { rm -rf \"$T/native\"; mkdir \"$T/native\"; (umask 022; git -C \"$1\" -c "
	"tar.umask=0022 archive \"$3\" | "
	"tar -x --no-same-owner -C \"$T/native\"); describe \"$T/native\" >\"$T/a\"; describe "
	"\"$2/$3\" >\"$T/b\"; "
	"cmp \"$T/a\" \"$T/b\" || { diff \"$T/a\" \"$T/b\" | head; exit 1; }; test -s "
	"\"$T/a\"; }\n";

static void is_what_git_archives_of_the_sample(void **state)
{
	struct mounted *m = *state;

	mounted_sh(m,
		   "%sfor c in $(git -C \"$R\" rev-list --all); do compare \"$R\" "
		   "\"$M/demo/at\" $c; done",
		   describe);
}

static void is_what_git_archives_of_a_real_history(void **state)
{
	struct mounted *m = *state;

	if (mounted_try_sh(m, "git -C \"$SOURCE\" rev-parse -q --git-dir"))
		skip();
	mounted_sh(m, "git clone -q --bare \"$SOURCE\" \"$H/projects/self.git\"");
	mounted_until(m, 20000, "test -e \"$M/self/at/HEAD/README.md\"");
	mounted_sh(m,
		   "%sr=\"$H/projects/self.git\"; for c in HEAD $(git -C \"$r\" rev-list --all "
		   "| shuf -n 12 "
		   "--random-source=\"$r/HEAD\" 2>/dev/null || git -C \"$r\" rev-list --all | "
		   "head -12); do "
		   "compare \"$r\" \"$M/self/at\" $c; done",
		   describe);
	mounted_sh(m, "for f in $(ls \"$M/self/fragments\" | tail -3); do diff -r "
		      "\"$M/self/fragments/$f\" "
		      "\"$M/self/at/${f%%%%-*}/\"; done");
}

/* Names and contents that tools stumble over. */
static void is_what_git_archives_of_odd_things(void **state)
{
	struct mounted *m = *state;

	mounted_sh(
		m,
		"cd \"$W\"; git checkout -q --orphan odd; git rm -rqf .; "
		"printf x >\"$(printf 'new\\nline')\"; printf x >-dash; printf x >'sp ace'; "
		"printf x >\"$(printf 'latin\\351')\"; printf x >'\"quote'; printf x "
		">'back\\slash'; "
		"mkdir ünïcode; printf x >ünïcode/日本; printf x >$(printf %%0255d 1); ln -s "
		"/etc/passwd absolute; "
		"ln -s nowhere dangling; ln -s $(printf %%01000d 1) long; printf x >.hidden; "
		"mkdir -p a a.b a0; printf x >a/b; printf x >a.b/c; printf x >a0/c; printf x "
		">a-b; "
		"head -c 3000000 /dev/urandom >big; head -c 1048576 /dev/zero >edge; head -c "
		"1048577 /dev/zero >past; "
		"printf x >exec; chmod 755 exec; git add -A; git commit -qm odd; git push -q "
		"origin odd");
	mounted_until(m, 5000, "test -e \"$M/demo/at/odd/exec\"");
	mounted_sh(m, "%scompare \"$R\" \"$M/demo/at\" odd", describe);
	mounted_sh(
		m,
		"cd \"$M/demo/at/odd\"; cmp big \"$W/big\"; test \"$(tail -c 100 big | "
		"sha1sum)\" = \"$(tail -c 100 \"$W/big\" | sha1sum)\"; "
		"test \"$(dd if=big bs=1 skip=2999990 count=100 2>/dev/null | wc -c)\" = 10");
}

static void is_the_same_to_rsync_and_tar(void **state)
{
	struct mounted *m = *state;

	mounted_sh(m, "cd \"$M/demo/live\"; tar -c . | tar -d -C \"$M/demo/live\"");
	if (mounted_try_sh(m, "command -v rsync"))
		return;
	mounted_sh(m, "rsync -a \"$M/demo/live/\" \"$T/copy/\"; test -z \"$(rsync -ain "
		      "--checksum \"$M/demo/live/\" \"$T/copy/\")\"");
}

static void lists_a_hundred_thousand_entries_once_each(void **state)
{
	struct mounted *m = *state;

	mounted_sh(m, "cd \"$W\"; git checkout -q --orphan wide; git rm -rqf .; b=$(echo x | "
		      "git hash-object -w --stdin); "
		      "t=$(seq -f file-%%06.0f 100000 | sed \"s/^/100644 blob $b\\t/\" | git "
		      "mktree); "
		      "c=$(git commit-tree -m wide $t); git push -q origin $c:refs/heads/wide");
	mounted_until(m, 20000, "ls \"$M/demo/at/wide\" >/dev/null");
	mounted_sh(m, "cd \"$M/demo/at/wide/\"; test $(find . -type f | wc -l) = 100000; "
		      "test $(ls -U | sort -u | wc -l) = 100000; test $(find . -type f -printf "
		      "'%%s\\n' | sort -u) = 2");
	mounted_sh(m, "git -C \"$R\" symbolic-ref HEAD refs/heads/wide");
	mounted_until(m, 5000, "test -e \"$M/demo/live/file-000001\"");
	mounted_sh(m, "cd \"$M/demo/live\"; test $(ls -U | sort -u | wc -l) = 100000");
}

#define CLAIM(fn) cmocka_unit_test_setup_teardown(fn, mounted_setup, mounted_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLAIM(is_what_git_archives_of_the_sample),
		CLAIM(is_what_git_archives_of_a_real_history),
		CLAIM(is_what_git_archives_of_odd_things),
		CLAIM(is_the_same_to_rsync_and_tar),
		CLAIM(lists_a_hundred_thousand_entries_once_each),
	};

	if (!mounted_possible())
		return 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
