/* SPDX-License-Identifier: MIT */
/*
 * serve_listen.h - where the server listens, as --listen says it, and which Host headers
 * fit. Pure but for serve_listen().
 */
#ifndef SERVE_LISTEN_H
#define SERVE_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#define LISTEN_DEFAULT "127.0.0.1:9435"
#define LISTEN_TEXT_MAX 64

struct listen_addr {
	struct sockaddr_storage addr;
	socklen_t len;
};

/*
 * "127.0.0.1:9435", "[::1]:0", "localhost:9435", ":9435" (any address). An address, no name,
 * so that nothing is asked of anybody. 0 or -EINVAL.
 */
int listen_parse(struct listen_addr *ret_addr, const char *text);
bool listen_is_loopback(const struct listen_addr *addr);
/* As one would write it into a browser: "127.0.0.1:9435", "[::1]:9435". */
void listen_text(char dst[LISTEN_TEXT_MAX], const struct listen_addr *addr);
/* A listening socket, or -errno; fills in the port that the kernel chose for 0. */
int listen_open(struct listen_addr *addr);

/*
 * May a request with this Host header be answered? A web site can make a browser believe
 * that its name has our address (DNS rebinding), but not that it has our IP address as a
 * name. So: any IP address, localhost, and the names in `allowed` (NULL-ended; NULL = none),
 * with or without a port.
 */
bool host_allowed(const char *host, char *const *allowed);

#endif
