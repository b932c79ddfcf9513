#include "wire/frame.h"

size_t frame_begin(struct buf *out, uint8_t type)
{
	size_t begin = out->len;
	buf_append_byte(out, type);
	buf_append_u32(out, 0);
	return begin;
}

void frame_end(struct buf *out, size_t begin)
{
	uint32_t length = (uint32_t)(out->len - begin - 1);
	uint8_t *p = (uint8_t *)out->data + begin + 1;
	p[0] = (uint8_t)(length >> 24);
	p[1] = (uint8_t)(length >> 16);
	p[2] = (uint8_t)(length >> 8);
	p[3] = (uint8_t)length;
}

void frame_append(struct buf *out, uint8_t type, struct slice body)
{
	buf_append_byte(out, type);
	buf_append_u32(out, (uint32_t)(body.len + 4));
	buf_append_slice(out, body);
}
