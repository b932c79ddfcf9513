#include "usage/text.h"

#include <stdint.h>

enum { MARK_BYTES = 3 };

static size_t expected_bytes(unsigned char lead)
{
	if (lead >= 0xc2 && lead <= 0xdf)
		return 2;
	if (lead >= 0xe0 && lead <= 0xef)
		return 3;
	if (lead >= 0xf0 && lead <= 0xf4)
		return 4;
	return lead < 0x80 ? 1 : 0;
}

static bool second_fits(unsigned char lead, unsigned char second)
{
	switch (lead) {
	case 0xe0: return second >= 0xa0;
	case 0xed: return second <= 0x9f; /* no surrogates */
	case 0xf0: return second >= 0x90;
	case 0xf4: return second <= 0x8f;
	default: return true;
	}
}

/* Bytes of the valid character at data, 0 when there is none. */
static size_t character(const unsigned char *data, size_t len)
{
	size_t want = expected_bytes(data[0]);
	if (!want || want > len)
		return 0;
	for (size_t i = 1; i < want; i++) {
		if ((data[i] & 0xc0) != 0x80)
			return 0;
	}
	return want > 1 && !second_fits(data[0], data[1]) ? 0 : want;
}

/* U+0080 to U+009F are controls as well: a terminal may obey them. */
static bool is_control(const unsigned char *data, size_t bytes)
{
	return bytes == 1 ? *data < ' ' || *data == 0x7f : bytes == 2 && data[0] == 0xc2 && data[1] < 0xa0;
}

static size_t copy_character(const unsigned char *data, size_t bytes, char *out)
{
	if (bytes > 1 && !is_control(data, bytes)) {
		memcpy(out, data, bytes);
		return bytes;
	}
	*out = !bytes ? '?' : is_control(data, bytes) ? ' ' : (char)*data;
	return 1;
}

size_t usage_text_clean(struct slice text, char *out, size_t capacity)
{
	size_t at = 0, marked = 0; /* marked: where the mark may start */
	size_t room = capacity - 1;
	for (size_t i = 0; i < text.len;) {
		const unsigned char *data = (const unsigned char *)text.data + i;
		size_t bytes = character(data, text.len - i);
		size_t take = bytes ? bytes : 1;
		if (at + take > room) {
			memcpy(out + marked, "...", MARK_BYTES);
			at = marked + MARK_BYTES;
			break;
		}
		at += copy_character(data, bytes, out + at);
		i += take;
		if (at + MARK_BYTES <= room)
			marked = at;
	}
	out[at] = '\0';
	return at;
}
