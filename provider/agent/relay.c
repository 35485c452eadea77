/* provider/agent/relay.c - two directions with one buffer each, and the start of the agent behind them.
 *
 * Unlike a pump (pump.h) its near end is two descriptors, which may be pipes. When the command's input ends, the session
 * ends: nobody is there any more who could ask for something, and its last answers have no reader.
 */
#include "provider/agent/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"

enum { RELAY_LEN = 256 << 10, RETRY_MS = 5 };

struct half {
	int from, to;
	size_t at, len;
	char bytes[RELAY_LEN];
};

int relay_enter(const char *home)
{
	if (chdir(home) || (mkdir(".frag", 0700) && errno != EEXIST) || chdir(".frag"))
		return -errno;
	return 0;
}

int relay_connect(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX, .sun_path = "agent.sock"};
	CLEANUP(close_p) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return -errno;
	return TAKE_FD(fd);
}

void relay_detach(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)setsid();
	for (int fd = 0; fd < 3; fd++)
		if (null >= 0)
			(void)dup2(null, fd);
}

int relay_await(unsigned seconds)
{
	unsigned tries = seconds * 1000 / RETRY_MS;
	int fd = relay_connect();

	while ((fd == -ENOENT || fd == -ECONNREFUSED) && tries--) {
		(void)poll(NULL, 0, RETRY_MS);
		fd = relay_connect();
	}
	return fd;
}

static bool is_patient(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/* False at the end of `from`, or when `to` is gone. */
static bool move(struct half *h)
{
	ssize_t n;

	if (!h->len) {
		n = read(h->from, h->bytes, sizeof(h->bytes));
		if (n <= 0)
			return n < 0 && is_patient();
		h->at = 0;
		h->len = (size_t)n;
	}
	n = write(h->to, h->bytes + h->at, h->len);
	if (n < 0)
		return is_patient();
	h->at += (size_t)n;
	h->len -= (size_t)n;
	return true;
}

static void make_nonblocking(int fd)
{
	(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

void relay_run(int sock)
{
	struct half *up = alloc_zero(sizeof(*up)), *down = alloc_zero(sizeof(*down));
	bool open = true;

	*up = (struct half){.from = STDIN_FILENO, .to = sock};
	*down = (struct half){.from = sock, .to = STDOUT_FILENO};
	make_nonblocking(sock);
	make_nonblocking(STDIN_FILENO);
	make_nonblocking(STDOUT_FILENO);
	while (open) {
		struct pollfd fds[] = {
			{up->len ? -1 : STDIN_FILENO, POLLIN, 0},
			{sock, (short)((up->len ? POLLOUT : 0) | (down->len ? 0 : POLLIN)), 0},
			{down->len ? STDOUT_FILENO : -1, POLLOUT, 0},
		};

		if (poll(fds, 3, -1) < 0 && errno != EINTR)
			break;
		if (fds[0].revents || (up->len && fds[1].revents & (POLLOUT | POLLERR)))
			open = move(up);
		if (open && (fds[2].revents ||
			     (!down->len && fds[1].revents & (POLLIN | POLLHUP | POLLERR))))
			open = move(down);
	}
	close(sock);
	free(up);
	free(down);
}
