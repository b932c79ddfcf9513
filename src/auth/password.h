/* What a client answers to AuthenticationMD5Password. */
#ifndef CROSSFADE_AUTH_PASSWORD_H
#define CROSSFADE_AUTH_PASSWORD_H

#include "base/buf.h"

enum { MD5_SALT_BYTES = 4 };

/* Appends "md5…"; false where this machine's OpenSSL does not allow MD5. */
bool password_append_md5(struct buf *out, const char *password, struct slice user, struct slice salt);

#endif
