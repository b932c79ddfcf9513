#include "net/address.h"

#include <stddef.h>
#include <string.h>
#include <uv.h>

bool address_unix(const char *folder, uint16_t port, struct address *address_out, struct error *error_out)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int len = snprintf(name.sun_path, sizeof(name.sun_path), "%s/.s.PGSQL.%u", folder, port);
	if (len < 0 || (size_t)len >= sizeof(name.sun_path)) {
		error_set(error_out, SQLSTATE_CONFIG_FILE_ERROR, "socket folder \"%s\" has too long a name", folder);
		error_detail(error_out, "A unix socket's whole path holds %zu bytes at most.",
			     sizeof(name.sun_path) - 1);
		return false;
	}
	memset(address_out, 0, sizeof(*address_out));
	memcpy(&address_out->storage, &name, sizeof(name));
	address_out->len = sizeof(name);
	return true;
}

bool address_numeric(const char *host, uint16_t port, struct address *address_out)
{
	struct address address = { 0 };
	if (uv_ip4_addr(host, port, (struct sockaddr_in *)&address.storage) == 0)
		address.len = sizeof(struct sockaddr_in);
	else if (uv_ip6_addr(host, port, (struct sockaddr_in6 *)&address.storage) == 0)
		address.len = sizeof(struct sockaddr_in6);
	else
		return false;
	*address_out = address;
	return true;
}

uint16_t address_port(const struct address *address)
{
	switch (address->storage.ss_family) {
	case AF_INET: return ntohs(((const struct sockaddr_in *)&address->storage)->sin_port);
	case AF_INET6: return ntohs(((const struct sockaddr_in6 *)&address->storage)->sin6_port);
	default: return 0;
	}
}

void address_text(const struct address *address, char text_out[ADDRESS_TEXT_BYTES])
{
	int status = -1;
	if (address->storage.ss_family == AF_INET)
		status = uv_ip4_name((const struct sockaddr_in *)&address->storage, text_out, ADDRESS_TEXT_BYTES);
	else if (address->storage.ss_family == AF_INET6)
		status = uv_ip6_name((const struct sockaddr_in6 *)&address->storage, text_out, ADDRESS_TEXT_BYTES);
	if (status != 0)
		snprintf(text_out, ADDRESS_TEXT_BYTES, "local");
}
