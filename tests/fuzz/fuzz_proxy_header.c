/*
 * What a load balancer sends before the client's first byte (the PROXY
 * protocol, both versions). It comes in pieces: more bytes never change what
 * fewer have said.
 */
#include "fuzz.h"
#include "wire/proxy_header.h"

#include <stdlib.h>

static void must(bool holds)
{
	if (!holds)
		abort();
}

/* Nothing but what an address is made of may reach logs and counters. */
static void check_address(const char *address)
{
	size_t len = strlen(address);
	must(len > 0 && len < PROXY_HEADER_ADDRESS_BYTES);
	must(strcmp(address, "local") == 0 || strspn(address, "0123456789abcdef.:") == len);
}

static bool is_known(enum proxy_header_kind kind)
{
	return kind == PROXY_HEADER_ADDRESS || kind == PROXY_HEADER_NONE;
}

static void check_known(struct slice data, enum proxy_header_kind kind, const struct proxy_header *header)
{
	must(header->size > 0 && header->size <= data.len && header->size <= PROXY_HEADER_MAX_BYTES);
	if (kind == PROXY_HEADER_ADDRESS)
		check_address(header->address);
	else
		must(!header->address[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum proxy_header_kind before = PROXY_HEADER_INCOMPLETE;
	struct proxy_header header, first = { 0 };
	for (size_t len = 0; len <= size; len += len < 256 || len + 61 > size ? 1 : 61) {
		enum proxy_header_kind kind = proxy_header_parse(slice_of((const char *)data, len), &header);
		must(before == PROXY_HEADER_INCOMPLETE || kind == before);
		must(kind != PROXY_HEADER_INCOMPLETE || len < PROXY_HEADER_MAX_BYTES);
		if (is_known(kind)) {
			check_known(slice_of((const char *)data, len), kind, &header);
			must(!is_known(before) || memcmp(&first, &header, sizeof(header)) == 0);
			first = header;
		}
		before = kind;
	}
	return 0;
}
