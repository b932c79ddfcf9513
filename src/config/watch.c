/* Two snapshots: what is known, and what was seen last and may not have settled. */
#include "config/watch.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Everything that some way of changing a file changes. Zeros: there is none. */
struct look {
	uint64_t device, inode, size;
	int64_t modified_s, modified_ns, changed_s, changed_ns;
};

struct watched {
	char *path;
	struct look known, seen;
};

struct watch {
	struct watched *files;
	size_t count;
	uint32_t settle_ms;
	bool pending; /* seen differs from known … */
	uint64_t since_ms; /* … and has been the same since */
};

static struct look look_at(const char *path)
{
	struct stat info;
	if (stat(path, &info) != 0)
		return (struct look){ 0 };
	return (struct look){
		.device = info.st_dev,
		.inode = info.st_ino,
		.size = (uint64_t)info.st_size,
		.modified_s = info.st_mtim.tv_sec,
		.modified_ns = info.st_mtim.tv_nsec,
		.changed_s = info.st_ctim.tv_sec,
		.changed_ns = info.st_ctim.tv_nsec,
	};
}

static bool same(const struct look *a, const struct look *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

struct watch *watch_new(uint32_t settle_ms)
{
	struct watch *watch = memory_zalloc(sizeof(*watch));
	watch->settle_ms = settle_ms;
	return watch;
}

static void forget(struct watch *watch)
{
	for (size_t i = 0; i < watch->count; i++)
		free(watch->files[i].path);
	free(watch->files);
	watch->files = NULL;
	watch->count = 0;
	watch->pending = false;
}

void watch_free(struct watch *watch)
{
	if (!watch)
		return;
	forget(watch);
	free(watch);
}

static bool watches(const struct watch *watch, const char *const *paths, size_t count)
{
	size_t at = 0;
	for (size_t i = 0; i < count; i++) {
		if (!paths[i])
			continue;
		if (at == watch->count || strcmp(watch->files[at].path, paths[i]) != 0)
			return false;
		at++;
	}
	return at == watch->count;
}

void watch_files(struct watch *watch, const char *const *paths, size_t count)
{
	if (watches(watch, paths, count))
		return;
	forget(watch);
	watch->files = memory_zalloc((count + 1) * sizeof(*watch->files));
	for (size_t i = 0; i < count; i++) {
		if (!paths[i])
			continue;
		struct watched *file = &watch->files[watch->count++];
		file->path = memory_strdup(paths[i]);
		file->known = file->seen = look_at(paths[i]);
	}
}

/* Looks again; *differs_out: from what is known. True when nothing moved since the last look. */
static bool look_again(struct watch *watch, bool *differs_out)
{
	bool steady = true, differs = false;
	for (size_t i = 0; i < watch->count; i++) {
		struct watched *file = &watch->files[i];
		struct look now = look_at(file->path);
		steady &= same(&now, &file->seen);
		differs |= !same(&now, &file->known);
		file->seen = now;
	}
	*differs_out = differs;
	return steady;
}

bool watch_changed(struct watch *watch, uint64_t now_ms)
{
	bool differs;
	bool steady = look_again(watch, &differs);
	if (!differs) {
		watch->pending = false;
		return false;
	}
	if (!watch->pending || !steady) {
		watch->pending = true;
		watch->since_ms = now_ms;
	}
	if (now_ms - watch->since_ms < watch->settle_ms)
		return false;
	for (size_t i = 0; i < watch->count; i++)
		watch->files[i].known = watch->files[i].seen;
	watch->pending = false;
	return true;
}
