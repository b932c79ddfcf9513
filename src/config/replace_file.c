#include "config/replace_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool fail_file(const char *what, const char *path, struct error *error_out)
{
	int reason = errno;
	error_set(error_out, SQLSTATE_CONFIG_FILE_ERROR, "cannot %s the file: %s", what, strerror(reason));
	error_at(error_out, path, 0, 0);
	return false;
}

bool file_read(const char *path, struct buf *out, struct error *error_out)
{
	FILE *file = fopen(path, "re");
	if (!file)
		return fail_file("read", path, error_out);
	for (size_t got = 1; got;) {
		buf_reserve(out, 65536);
		got = fread(out->data + out->len, 1, 65536, file);
		out->len += got;
	}
	bool ok = !ferror(file);
	fclose(file);
	return ok || fail_file("read", path, error_out);
}

static bool write_all(int fd, struct slice text)
{
	for (size_t at = 0; at < text.len;) {
		ssize_t done = write(fd, text.data + at, text.len - at);
		if (done < 0 && errno != EINTR)
			return false;
		at += done > 0 ? (size_t)done : 0;
	}
	return fsync(fd) == 0;
}

bool file_replace(const char *path, struct slice text, struct error *error_out)
{
	char *real = realpath(path, NULL); /* a link stays a link */
	struct stat before;
	struct buf name;
	buf_init(&name);
	buf_printf(&name, "%s.XXXXXX", real ? real : path);
	char *temporary = (char *)buf_cstr(&name);
	int fd = real && stat(real, &before) == 0 ? mkstemp(temporary) : -1;
	bool made = fd >= 0;
	bool ok = made && write_all(fd, text) && fchmod(fd, before.st_mode & 07777) == 0;
	/* Whoever may not give files away keeps what he makes. */
	if (ok && fchown(fd, before.st_uid, before.st_gid) != 0 && errno != EPERM)
		ok = false;
	if (made)
		ok = close(fd) == 0 && ok;
	ok = ok && rename(temporary, real) == 0;
	if (!ok) {
		fail_file("replace", path, error_out);
		if (made)
			unlink(temporary);
	}
	free(real);
	buf_deinit(&name);
	return ok;
}
