#include "auth/saslprep.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <stringprep.h>

enum { GROWTH = 20 }; /* no character becomes more bytes than that times its own */

static bool is_ascii(const char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text >= 0x80)
			return false;
	}
	return true;
}

void saslprep_append(struct buf *out, const char *password)
{
	if (is_ascii(password)) {
		buf_append_str(out, password);
		return;
	}
	struct buf work;
	buf_init(&work);
	buf_reserve(&work, strlen(password) * GROWTH + 1);
	memcpy(work.data, password, strlen(password) + 1);
	int status = stringprep(work.data, work.capacity, STRINGPREP_NO_UNASSIGNED, stringprep_saslprep);
	buf_append_str(out, status == STRINGPREP_OK && work.data[0] ? work.data : password);
	OPENSSL_cleanse(work.data, work.capacity);
	buf_deinit(&work);
}
