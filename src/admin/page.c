#include "admin/page.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

extern const char page_html[]; /* made from page.html by embed.py */

void page_nonce(char nonce_out[PAGE_NONCE_BYTES])
{
	uint8_t random[(PAGE_NONCE_BYTES - 1) / 2];
	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		abort(); /* cannot fail for so few bytes */
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(nonce_out + 2 * i, 3, "%02x", random[i]);
}

/* In JSON these stand inside strings only; escaped, none can end the element that carries them. */
static void append_data(struct slice json, struct buf *out)
{
	for (size_t i = 0; i < json.len; i++) {
		char c = json.data[i];
		if (c == '<' || c == '>' || c == '&')
			buf_printf(out, "\\u%04x", c);
		else
			buf_append_byte(out, (uint8_t)c);
	}
}

void page_append(const char *nonce, struct slice json, struct buf *out)
{
	static const char nonce_mark[] = "@NONCE@", data_mark[] = "@DATA@";
	const char *at = page_html, *mark;
	while ((mark = strchr(at, '@'))) {
		buf_append(out, at, (size_t)(mark - at));
		at = mark;
		if (strncmp(at, nonce_mark, sizeof(nonce_mark) - 1) == 0) {
			buf_append_str(out, nonce);
			at += sizeof(nonce_mark) - 1;
		} else if (strncmp(at, data_mark, sizeof(data_mark) - 1) == 0) {
			append_data(json, out);
			at += sizeof(data_mark) - 1;
		} else {
			buf_append_byte(out, (uint8_t)*at++);
		}
	}
	buf_append_str(out, at);
}
