/* OpenSSL's decoder takes white space and forgets the padding; this one takes one form only. */
#include "auth/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_append(struct buf *out, const void *data, size_t len)
{
	const uint8_t *bytes = data;
	for (size_t i = 0; i < len; i += 3) {
		size_t left = len - i;
		uint32_t group = (uint32_t)bytes[i] << 16;
		group |= left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0;
		group |= left > 2 ? bytes[i + 2] : 0;
		buf_append_byte(out, (uint8_t)alphabet[group >> 18]);
		buf_append_byte(out, (uint8_t)alphabet[group >> 12 & 63]);
		buf_append_byte(out, left > 1 ? (uint8_t)alphabet[group >> 6 & 63] : '=');
		buf_append_byte(out, left > 2 ? (uint8_t)alphabet[group & 63] : '=');
	}
}

static int value_of(char c)
{
	const char *at = c ? strchr(alphabet, c) : NULL;
	return at ? (int)(at - alphabet) : -1;
}

/* 4 characters; false: not base64, or bits beyond the last byte. */
static bool decode_group(const char *text, size_t padding, struct buf *out)
{
	uint32_t group = 0;
	for (size_t i = 0; i < 4; i++) {
		int value = i < 4 - padding ? value_of(text[i]) : 0;
		if (value < 0)
			return false;
		group = group << 6 | (uint32_t)value;
	}
	if ((padding == 1 && group & 0xff) || (padding == 2 && group & 0xffff))
		return false;
	for (size_t i = 0; i < 3 - padding; i++)
		buf_append_byte(out, (uint8_t)(group >> (16 - 8 * i)));
	return true;
}

bool base64_decode(struct slice text, struct buf *out)
{
	size_t start = out->len, padding = 0;
	if (text.len % 4)
		return false;
	if (text.len && text.data[text.len - 1] == '=')
		padding = text.data[text.len - 2] == '=' ? 2 : 1;
	for (size_t i = 0; i < text.len; i += 4) {
		if (!decode_group(text.data + i, i + 4 == text.len ? padding : 0, out)) {
			out->len = start;
			return false;
		}
	}
	return true;
}
