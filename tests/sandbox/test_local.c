/* tests/sandbox/test_local.c - real sandboxes of bubblewrap, through the provider's interface. */
#include "provider/provider.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
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
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "provider/agent/wire.h"
#include "tests/agent_client.h"
#include "tests/scratch.h"

static char agent_path[300], self_path[300];

struct fixture {
	struct scratch s;
	struct provider *p;
	struct provider_spec spec;
	struct provider_sandbox box;
	char why[PROVIDER_WHY_MAX];
	struct provider_preview preview;
	struct provider_sink sink;
	struct buf out;
};

static int create(struct provider *p, void *arg, struct provider_call *c)
{
	struct fixture *f = arg;

	return provider_create(p, &f->spec, &f->box, c);
}

static int delete (struct provider *p, void *arg, struct provider_call *c)
{
	return provider_delete(p, ((struct fixture *)arg)->box.id, c);
}

static int stop(struct provider *p, void *arg, struct provider_call *c)
{
	return provider_stop(p, ((struct fixture *)arg)->box.id, c);
}

static int start(struct provider *p, void *arg, struct provider_call *c)
{
	return provider_start(p, ((struct fixture *)arg)->box.id, c);
}

static int get(struct provider *p, void *arg, struct provider_call *c)
{
	struct fixture *f = arg;

	return provider_get(p, f->box.id, &f->box, c);
}

static int do_it(struct fixture *f, provider_start_fn fn)
{
	return provider_run(f->p, fn, f, 0, f->why);
}

static void open_provider(struct fixture *f)
{
	const struct provider_local_config config = {
		.dir = f->s.path, .agent = agent_path, .self = self_path};

	assert_int_equal(provider_local_new(&config, &f->p), 0);
}

static int setup(void **state)
{
	static const char *const env[] = {"GREETING=from the spec", "TOKEN=canary-9431", NULL};
	struct fixture *f = alloc_zero(sizeof(*f));

	scratch_init(&f->s);
	buf_init(&f->out, 64 << 20);
	f->spec = (struct provider_spec){
		.label = "demo", .max_processes = 64, .disk_bytes = 8 << 20, .env = env};
	open_provider(f);
	if (do_it(f, create))
		fail_msg("create: %s", f->why);
	*state = f;
	return 0;
}

/* The agent's pid as this machine sees it. */
static pid_t agent_pid(struct fixture *f)
{
	char path[100];
	const char *text;
	long pid = 0;

	(void)snprintf(path, sizeof(path), "%s/run/agent.json", f->box.id);
	text = scratch_read(&f->s, path);
	assert_int_equal(sscanf(text, "{\"pid\":%ld", &pid), 1);
	return (pid_t)pid;
}

static bool exists(pid_t pid)
{
	return !kill(pid, 0) || errno != ESRCH;
}

static unsigned count_mounts(void)
{
	CLEANUP(fclosep) FILE *f = fopen("/proc/self/mountinfo", "re");
	unsigned n = 0;
	int c;

	assert_non_null(f);
	while ((c = fgetc(f)) != EOF)
		n += c == '\n';
	return n;
}

static void assert_nothing_is_left(struct fixture *f)
{
	int fd = openat(f->s.fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP(closedirp) DIR *dir = fdopendir(fd);
	struct dirent *e;

	while ((e = readdir(dir)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			fail_msg("left behind: %s", e->d_name);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (do_it(f, delete))
		fail_msg("delete: %s", f->why);
	assert_nothing_is_left(f);
	provider_free(f->p);
	buf_deinit(&f->out);
	scratch_deinit(&f->s);
	free(f);
	return 0;
}

struct running {
	struct fixture *f;
	struct provider_exec x;
};

static struct buf *output;

static void keep_output(struct provider_call *c, int fd, const void *data, size_t len)
{
	assert_int_equal(buf_add(output, data, len), 0);
}

static int exec(struct provider *p, void *arg, struct provider_call *c)
{
	struct running *r = arg;

	return provider_exec(p, r->f->box.id, &r->x, c);
}

/* Runs a line of shell with an input; what became of the call. Output of both kinds is in f->out. */
static int try_sh(struct fixture *f, const char *line, const char *in, int *status)
{
	const char *const argv[] = {"sh", "-c", line, NULL};
	struct running r = {.f = f, .x = {.argv = argv, .on_output = keep_output, .in = in}};
	int result;

	r.x.in_len = in ? strlen(in) : 0;
	output = &f->out;
	buf_clear(&f->out);
	result = provider_run(f->p, exec, &r, 20000, f->why);
	*status = r.x.status;
	return result;
}

static int sh(struct fixture *f, const char *line)
{
	int status, r = try_sh(f, line, NULL, &status);

	if (r)
		fail_msg("%s: %d %s", line, r, f->why);
	return status;
}

static void assert_says(struct fixture *f, const char *line, const char *want)
{
	assert_int_equal(sh(f, line), 0);
	assert_string_equal(f->out.data, want);
}

static void passes_output_and_status_through(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(sh(f, "echo out; echo err >&2; pwd; exit 7"), 7);
	assert_non_null(strstr(f->out.data, "out\n"));
	assert_non_null(strstr(f->out.data, "err\n"));
	assert_non_null(strstr(f->out.data, "/sb/app\n"));
	assert_int_equal(sh(f, "kill -9 $$"), 128 + 9);
}

static void gives_input_and_its_end(void **state)
{
	struct fixture *f = *state;
	int status;

	assert_int_equal(try_sh(f, "cat; echo END", "line\n", &status), 0);
	assert_string_equal(f->out.data, "line\nEND\n");
}

static void carries_much_output_whole(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(sh(f, "i=0; while [ $i -lt 200 ]; do head -c 65536 /dev/zero; "
			       "i=$((i+1)); done"),
			 0);
	assert_int_equal(f->out.len, 200 * 65536);
}

static void says_when_a_command_cannot_be_started(void **state)
{
	struct fixture *f = *state;
	const char *const argv[] = {"no-such-command", NULL};
	struct running r = {.f = f, .x = {.argv = argv}};

	assert_int_equal(provider_run(f->p, exec, &r, 0, f->why), PROVIDER_REFUSED);
	assert_non_null(strstr(f->why, "no-such-command"));
}

/* In how many command lines on this machine does it stand? */
static unsigned count_cmdlines(const char *canary)
{
	CLEANUP(closedirp) DIR *proc = opendir("/proc");
	struct dirent *e;
	unsigned n = 0;

	while ((e = readdir(proc))) {
		CLEANUP(buf_deinit) struct buf text;
		char path[300];
		CLEANUP(close_p) int fd = -1;

		buf_init(&text, 1 << 20);
		(void)snprintf(path, sizeof(path), "/proc/%s/cmdline", e->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0)
			(void)io_slurp_fd(fd, &text);
		n += memmem(text.data, text.len, canary, strlen(canary)) != NULL;
	}
	return n;
}

static void sees_the_environment_it_was_given_and_no_other(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(setenv("HOST_SECRET", "canary", 1), 0);
	assert_says(f, "echo \"$GREETING|$HOST_SECRET|$USER|$HOME\"",
		    "from the spec||sb|/home/sb\n");
	assert_int_equal(count_cmdlines("canary-9431"), 0);
}

static int put(struct provider *p, void *arg, struct provider_call *c)
{
	struct fixture *f = arg;
	static struct provider_file file;

	file = (struct provider_file){
		.path = "/home/sb/app/deep/er/file",
		.data = f->out.data,
		.len = f->out.len,
		.mode = 0755,
	};

	return provider_put(p, f->box.id, &file, c);
}

static int fetch(struct provider *p, void *arg, struct provider_call *c)
{
	struct fixture *f = arg;

	f->sink = (struct provider_sink){.path = "/home/sb/app/deep/er/file", .into = &f->out};
	return provider_fetch(p, f->box.id, &f->sink, c);
}

static void puts_and_fetches_bytes(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(do_it(f, fetch), PROVIDER_REFUSED);
	for (uint32_t i = 0; i < 700000; i++)
		assert_int_equal(buf_u32(&f->out, i * 2654435761U), 0);
	assert_int_equal(do_it(f, put), 0);
	buf_clear(&f->out);
	assert_int_equal(do_it(f, fetch), 0);
	assert_int_equal(f->out.len, 2800000);
	for (uint32_t i = 0; i < 700000; i++) {
		uint32_t v = i * 2654435761U;

		assert_memory_equal(f->out.data + 4 * (size_t)i, &v, 4);
	}
	assert_int_equal(sh(f, "test -x deep/er/file && cat deep/er/file | wc -c"), 0);
	assert_string_equal(f->out.data, "2800000\n");
}

static void sees_nothing_of_the_machine(void **state)
{
	struct fixture *f = *state;
	char line[700];

	(void)snprintf(line, sizeof(line), "ls -d %s %s 2>/dev/null | wc -l", f->s.path,
		       agent_path);
	assert_says(f, line, "0\n");
	assert_says(f, "ls / | grep -v lib | xargs", "bin dev etc home proc sbin tmp usr\n");
	assert_says(f, "ls /home", "daytona\nsb\nuser\n");
	assert_says(f, "cut -d: -f1 /etc/passwd | xargs", "sb nobody\n");
	assert_says(f, "ls -d /proc/[0-9]* | wc -l", "5\n"); /* agent, supervisor, sh, ls, wc */
	assert_says(f, "tail -n +3 /proc/net/dev | cut -d: -f1 | xargs", "lo\n");
	assert_says(f, "hostname", "sandbox\n");
	assert_says(f, "id -u", "1000\n");
	assert_says(f, "grep -c '^Cap[A-Z][a-z]*:.0*$' /proc/self/status", "5\n");
	assert_says(f, "grep NoNewPrivs /proc/self/status", "NoNewPrivs:\t1\n");
}

static void can_write_only_where_it_lives(void **state)
{
	struct fixture *f = *state;

	assert_says(f,
		    "for d in / /usr /usr/bin /etc /dev /home /proc/sys/kernel; do "
		    "touch $d/x 2>/dev/null && echo $d; done; "
		    "touch /tmp/x /dev/shm/x ~/x x && echo fine",
		    "fine\n");
	assert_int_equal(sh(f, "echo x >/proc/sys/kernel/hostname"), 2);
	assert_int_not_equal(sh(f, "unshare -Ur true"), 0);
}

static void cannot_touch_its_agent(void **state)
{
	struct fixture *f = *state;
	pid_t pid = agent_pid(f);

	(void)sh(f, "kill -9 1; kill -TERM 1; kill -INT 1; kill -STOP 1");
#ifndef __SANITIZE_ADDRESS__ /* which has a handler of its own for it */
	(void)sh(f, "kill -SEGV 1");
#endif
	assert_int_not_equal(sh(f, "cat /proc/1/environ /proc/1/mem"), 0);
	assert_says(f, "echo alive", "alive\n");
	assert_int_equal(agent_pid(f), pid);
}

static void outlives_a_fork_bomb(void **state)
{
	struct fixture *f = *state;

	(void)sh(f, "i=0; while [ $i -lt 200 ]; do sleep 30 & i=$((i+1)); done 2>/dev/null");
	(void)sh(f, "ls -d /proc/[0-9]* | wc -l");
	assert_int_equal(do_it(f, fetch), PROVIDER_REFUSED);
	assert_non_null(strstr(f->why, "no file"));
	assert_int_equal(do_it(f, stop), 0);
	assert_int_equal(do_it(f, start), 0);
	assert_says(f, "ls -d /proc/[0-9]* | wc -l", "5\n");
}

static void bounds_files_and_shared_memory(void **state)
{
	struct fixture *f = *state;

	(void)sh(f, "head -c 20000000 /dev/zero >big 2>/dev/null");
	assert_says(f, "wc -c <big", "8388608\n");
	(void)sh(f, "for i in 1 2 3 4 5 6 7 8 9 10; do head -c 8000000 /dev/zero "
		    ">/dev/shm/$i 2>/dev/null; done");
	assert_says(f, "test $(cat /dev/shm/* | wc -c) -le 67108864 && echo bounded",
		    "bounded\n");
}

static void stops_with_everything_in_it(void **state)
{
	struct fixture *f = *state;
	pid_t pid = agent_pid(f);
	int status;

	assert_int_equal(sh(f, "setsid sleep 1000 >/dev/null 2>&1 & echo kept >note"), 0);
	/* The shell's child and setsid's may both carry the word for a moment. */
	assert_says(f,
		    "until n=$(grep -ls '[s]leep' /proc/[0-9]*/cmdline | wc -l); "
		    "[ \"$n\" -eq 1 ]; do :; done; echo $n",
		    "1\n");
	assert_true(exists(pid));
	assert_int_equal(do_it(f, stop), 0);
	assert_false(exists(pid));
	assert_int_equal(do_it(f, get), 0);
	assert_int_equal(f->box.state, PROVIDER_STOPPED);
	assert_int_equal(try_sh(f, "true", NULL, &status), PROVIDER_ASLEEP);
	assert_int_equal(do_it(f, stop), 0);
	assert_int_equal(do_it(f, start), 0);
	assert_int_equal(do_it(f, get), 0);
	assert_int_equal(f->box.state, PROVIDER_RUNNING);
	/* The pattern does not match the command lines that it stands in. */
	assert_says(f, "cat note; grep -ls '[s]leep' /proc/[0-9]*/cmdline | wc -l",
		    "kept\n0\n");
	assert_int_equal(do_it(f, start), 0);
}

static int count_one(const struct provider_sandbox *s, void *arg)
{
	struct fixture *f = arg;

	assert_string_equal(s->id, f->box.id);
	assert_string_equal(s->label, "demo");
	return buf_u8(&f->out, 'x');
}

static int list(struct provider *p, void *arg, struct provider_call *c)
{
	static struct provider_page page;

	page = (struct provider_page){.fn = count_one, .arg = arg};
	return provider_list(p, &page, c);
}

static void is_found_again_by_another_process(void **state)
{
	struct fixture *f = *state;

	provider_free(f->p);
	open_provider(f);
	assert_int_equal(do_it(f, list), 0);
	assert_int_equal(f->out.len, 1);
	assert_says(f, "echo still here", "still here\n");
}

static void knows_only_its_own_ids(void **state)
{
	static const char *const bad[] = {
		"", ".", "..", "../etc", "0123456789abcdef0123", "ABCDEF", "0/../../x",
	};
	struct fixture *f = *state;
	const struct provider_sandbox mine = f->box;
	int status;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		(void)snprintf(f->box.id, sizeof(f->box.id), "%s", bad[i]);
		assert_int_equal(do_it(f, get), PROVIDER_GONE);
		assert_int_equal(do_it(f, start), PROVIDER_GONE);
		assert_int_equal(do_it(f, stop), PROVIDER_GONE);
		assert_int_equal(do_it(f, delete), 0);
		assert_int_equal(try_sh(f, "true", NULL, &status), PROVIDER_GONE);
	}
	f->box = mine;
	assert_says(f, "echo untouched", "untouched\n");
}

static void removes_what_a_sandbox_made_hard_to_remove(void **state)
{
	struct fixture *f = *state;

	/* teardown removes it and looks */
	assert_says(f,
		    "mkdir -p shut/in && touch shut/in/x && chmod 0 shut/in shut && "
		    "d=0123456789; i=0; while [ $i -lt 600 ]; do mkdir $d && cd $d; "
		    "i=$((i+1)); done 2>/dev/null; touch bottom; echo $i",
		    "600\n");
}

static void not_done(struct provider_call *c, int result)
{
	*(int *)c->arg = result;
}

static void kills_what_was_cancelled(void **state)
{
	const char *const argv[] = {"sleep", "1000", NULL};
	struct fixture *f = *state;
	struct provider_exec x = {.argv = argv};
	int result = 1;
	struct provider_call c = {.done = not_done, .arg = &result};

	assert_int_equal(provider_exec(f->p, f->box.id, &x, &c), 0);
	assert_int_equal(sh(f, "until pgrep sleep >/dev/null; do :; done"), 0);
	assert_int_equal(provider_cancel(f->p, &c), 0);
	while (result == 1)
		assert_true(provider_poll(f->p, NULL, 0, 1000) >= 0);
	assert_int_equal(result, -ECANCELED);
	assert_int_equal(sh(f, "while pgrep sleep >/dev/null; do :; done"), 0);
}

static void gives_up_at_the_deadline(void **state)
{
	const char *const argv[] = {"sleep", "1000", NULL};
	struct fixture *f = *state;
	struct running r = {.f = f, .x = {.argv = argv}};

	assert_int_equal(provider_run(f->p, exec, &r, 100, f->why), -ETIMEDOUT);
	assert_int_equal(sh(f, "while pgrep sleep >/dev/null; do :; done"), 0);
}

static int url(struct provider *p, void *arg, struct provider_call *c)
{
	struct fixture *f = arg;

	f->preview.port = 8000;
	return provider_url(p, f->box.id, &f->preview, c);
}

/* GET / of the preview; the whole answer in f->out. */
static void get_preview(struct fixture *f)
{
	static const char ask[] = "GET /page.html HTTP/1.0\r\n\r\n";
	struct sockaddr_in addr = {.sin_family = AF_INET};
	CLEANUP(close_p) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	unsigned port = 0;

	assert_int_equal(sscanf(f->preview.url, "http://127.0.0.1:%u/", &port), 1);
	addr.sin_port = htons((uint16_t)port);
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	buf_clear(&f->out);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(send(fd, ask, sizeof(ask) - 1, 0), sizeof(ask) - 1);
	assert_int_equal(io_slurp_fd(fd, &f->out), 0);
}

static void serves_a_preview_until_it_ends(void **state)
{
	struct fixture *f = *state;
	char path[100], first[PROVIDER_URL_MAX];
	long pid = 0;

	if (access("/usr/bin/busybox", X_OK) && access("/bin/busybox", X_OK))
		skip();
	assert_int_equal(do_it(f, url), 0);
	get_preview(f);
	assert_non_null(strstr(f->out.data, "502"));
	assert_int_equal(sh(f, "echo '<h1>hello</h1>' >page.html; "
			       "busybox httpd -p 127.0.0.1:8000 -h ."),
			 0);
	get_preview(f);
	assert_non_null(strstr(f->out.data, "200 OK"));
	assert_non_null(strstr(f->out.data, "<h1>hello</h1>\n"));
	memcpy(first, f->preview.url, sizeof(first));
	assert_int_equal(do_it(f, url), 0);
	assert_string_equal(f->preview.url, first);
	(void)snprintf(path, sizeof(path), "%s/run/forward-8000.json", f->box.id);
	assert_int_equal(sscanf(scratch_read(&f->s, path), "{\"pid\":%ld", &pid), 1);
	assert_true(exists((pid_t)pid));
	assert_int_equal(do_it(f, stop), 0);
	while (exists((pid_t)pid))
		assert_int_equal(poll(NULL, 0, 5), 0);
}

static int open_agent(struct provider *p, void *arg, struct provider_call *c)
{
	struct fixture *f = ((void **)arg)[0];

	return provider_agent_open(p, f->box.id, ((void **)arg)[1], c);
}

static void gives_out_the_agents_stream(void **state)
{
	static const struct tree_file none[] = {{0}}, one[] = {{"a", 0100644, "A"}, {0}};
	struct fixture *f = *state;
	struct channel *ch = NULL;
	void *args[] = {f, &ch};
	struct agent_client c;
	struct wire_frame r;
	int fd;

	assert_int_equal(provider_run(f->p, open_agent, args, 0, f->why), 0);
	fd = dup(ch->ops->fd(ch));
	assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
	ch->ops->close(ch);
	agent_client_use(&c, fd);
	r = agent_client_switch(&c, none, one, WIRE_INLINE);
	assert_frame(&r, WIRE_APPLIED);
	assert_says(f, "cat a; stat -c %a a", "A644\n");
	agent_client_stop(&c);
}

static void is_refused_where_the_agent_cannot_run(void **state)
{
	struct fixture *f = *state;
	char was[sizeof(agent_path)];
	const struct provider_sandbox mine = f->box;

	provider_free(f->p);
	memcpy(was, agent_path, sizeof(was));
	(void)snprintf(agent_path, sizeof(agent_path), "%s/no-agent", f->s.path);
	scratch_write(&f->s, "no-agent", "#!/bin/false\n");
	open_provider(f);
	assert_int_equal(do_it(f, create), PROVIDER_OFFLINE);
	assert_true(f->why[0] != '\0');
	assert_int_equal(unlinkat(f->s.fd, "no-agent", 0), 0);
	provider_free(f->p);
	memcpy(agent_path, was, sizeof(was));
	open_provider(f);
	f->box = mine;
}

static void leaves_no_mount(void **state)
{
	struct fixture *f = *state;
	unsigned before = count_mounts();

	assert_int_equal(do_it(f, stop), 0);
	assert_int_equal(do_it(f, start), 0);
	assert_int_equal(count_mounts(), before);
}

/* As root the agent is made readable to everybody, and the rest of the run belongs to a uid that owns nothing. */
static int become_nobody(void)
{
	enum { NOBODY = 61234 };

	return setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
	       setresuid(NOBODY, NOBODY, NOBODY);
}

int main(int argc, char **argv)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(passes_output_and_status_through),
		T(gives_input_and_its_end),
		T(carries_much_output_whole),
		T(says_when_a_command_cannot_be_started),
		T(sees_the_environment_it_was_given_and_no_other),
		T(puts_and_fetches_bytes),
		T(sees_nothing_of_the_machine),
		T(can_write_only_where_it_lives),
		T(cannot_touch_its_agent),
		T(outlives_a_fork_bomb),
		T(bounds_files_and_shared_memory),
		T(stops_with_everything_in_it),
		T(is_found_again_by_another_process),
		T(knows_only_its_own_ids),
		T(removes_what_a_sandbox_made_hard_to_remove),
		T(kills_what_was_cancelled),
		T(gives_up_at_the_deadline),
		T(serves_a_preview_until_it_ends),
		T(gives_out_the_agents_stream),
		T(is_refused_where_the_agent_cannot_run),
		T(leaves_no_mount),
	};

	/* The forwarder of previews is this program, too. */
	if (argc == 5 && !strcmp(argv[1], "sandbox-forward"))
		return provider_local_forward(argv[2], argv[3], 8000, 1) != 0;
	if (argc < 2 || readlink("/proc/self/exe", self_path, sizeof(self_path) - 1) < 0)
		return 2;
	(void)snprintf(agent_path, sizeof(agent_path), "%s", argv[1]);
	if (argc > 2 && !geteuid() && become_nobody())
		return 2;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
