/* Addresses as people write them. */
#include "config/endpoint.h"

#include <ctype.h>
#include <stdlib.h>

enum { SOCKET_PATH_MAX_BYTES = 107, SOCKET_NAME_BYTES = 15 /* "/.s.PGSQL.65535" */ };

static bool parse_port(const char *text, uint16_t *port_out, const char **why_out)
{
	size_t digits = strspn(text, "0123456789");
	long port = digits && digits <= 5 && !text[digits] ? strtol(text, NULL, 10) : 0;
	if (port < 1 || port > 65535) {
		*why_out = "has no port between 1 and 65535 behind its colon";
		return false;
	}
	*port_out = (uint16_t)port;
	return true;
}

static bool split_folder(struct arena *arena, const char *text, struct endpoint *endpoint, const char **why_out)
{
	const char *colon = strrchr(text, ':');
	size_t len = strlen(text);
	if (colon && colon[1] && !colon[1 + strspn(colon + 1, "0123456789")]) {
		if (!parse_port(colon + 1, &endpoint->port, why_out))
			return false;
		len = (size_t)(colon - text);
	}
	while (len > 1 && text[len - 1] == '/')
		len--;
	if (len > SOCKET_PATH_MAX_BYTES - SOCKET_NAME_BYTES) {
		*why_out = "is too long for the folder of a unix socket (92 bytes)";
		return false;
	}
	endpoint->host = arena_copy(arena, text, len);
	return true;
}

static bool is_host_byte(unsigned char c)
{
	return isalnum(c) || c == '.' || c == '-' || c == '_';
}

static bool check_host(const char *host, size_t len, const char **why_out)
{
	if (len == 0 || len > 255) {
		*why_out = len ? "has a host that is too long" : "has no host";
		return false;
	}
	for (size_t i = 0; i < len && !(len == 1 && *host == '*'); i++) {
		if (!is_host_byte((unsigned char)host[i])) {
			*why_out = "is not HOST:PORT, [IPv6]:PORT or the absolute path of a socket's folder";
			return false;
		}
	}
	return true;
}

static bool check_ipv6(const char *host, size_t len, const char **why_out)
{
	size_t digits = strspn(host, "0123456789abcdefABCDEF:.");
	size_t zone = digits < len && host[digits] == '%' ? digits + 1 : digits;
	while (zone < len && zone > digits && is_host_byte((unsigned char)host[zone]))
		zone++;
	if (digits > 1 && len < 64 && zone == len)
		return true;
	*why_out = "has no IPv6 address between its brackets";
	return false;
}

static bool split_brackets(struct arena *arena, const char *text, struct endpoint *endpoint, const char **why_out)
{
	size_t len = strcspn(text + 1, "]");
	const char *rest = text + 1 + len;
	if (*rest != ']' || (rest[1] && rest[1] != ':')) {
		*why_out = "has no closing bracket before its port";
		return false;
	}
	endpoint->host = arena_copy(arena, text + 1, len);
	return check_ipv6(endpoint->host, len, why_out) &&
	       (!rest[1] || parse_port(rest + 2, &endpoint->port, why_out));
}

static bool split_host(struct arena *arena, const char *text, struct endpoint *endpoint, const char **why_out)
{
	const char *colon = strchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : strlen(text);
	if (colon && strchr(colon + 1, ':')) {
		*why_out = "has more than one colon; write an IPv6 address in brackets: [::1]:6432";
		return false;
	}
	if (!check_host(text, len, why_out) || (colon && !parse_port(colon + 1, &endpoint->port, why_out)))
		return false;
	endpoint->host = arena_copy(arena, text, len);
	return true;
}

bool endpoint_parse(struct arena *arena, const char *text, uint16_t default_port, struct endpoint *endpoint_out,
		    const char **why_out)
{
	struct endpoint endpoint = { .port = default_port };
	bool ok = *text == '/'	 ? split_folder(arena, text, &endpoint, why_out)
		  : *text == '[' ? split_brackets(arena, text, &endpoint, why_out)
				 : split_host(arena, text, &endpoint, why_out);
	if (ok)
		*endpoint_out = endpoint;
	return ok;
}

void endpoint_append(struct buf *out, const struct endpoint *endpoint)
{
	bool brackets = endpoint->host[0] != '/' && strchr(endpoint->host, ':');
	buf_printf(out, brackets ? "[%s]:%u" : "%s:%u", endpoint->host, endpoint->port);
}
