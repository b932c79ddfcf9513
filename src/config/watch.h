/*
 * Has any of these files changed? Asked about once a second, by stat(2): that
 * follows symlinks, so it sees edits in place, replacement by rename and the
 * `..data` swap of Kubernetes alike, and works on every file system.
 *
 * A change counts once the files have stayed the same for settle_ms, so that
 * a half-written file is not read. One thread; times come from the caller.
 */
#ifndef CROSSFADE_CONFIG_WATCH_H
#define CROSSFADE_CONFIG_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct watch;

enum { WATCH_SETTLE_MS = 300 };

struct watch *watch_new(uint32_t settle_ms);
void watch_free(struct watch *watch);

/*
 * The files to watch; NULLs are left out, texts are copied. What they are now
 * counts as known: call it before loading them, so that what changes meanwhile
 * is seen. With the same files as before it does nothing, so a reload may call
 * it each time.
 */
void watch_files(struct watch *watch, const char *const *paths, size_t count);

/* True once for each change; what the files are then counts as known. */
bool watch_changed(struct watch *watch, uint64_t now_ms);

#endif
