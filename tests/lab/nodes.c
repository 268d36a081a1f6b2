// SPDX-License-Identifier: BSD-2-Clause
// What udev does for volumes, and no more: /dev/zvol/<volume> leads to /dev/zd<n>, as the kernel
// tells of each that comes, is renamed and goes. udev would take a fifth of the emulated processor.

#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

// A volume takes MINORS numbers, for itself and its partitions.
enum { MOST = 1 << 14, MINORS = 16, LONGEST = 256, EVENT = 1 << 14, BUFFER = 1 << 24 };

// BLKZNAME of OpenZFS, include/sys/fs/zfs.h
#define VOLUME_NAME _IOR(0x12, 125, char[LONGEST])

static const char top[] = "/dev/zvol/";
static char links[MOST][sizeof(top) + LONGEST];

static void forget(char *link)
{
	char *end;

	if (*link == '\0')
		return;
	unlink(link);
	while ((end = strrchr(link, '/')) >= link + sizeof(top) - 1) {
		*end = '\0';
		if (rmdir(link) != 0)
			break;
	}
	*link = '\0';
}

static void make(int number, const char *volume)
{
	char *link = links[number / MINORS], target[32];

	snprintf(link, sizeof(links[0]), "%s%s", top, volume);
	snprintf(target, sizeof(target), "/dev/zd%d", number);
	for (char *end = link + sizeof(top) - 1; (end = strchr(end, '/')) != NULL; end++) {
		*end = '\0';
		mkdir(link, 0755);
		*end = '/';
	}
	unlink(link);
	if (symlink(target, link) != 0)
		perror(link);
}

static void look(int number)
{
	char node[32], volume[LONGEST] = "", *link = links[number / MINORS];
	int device;

	snprintf(node, sizeof(node), "/dev/zd%d", number);
	device = open(node, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (device < 0)
		return;
	if (ioctl(device, VOLUME_NAME, volume) == 0 &&
	    (*link == '\0' || strcmp(link + sizeof(top) - 1, volume) != 0)) {
		forget(link);
		make(number, volume);
	}
	close(device);
}

int main(void)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int events = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
	int size = BUFFER;

	setsockopt(events, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (bind(events, (struct sockaddr *)&kernel, sizeof(kernel)) != 0) {
		perror("uevents");
		return 1;
	}
	mkdir(top, 0755);
	for (;;) {
		char event[EVENT], action[16], rest;
		int number;

		// add@/devices/virtual/block/zd0
		if (recv(events, event, sizeof(event) - 1, 0) <= 0)
			continue;
		event[sizeof(event) - 1] = '\0';
		if (sscanf(event, "%15[a-z]@/devices/virtual/block/zd%d%c", action, &number, &rest) != 2 ||
		    number < 0 || number >= MOST * MINORS)
			continue;
		if (strcmp(action, "remove") == 0)
			forget(links[number / MINORS]);
		else
			look(number);
	}
}
