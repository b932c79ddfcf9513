#include "auth/scram_message.h"

#include "auth/base64.h"

#include <openssl/rand.h>
#include <stdlib.h>

enum { NONCE_BYTES = 18 };

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool scram_next(struct slice *text, char *name_out, struct slice *value_out)
{
	if (text->len < 2 || !is_letter(text->data[0]) || text->data[1] != '=')
		return false;
	const char *comma = memchr(text->data, ',', text->len);
	size_t len = comma ? (size_t)(comma - text->data) : text->len;
	*name_out = text->data[0];
	*value_out = slice_of(text->data + 2, len - 2);
	len += comma != NULL;
	*text = slice_of(text->data + len, text->len - len);
	return true;
}

bool scram_expect(struct slice *text, char name, struct slice *value_out)
{
	char found;
	struct slice before = *text, value;
	if (!scram_next(text, &found, &value) || found != name) {
		*text = before;
		return false;
	}
	*value_out = value;
	return true;
}

bool scram_nonce_valid(struct slice nonce)
{
	for (size_t i = 0; i < nonce.len; i++) {
		if (nonce.data[i] < 0x21 || nonce.data[i] > 0x7e || nonce.data[i] == ',')
			return false;
	}
	return nonce.len > 0;
}

void scram_append_nonce(struct buf *out)
{
	uint8_t bytes[NONCE_BYTES];
	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		abort(); /* a nonce that can be guessed would be worse */
	base64_append(out, bytes, sizeof(bytes));
}
