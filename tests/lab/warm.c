// SPDX-License-Identifier: BSD-2-Clause
// Preloaded into a program, it lets the program start often at little cost: once it is loaded it
// waits at the socket WARM, and is forked for each request before its main begins. The files of the
// locale, some thirty, are read once as well: what setlocale(3) has read it keeps.
//
// A request is the arguments, each with a NUL behind it, and with them standard input, output and
// error as file descriptors. The answers are the pid and, at the end, the exit code, one byte; there
// is no end after a crash. What is longer than LONGEST is not run: -E2BIG is the answer.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

// A datagram of more than about 200 KiB cannot be sent anyway.
enum { LONGEST = 1 << 17 };

typedef int main_t(int, char **, char **);

static main_t *program;
static char request[LONGEST];
static char *words[LONGEST + 1];

static void answer(int code, void *connection)
{
	unsigned char byte = code;

	fflush(NULL);
	if (write((int)(long)connection, &byte, 1) != 1)
		_exit(1);
}

// Returns how many words the request has, or the error for which it is refused.
static int take(int connection)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(3 * sizeof(int))];
	} control;
	struct iovec part = { request, sizeof(request) };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
		.msg_controllen = sizeof(control) };
	int streams[3], count = 0;
	ssize_t length = recvmsg(connection, &message, 0);

	if (length <= 0 || CMSG_FIRSTHDR(&message) == NULL)
		_exit(1);
	memcpy(streams, CMSG_DATA(&control.header), sizeof(streams));
	for (int stream = 0; stream < 3; stream++) {
		dup2(streams[stream], stream);
		close(streams[stream]);
	}
	if ((message.msg_flags & MSG_TRUNC) != 0 || request[length - 1] != '\0')
		return -E2BIG;
	for (char *word = request; word < request + length; word += strlen(word) + 1)
		words[count++] = word;
	return count;
}

static int serve(int argc, char **argv, char **environment)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listening = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	strncpy(address.sun_path, getenv("WARM"), sizeof(address.sun_path) - 1);
	unsetenv("WARM");
	unsetenv("LD_PRELOAD");
	if (bind(listening, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(listening, 64) != 0) {
		perror(argv[0]);
		return 1;
	}
	setlocale(LC_ALL, "");
	setlocale(LC_ALL, "C");
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int connection = accept4(listening, NULL, NULL, SOCK_CLOEXEC);

		if (connection < 0)
			continue;
		if (fork() == 0) {
			signal(SIGCHLD, SIG_DFL);
			close(listening);
			int count = take(connection);
			pid_t self = count > 0 ? getpid() : count;

			if (write(connection, &self, sizeof(self)) != sizeof(self) || count < 0)
				_exit(1);
			on_exit(answer, (void *)(long)connection);
			return program(count, words, environment);
		}
		close(connection);
	}
	(void)argc;
}

int __libc_start_main(main_t *main, int argc, char **argv, void (*init)(void), void (*fini)(void),
    void (*rtld_fini)(void), void *stack_end)
{
	int (*start)(main_t *, int, char **, void (*)(void), void (*)(void), void (*)(void), void *) =
	    dlsym(RTLD_NEXT, "__libc_start_main");

	program = main;
	return start(getenv("WARM") ? serve : main, argc, argv, init, fini, rtld_fini, stack_end);
}
