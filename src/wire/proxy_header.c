#include "wire/proxy_header.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* ---- version 1 ---- */

enum { V1_MAX_BYTES = 107 };

/* The next word, up to one space or the end; false: there is none. */
static bool next_word(struct slice *rest, struct slice *word_out)
{
	const char *space = memchr(rest->data, ' ', rest->len);
	size_t len = space ? (size_t)(space - rest->data) : rest->len;
	if (!len)
		return false;
	*word_out = slice_of(rest->data, len);
	size_t taken = len + (space != NULL);
	*rest = slice_of(rest->data + taken, rest->len - taken);
	return true;
}

static bool copy_address(struct slice word, int family, char out[PROXY_HEADER_ADDRESS_BYTES])
{
	unsigned char binary[sizeof(struct in6_addr)];
	char text[PROXY_HEADER_ADDRESS_BYTES];
	if (word.len >= sizeof(text) || memchr(word.data, '\0', word.len))
		return false;
	memcpy(text, word.data, word.len);
	text[word.len] = '\0';
	return inet_pton(family, text, binary) == 1 &&
	       inet_ntop(family, binary, out, PROXY_HEADER_ADDRESS_BYTES) != NULL;
}

static bool is_port(struct slice word)
{
	unsigned value = 0;
	if (word.len > 5)
		return false;
	for (size_t i = 0; i < word.len; i++) {
		if (word.data[i] < '0' || word.data[i] > '9')
			return false;
		value = value * 10 + (unsigned)(word.data[i] - '0');
	}
	return value <= UINT16_MAX;
}

/* What follows "PROXY ", without the end of the line. */
static enum proxy_header_kind read_line(struct slice rest, struct proxy_header *header)
{
	struct slice family, from, to, from_port, to_port;
	char ignored[PROXY_HEADER_ADDRESS_BYTES];
	if (!next_word(&rest, &family))
		return PROXY_HEADER_INVALID;
	if (slice_is(family, "UNKNOWN"))
		return PROXY_HEADER_NONE;
	int number = slice_is(family, "TCP4") ? AF_INET : slice_is(family, "TCP6") ? AF_INET6 : -1;
	if (number < 0 || !next_word(&rest, &from) || !next_word(&rest, &to) || !next_word(&rest, &from_port) ||
	    !next_word(&rest, &to_port) || rest.len)
		return PROXY_HEADER_INVALID;
	if (!copy_address(from, number, header->address) || !copy_address(to, number, ignored) ||
	    !is_port(from_port) || !is_port(to_port))
		return PROXY_HEADER_INVALID;
	return PROXY_HEADER_ADDRESS;
}

static enum proxy_header_kind parse_v1(struct slice data, struct proxy_header *header)
{
	static const char start[] = "PROXY ";
	size_t seen = data.len < V1_MAX_BYTES ? data.len : V1_MAX_BYTES;
	const char *end = memchr(data.data, '\n', seen);
	if (!end)
		return seen == V1_MAX_BYTES ? PROXY_HEADER_INVALID : PROXY_HEADER_INCOMPLETE;
	size_t line = (size_t)(end - data.data);
	if (line < sizeof(start) || data.data[line - 1] != '\r')
		return PROXY_HEADER_INVALID;
	header->size = line + 1;
	return read_line(slice_of(data.data + sizeof(start) - 1, line - sizeof(start)), header);
}

/* ---- version 2 ---- */

static const char v2_signature[12] = { '\r', '\n', '\r', '\n', '\0', '\r', '\n', 'Q', 'U', 'I', 'T', '\n' };

enum { V2_HEAD_BYTES = 16, V2_LOCAL = 0x20, V2_PROXY = 0x21 };

static enum proxy_header_kind read_v2_address(uint8_t family, struct slice body, struct proxy_header *header)
{
	switch (family >> 4) {
	case 0: return PROXY_HEADER_NONE;
	case 1:
		return body.len >= 12 && inet_ntop(AF_INET, body.data, header->address, sizeof(header->address)) ?
			       PROXY_HEADER_ADDRESS :
			       PROXY_HEADER_INVALID;
	case 2:
		return body.len >= 36 && inet_ntop(AF_INET6, body.data, header->address, sizeof(header->address)) ?
			       PROXY_HEADER_ADDRESS :
			       PROXY_HEADER_INVALID;
	case 3:
		if (body.len < 216)
			return PROXY_HEADER_INVALID;
		strcpy(header->address, "local");
		return PROXY_HEADER_ADDRESS;
	default: return PROXY_HEADER_INVALID;
	}
}

static enum proxy_header_kind parse_v2(struct slice data, struct proxy_header *header)
{
	if (data.len < V2_HEAD_BYTES)
		return PROXY_HEADER_INCOMPLETE;
	const uint8_t *bytes = (const uint8_t *)data.data;
	size_t body = (size_t)bytes[14] << 8 | bytes[15];
	if ((bytes[12] != V2_LOCAL && bytes[12] != V2_PROXY) || V2_HEAD_BYTES + body > PROXY_HEADER_MAX_BYTES)
		return PROXY_HEADER_INVALID;
	if (data.len < V2_HEAD_BYTES + body)
		return PROXY_HEADER_INCOMPLETE;
	header->size = V2_HEAD_BYTES + body;
	if (bytes[12] == V2_LOCAL)
		return PROXY_HEADER_NONE;
	return read_v2_address(bytes[13], slice_of(data.data + V2_HEAD_BYTES, body), header);
}

/* ---- both ---- */

static bool may_become(struct slice data, const char *start, size_t len)
{
	return memcmp(data.data, start, data.len < len ? data.len : len) == 0;
}

enum proxy_header_kind proxy_header_parse(struct slice data, struct proxy_header *header_out)
{
	struct proxy_header header = { 0 };
	enum proxy_header_kind kind = PROXY_HEADER_INVALID;
	if (!data.len)
		return PROXY_HEADER_INCOMPLETE;
	if (may_become(data, v2_signature, sizeof(v2_signature)))
		kind = parse_v2(data, &header);
	else if (may_become(data, "PROXY ", 6))
		kind = parse_v1(data, &header);
	if (kind == PROXY_HEADER_NONE)
		header.address[0] = '\0';
	if (kind == PROXY_HEADER_ADDRESS || kind == PROXY_HEADER_NONE)
		*header_out = header;
	return kind;
}
