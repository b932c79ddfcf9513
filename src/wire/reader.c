#include "wire/reader.h"

struct slice reader_bytes(struct reader *reader, size_t len)
{
	if (reader->failed || reader_left(reader) < len) {
		reader->failed = true;
		return (struct slice){ 0 };
	}
	struct slice bytes = slice_of(reader->at, len);
	reader->at = len ? reader->at + len : reader->at;
	return bytes;
}

uint8_t reader_u8(struct reader *reader)
{
	struct slice b = reader_bytes(reader, 1);
	return b.len ? (uint8_t)b.data[0] : 0;
}

uint16_t reader_u16(struct reader *reader)
{
	struct slice b = reader_bytes(reader, 2);
	const uint8_t *p = (const uint8_t *)b.data;
	return b.len ? (uint16_t)(p[0] << 8 | p[1]) : 0;
}

uint32_t reader_u32(struct reader *reader)
{
	struct slice b = reader_bytes(reader, 4);
	const uint8_t *p = (const uint8_t *)b.data;
	return b.len ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3] : 0;
}

struct slice reader_text(struct reader *reader)
{
	size_t left = reader_left(reader);
	const char *nul = left && !reader->failed ? memchr(reader->at, 0, left) : NULL;
	if (!nul) {
		reader->failed = true;
		return (struct slice){ 0 };
	}
	struct slice text = slice_of(reader->at, (size_t)(nul - reader->at));
	reader->at = nul + 1;
	return text;
}

struct slice reader_rest(struct reader *reader)
{
	return reader_bytes(reader, reader_left(reader));
}
