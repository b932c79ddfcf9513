/*
 * Files with secrets in them: read whole, and refused when others may read
 * them, as PostgreSQL does with a private key.
 */
#ifndef CROSSFADE_AUTH_SECRET_FILE_H
#define CROSSFADE_AUTH_SECRET_FILE_H

#include "base/buf.h"
#include "base/error.h"

enum { SECRET_FILE_MAX_BYTES = 64 << 20 };

/* False: it is missing, or a pipe or the like, which whoever opens it would wait for. */
bool plain_file_check(const char *path, const char *what, struct error *error_out);
/* what: for people, "the users file". */
bool secret_file_check(const char *path, const char *what, struct error *error_out);
/* Appends what is in it, after the check; free it with secret_buf_deinit. */
bool secret_file_read(const char *path, const char *what, struct buf *out, struct error *error_out);

#endif
