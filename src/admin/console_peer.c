#include "admin/console_peer.h"

#include "base/arena.h"
#include "base/memory.h"
#include "base/ref.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define SQLSTATE_INVALID_AUTHORIZATION "28000"

struct console_allowed {
	struct ref ref;
	struct arena arena;
	size_t count;
	const char **names;
	enum console_role *roles;
	struct users *passwords;
};

static void add_names(struct console_allowed *allowed, const char *const *names, size_t count, enum console_role role)
{
	for (size_t i = 0; i < count; i++) {
		allowed->names[allowed->count] = arena_strdup(&allowed->arena, names[i]);
		allowed->roles[allowed->count++] = role;
	}
}

struct console_allowed *console_allowed_new(const struct console_users *users)
{
	struct console_allowed *allowed = memory_zalloc(sizeof(*allowed));
	size_t count = users->admin_count + users->viewer_count;
	ref_init(&allowed->ref);
	arena_init(&allowed->arena);
	allowed->names = ARENA_ARRAY(&allowed->arena, count + 1, const char *);
	allowed->roles = ARENA_ARRAY(&allowed->arena, count + 1, enum console_role);
	add_names(allowed, users->admins, users->admin_count, CONSOLE_ADMIN);
	allowed->passwords = users->passwords ? users_ref(users->passwords) : NULL;
	add_names(allowed, users->viewers, users->viewer_count, CONSOLE_VIEWER);
	return allowed;
}

struct console_allowed *console_allowed_ref(struct console_allowed *allowed)
{
	ref_take(&allowed->ref);
	return allowed;
}

void console_allowed_unref(struct console_allowed *allowed)
{
	if (!allowed || !ref_drop(&allowed->ref))
		return;
	if (allowed->passwords)
		users_unref(allowed->passwords);
	arena_deinit(&allowed->arena);
	free(allowed);
}

struct users *console_allowed_passwords(const struct console_allowed *allowed)
{
	return allowed->passwords;
}

/* CONSOLE_NOBODY: in neither list. */
static enum console_role role_of(const struct console_allowed *allowed, const char *user)
{
	for (size_t i = 0; i < allowed->count; i++) {
		if (strcmp(allowed->names[i], user) == 0)
			return allowed->roles[i];
	}
	return CONSOLE_NOBODY;
}

static enum console_role refuse_unlisted(const char *user, struct error *error_out)
{
	error_set(error_out, SQLSTATE_INVALID_AUTHORIZATION, "user %s may not use the console", user);
	error_hint(error_out, "Add the name to `console.admins` or `console.viewers` in the configuration.");
	return CONSOLE_NOBODY;
}

/* Whoever has no password does not learn who is in the lists. */
enum console_role console_remote_role(const char *user, bool proved, const struct console_allowed *allowed,
				      struct error *error_out)
{
	if (!allowed->passwords) {
		error_set(error_out, SQLSTATE_INVALID_AUTHORIZATION, "the console lets nobody in over TCP: it has no users file");
		error_hint(error_out, "Name one with `console.users_file`, or use the unix socket.");
		return CONSOLE_NOBODY;
	}
	if (!proved)
		return CONSOLE_ASKED;
	enum console_role role = role_of(allowed, user);
	return role == CONSOLE_NOBODY ? refuse_unlisted(user, error_out) : role;
}

static bool name_of(uid_t uid, char name_out[CONSOLE_PEER_BYTES])
{
	struct passwd entry, *found = NULL;
	char *scratch = memory_alloc(16384);
	bool ok = getpwuid_r(uid, &entry, scratch, 16384, &found) == 0 && found &&
		  strlen(found->pw_name) < CONSOLE_PEER_BYTES;
	if (ok)
		memcpy(name_out, found->pw_name, strlen(found->pw_name) + 1);
	free(scratch);
	return ok;
}

static enum console_role refuse_other(const char *user, const char *name, struct error *error_out)
{
	error_set(error_out, SQLSTATE_INVALID_AUTHORIZATION, "peer authentication failed for user \"%s\"", user);
	error_detail(error_out, "The operating system says that this is user %s.", name);
	error_hint(error_out, "Connect as that user, or with sudo -u %s.", user);
	return CONSOLE_NOBODY;
}

enum console_role console_peer_role(int fd, const char *user, const struct console_allowed *allowed, char *who_out,
				    size_t who_size, struct error *error_out)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	char name[CONSOLE_PEER_BYTES];
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0) {
		error_set(error_out, SQLSTATE_INVALID_AUTHORIZATION, "cannot tell who is at the socket: %s",
			  strerror(errno));
		return CONSOLE_NOBODY;
	}
	if (!name_of(peer.uid, name))
		snprintf(name, sizeof(name), "uid %u", peer.uid);
	snprintf(who_out, who_size, "%s", name);
	if (peer.uid == 0 || peer.uid == geteuid()) {
		if (strcmp(name, user) != 0)
			snprintf(who_out, who_size, "%s (as %s)", name, user);
		return CONSOLE_ADMIN;
	}
	if (strcmp(name, user) != 0)
		return refuse_other(user, name, error_out);
	enum console_role role = role_of(allowed, user);
	return role == CONSOLE_NOBODY ? refuse_unlisted(user, error_out) : role;
}
