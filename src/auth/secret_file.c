#include "auth/secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static bool fail(const char *path, const char *what, const char *why, struct error *error_out)
{
	error_set(error_out, SQLSTATE_CONFIG_FILE_ERROR, "%s %s", what, why);
	error_at(error_out, path, 0, 0);
	return false;
}

static bool fail_errno(const char *path, const char *what, struct error *error_out)
{
	error_set(error_out, SQLSTATE_CONFIG_FILE_ERROR, "%s cannot be read: %s", what, strerror(errno));
	error_at(error_out, path, 0, 0);
	return false;
}

bool plain_file_check(const char *path, const char *what, struct error *error_out)
{
	struct stat info;
	if (stat(path, &info) != 0)
		return fail_errno(path, what, error_out);
	return S_ISREG(info.st_mode) || fail(path, what, "is not a regular file", error_out);
}

/* Of root's file a group may read; of one's own nobody else may anything. */
static bool check_info(const struct stat *info, const char *path, const char *what, struct error *error_out)
{
	mode_t forbidden = info->st_uid == 0 ? S_IWGRP | S_IXGRP | S_IRWXO : S_IRWXG | S_IRWXO;
	if (!S_ISREG(info->st_mode))
		return fail(path, what, "is not a regular file", error_out);
	if (info->st_uid != 0 && info->st_uid != geteuid()) {
		fail(path, what, "belongs to another user", error_out);
		error_hint(error_out, "It must belong to root or to the user that crossfade runs as.");
		return false;
	}
	if (info->st_mode & forbidden) {
		fail(path, what, "may be read or written by others", error_out);
		error_detail(error_out, "Its mode is %04o.", info->st_mode & 07777);
		error_hint(error_out, "chmod 600 it, or 640 if it belongs to root.");
		return false;
	}
	return true;
}

bool secret_file_check(const char *path, const char *what, struct error *error_out)
{
	struct stat info;
	if (stat(path, &info) != 0)
		return fail_errno(path, what, error_out);
	return check_info(&info, path, what, error_out);
}

static bool read_all(int fd, const char *path, const char *what, struct buf *out, struct error *error_out)
{
	enum { STEP_BYTES = 16384 };
	size_t start = out->len;
	for (;;) {
		buf_reserve(out, STEP_BYTES);
		ssize_t got = read(fd, out->data + out->len, STEP_BYTES);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fail_errno(path, what, error_out);
		out->len += (size_t)got;
		if (got == 0)
			return true;
		if (out->len - start > SECRET_FILE_MAX_BYTES)
			return fail(path, what, "is too large", error_out);
	}
}

bool secret_file_read(const char *path, const char *what, struct buf *out, struct error *error_out)
{
	struct stat info;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return fail_errno(path, what, error_out);
	bool ok = fstat(fd, &info) == 0 ? check_info(&info, path, what, error_out) :
					  fail_errno(path, what, error_out);
	ok = ok && read_all(fd, path, what, out, error_out);
	close(fd);
	return ok;
}
