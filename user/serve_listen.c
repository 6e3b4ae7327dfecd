/* SPDX-License-Identifier: MIT */
/*
 * serve_listen.c - see serve_listen.h. Model: an address and a port, parted at the last
 * colon; what is in brackets is IPv6.
 */
#include "serve_listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define HOST_MAX 256
#define BACKLOG 64

/* "host:port" or "[host]:port" or "host" in parts; port "" if there is none. */
static int split(const char *text, char host[HOST_MAX], const char **ret_port)
{
	const char *end, *begin = text;
	size_t len;

	if (*text == '[') {
		begin = text + 1;
		end = strchr(begin, ']');
		if (!end || (end[1] && end[1] != ':'))
			return -EINVAL;
		*ret_port = end[1] ? end + 2 : "";
	} else {
		end = strchr(text, ':');
		*ret_port = end ? end + 1 : "";
		end = end ? end : text + strlen(text);
	}
	len = (size_t)(end - begin);
	if (len >= HOST_MAX)
		return -EINVAL;
	memcpy(host, begin, len);
	host[len] = '\0';
	return 0;
}

static int parse_port(const char *text)
{
	unsigned long port;

	if (!*text || strspn(text, "0123456789") != strlen(text) || strlen(text) > 5)
		return -EINVAL;
	port = strtoul(text, NULL, 10);
	return port <= UINT16_MAX ? (int)port : -EINVAL;
}

int listen_parse(struct listen_addr *ret_addr, const char *text)
{
	struct listen_addr addr = {.len = sizeof(struct sockaddr_in)};
	struct sockaddr_in *in4 = (struct sockaddr_in *)&addr.addr;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&addr.addr;
	char host[HOST_MAX];
	const char *rest;
	int port;

	if (split(text, host, &rest))
		return -EINVAL;
	port = parse_port(rest);
	if (port < 0)
		return -EINVAL;
	if (*text == '[') {
		addr.len = sizeof(*in6);
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons((uint16_t)port);
		if (inet_pton(AF_INET6, host, &in6->sin6_addr) != 1)
			return -EINVAL;
	} else {
		in4->sin_family = AF_INET;
		in4->sin_port = htons((uint16_t)port);
		if (inet_pton(AF_INET,
			      !*host				   ? "0.0.0.0"
			      : strcasecmp(host, "localhost") == 0 ? "127.0.0.1"
								   : host,
			      &in4->sin_addr) != 1)
			return -EINVAL;
	}
	*ret_addr = addr;
	return 0;
}

bool listen_is_loopback(const struct listen_addr *addr)
{
	const struct sockaddr_in *in4 = (const struct sockaddr_in *)&addr->addr;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&addr->addr;

	if (addr->addr.ss_family == AF_INET)
		return ntohl(in4->sin_addr.s_addr) >> 24 == 127;
	return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
}

void listen_text(char dst[LISTEN_TEXT_MAX], const struct listen_addr *addr)
{
	const struct sockaddr_in *in4 = (const struct sockaddr_in *)&addr->addr;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&addr->addr;
	bool six = addr->addr.ss_family == AF_INET6;
	char host[INET6_ADDRSTRLEN] = "?";

	inet_ntop(addr->addr.ss_family, six ? (const void *)&in6->sin6_addr : &in4->sin_addr, host,
		  sizeof(host));
	snprintf(dst, LISTEN_TEXT_MAX, six ? "[%s]:%u" : "%s:%u", host,
		 ntohs(six ? in6->sin6_port : in4->sin_port));
}

int listen_open(struct listen_addr *addr)
{
	int one = 1, err;
	int fd = socket(addr->addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	/* Both fail on no kernel that we know, and would only cost comfort. */
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (addr->addr.ss_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (bind(fd, (const struct sockaddr *)&addr->addr, addr->len) || listen(fd, BACKLOG) ||
	    getsockname(fd, (struct sockaddr *)&addr->addr, &addr->len)) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

bool host_allowed(const char *text, char *const *allowed)
{
	unsigned char binary[sizeof(struct in6_addr)];
	char host[HOST_MAX];
	const char *port;

	if (!text || split(text, host, &port))
		return false;
	if (*port && parse_port(port) < 0)
		return false;
	if (inet_pton(*text == '[' ? AF_INET6 : AF_INET, host, binary) == 1)
		return true;
	if (*text == '[')
		return false;
	if (strcasecmp(host, "localhost") == 0)
		return true;
	for (; allowed && *allowed; allowed++)
		if (strcasecmp(host, *allowed) == 0)
			return true;
	return false;
}
