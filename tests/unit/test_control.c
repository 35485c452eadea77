/* The control socket: answers what it should, and nothing a client does or omits harms another. */
#include "tools/control_server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "tests/scratch.h"
#include "tools/cli.h"

enum { PATIENCE_MS = 2000, ASK_MS = 30000, STRANGER = 12345 };

struct fixture {
	struct scratch scratch;
	struct control_server *server;
	struct cli cli;
	char home[300];
	int run_fd, gate[2]; /* "block" waits until the gate's write end is closed */
};

static int handle(const struct json *request, struct json_out *reply, void *arg)
{
	struct fixture *f = arg;
	const char *op = NULL, *text = NULL;
	char c;

	if (json_get_str(request, "op", &op)) {
		log_err("the request has no 'op'");
		return -EINVAL;
	}
	if (!strcmp(op, "fail")) {
		json_str_field(reply, "half", "written");
		log_err("it went wrong");
		return -EIO;
	}
	if (!strcmp(op, "block"))
		(void)!read(f->gate[0], &c, 1);
	if (!strcmp(op, "big")) {
		CLEANUP(free_p) char *big = alloc_zero((2 << 20) + 1);

		memset(big, 'x', 2 << 20);
		json_str_field(reply, "text", big);
	}
	if (!json_get_str(request, "text", &text))
		json_str_field(reply, "text", text);
	return 0;
}

static int setup(void **state)
{
	struct fixture *f = alloc_zero(sizeof(*f));
	struct control_config config = {.patience_ms = PATIENCE_MS, .fn = handle, .arg = f};

	scratch_init(&f->scratch);
	(void)snprintf(f->home, sizeof(f->home), "%s", f->scratch.path);
	assert_int_equal(mkdirat(f->scratch.fd, "run", 0700), 0);
	f->run_fd = openat(f->scratch.fd, "run", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(pipe2(f->gate, O_CLOEXEC), 0);
	config.run_fd = f->run_fd;
	f->cli.home = f->home;
	log_open(-1, LOG_LEVEL_ERR, false);
	assert_int_equal(control_server_start(&config, &f->server), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	close_p(&f->gate[1]);
	control_server_stop(f->server);
	close(f->gate[0]);
	close(f->run_fd);
	scratch_deinit(&f->scratch);
	free(f);
	return 0;
}

/* A connection that says nothing yet; -1 when refused. */
static int dial(const struct fixture *f)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(at.sun_path, sizeof(at.sun_path), "/proc/self/fd/%d/socket", f->run_fd);
	if (!connect(fd, (const struct sockaddr *)&at, sizeof(at)))
		return fd;
	close(fd);
	return -1;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* What comes until the other side hangs up or a line ends. */
static void hear(int fd, struct buf *b)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char c;

	buf_clear(b);
	while (poll(&p, 1, ASK_MS) == 1 && recv(fd, &c, 1, 0) == 1 && c != '\n')
		(void)buf_add(b, &c, 1);
}

static void assert_answers(struct fixture *f)
{
	CLEANUP(buf_deinit) struct buf reply;

	buf_init(&reply, 4096);
	assert_int_equal(
		cli_ask_daemon(&f->cli, "{\"op\":\"echo\",\"text\":\"hi\"}", &reply, ASK_MS),
		0);
	assert_string_equal(reply.data, "{\"text\":\"hi\",\"ok\":true}\n");
}

static void answers_a_request(void **state)
{
	assert_answers(*state);
}

static void answers_several_requests_on_one_connection(void **state)
{
	struct fixture *f = *state;
	CLEANUP(close_p) int fd = dial(f);
	CLEANUP(buf_deinit) struct buf b;

	buf_init(&b, 4096);
	say(fd, "{\"op\":\"echo\",\"text\":\"1\"}\n{\"op\":\"echo\",\"text\":\"2\"}\n{\"op\":");
	hear(fd, &b);
	assert_string_equal(b.data, "{\"text\":\"1\",\"ok\":true}");
	hear(fd, &b);
	assert_string_equal(b.data, "{\"text\":\"2\",\"ok\":true}");
	say(fd, "\"echo\"}\n");
	hear(fd, &b);
	assert_string_equal(b.data, "{\"ok\":true}");
}

static void sends_the_words_of_a_fault_and_nothing_half_written(void **state)
{
	struct fixture *f = *state;
	CLEANUP(buf_deinit) struct buf reply;

	buf_init(&reply, 4096);
	assert_int_equal(cli_ask_daemon(&f->cli, "{\"op\":\"fail\"}", &reply, ASK_MS), 0);
	assert_string_equal(reply.data, "{\"ok\":false,\"error\":\"it went wrong\"}\n");
}

static void delivers_an_answer_larger_than_any_socket_buffer(void **state)
{
	struct fixture *f = *state;
	CLEANUP(buf_deinit) struct buf reply;

	buf_init(&reply, 8 << 20);
	assert_int_equal(cli_ask_daemon(&f->cli, "{\"op\":\"big\"}", &reply, ASK_MS), 0);
	assert_int_equal(reply.len, (2 << 20) + strlen("{\"text\":\"\",\"ok\":true}\n"));
}

static void refuses_garbage_with_words_and_hangs_up(void **state)
{
	static const char *const garbage[] = {
		"\n",           "hello\n",         "[1]\n",          "\"op\"\n",
		"{\"op\":1}\n", "{\"op\":\"x\"\n", "\xff\xfe\x01\n", "{}{}\n",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
		CLEANUP(close_p) int fd = dial(f);
		CLEANUP(buf_deinit) struct buf b;

		buf_init(&b, 4096);
		say(fd, garbage[i]);
		hear(fd, &b);
		assert_non_null(strstr(b.data, "{\"ok\":false,\"error\":\""));
	}
	assert_answers(f);
}

static void refuses_a_request_past_its_ceiling(void **state)
{
	struct fixture *f = *state;
	CLEANUP(close_p) int fd = dial(f);
	CLEANUP(free_p) char *chunk = alloc_zero(65536);
	CLEANUP(buf_deinit) struct buf b;
	size_t sent = 0;

	buf_init(&b, 4096);
	memset(chunk, 'a', 65536);
	/* A gigabyte is announced; the server must stop taking it long before. */
	while (sent < (size_t)1 << 30) {
		ssize_t n = send(fd, chunk, 65536, MSG_NOSIGNAL);

		if (n <= 0)
			break;
		sent += (size_t)n;
	}
	assert_in_range(sent, 1, 4 * CONTROL_REQUEST_MAX);
	assert_answers(f);
}

static void cuts_off_a_client_that_sends_a_byte_now_and_then(void **state)
{
	struct fixture *f = *state;
	CLEANUP(close_p) int fd = dial(f);
	int64_t start = clock_now(clock_system());
	struct pollfd p = {.fd = fd, .events = POLLIN};

	/* poll() is the pause between two bytes, and notices the hang-up. */
	while (send(fd, "x", 1, MSG_NOSIGNAL) == 1 && !poll(&p, 1, 50))
		assert_in_range(clock_now(clock_system()) - start, 0, 20 * PATIENCE_MS);
	assert_in_range(clock_now(clock_system()) - start, PATIENCE_MS / 2, 20 * PATIENCE_MS);
	assert_answers(f);
}

static void serves_on_while_every_slot_is_held_by_silent_clients(void **state)
{
	struct fixture *f = *state;
	int fds[CONTROL_CLIENTS_MAX * 2];

	for (size_t i = 0; i < CONTROL_CLIENTS_MAX * 2; i++)
		fds[i] = dial(f);
	assert_answers(f);
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX * 2; i++)
		close_p(&fds[i]);
}

static void answers_others_while_one_request_takes_long(void **state)
{
	struct fixture *f = *state;
	CLEANUP(close_p) int fd = dial(f);
	CLEANUP(buf_deinit) struct buf b;

	buf_init(&b, 4096);
	say(fd, "{\"op\":\"block\"}\n");
	for (int i = 0; i < 20; i++)
		assert_answers(f);
	close(TAKE_FD(f->gate[1]));
	hear(fd, &b);
	assert_string_equal(b.data, "{\"ok\":true}");
}

static void survives_clients_that_hang_up_at_every_moment(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 200; i++) {
		CLEANUP(close_p) int fd = dial(f);

		say(fd, i % 3 == 0 ? "{\"op\":\"big\"}\n" : i % 3 == 1 ? "{\"op\":" : "");
	}
	assert_answers(f);
}

static void survives_ten_thousand_connects(void **state)
{
	struct fixture *f = *state;
	int before = scratch_open_fds();

	for (int i = 0; i < 10000; i++) {
		CLEANUP(close_p) int fd = dial(f);

		assert_true(fd >= 0);
	}
	assert_answers(f);
	assert_in_range(scratch_open_fds(), 0, before + CONTROL_CLIENTS_MAX);
}

static void shows_its_socket_to_nobody_else(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	assert_int_equal(fstatat(f->run_fd, "socket", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_true(S_ISSOCK(st.st_mode));
}

/* In a child with another user id: what the server says to it. */
static int stranger(const struct fixture *f)
{
	CLEANUP(buf_deinit) struct buf b;
	int fd;

	buf_init(&b, 4096);
	if (setuid(STRANGER))
		return 2;
	fd = dial(f);
	if (fd < 0)
		return 3;
	hear(fd, &b);
	return strstr(b.data, "another user") ? 0 : 4;
}

static void refuses_another_user_who_gets_past_the_permissions(void **state)
{
	struct fixture *f = *state;
	int status;
	pid_t pid;

	if (geteuid())
		skip();
	assert_int_equal(chmod(f->scratch.path, 0755), 0);
	assert_int_equal(fchmodat(f->scratch.fd, "run", 0755, 0), 0);
	assert_int_equal(fchmodat(f->run_fd, "socket", 0666, 0), 0);
	pid = fork();
	if (!pid)
		_exit(stranger(f));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_answers(f);
}

static void tells_when_there_is_no_daemon(void **state)
{
	struct fixture *f = *state;
	struct cli nowhere = {.home = "/nonexistent"};
	CLEANUP(buf_deinit) struct buf reply;

	buf_init(&reply, 4096);
	assert_int_equal(cli_ask_daemon(&nowhere, "{}", &reply, ASK_MS), CLI_NO_DAEMON);
	control_server_stop(TAKE(f->server));
	assert_int_equal(cli_ask_daemon(&f->cli, "{}", &reply, ASK_MS), CLI_NO_DAEMON);
}

static void takes_the_place_of_a_dead_daemons_socket(void **state)
{
	struct fixture *f = *state;
	struct control_config config = {
		.run_fd = f->run_fd, .patience_ms = PATIENCE_MS, .fn = handle, .arg = f};
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	CLEANUP(close_p) int dead = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CLEANUP(buf_deinit) struct buf reply;

	buf_init(&reply, 4096);
	control_server_stop(TAKE(f->server));
	(void)snprintf(at.sun_path, sizeof(at.sun_path), "/proc/self/fd/%d/socket", f->run_fd);
	assert_int_equal(bind(dead, (const struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(cli_ask_daemon(&f->cli, "{}", &reply, ASK_MS), CLI_NO_DAEMON);
	assert_int_equal(control_server_start(&config, &f->server), 0);
	assert_answers(f);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(answers_a_request),
		TEST(answers_several_requests_on_one_connection),
		TEST(sends_the_words_of_a_fault_and_nothing_half_written),
		TEST(delivers_an_answer_larger_than_any_socket_buffer),
		TEST(refuses_garbage_with_words_and_hangs_up),
		TEST(refuses_a_request_past_its_ceiling),
		TEST(cuts_off_a_client_that_sends_a_byte_now_and_then),
		TEST(serves_on_while_every_slot_is_held_by_silent_clients),
		TEST(answers_others_while_one_request_takes_long),
		TEST(survives_clients_that_hang_up_at_every_moment),
		TEST(survives_ten_thousand_connects),
		TEST(shows_its_socket_to_nobody_else),
		TEST(refuses_another_user_who_gets_past_the_permissions),
		TEST(tells_when_there_is_no_daemon),
		TEST(takes_the_place_of_a_dead_daemons_socket),
	};

	return cmocka_run_group_tests_name("control", tests, NULL, NULL);
}
