/*
 * The users file. What loads holds every user once, with a verifier that can
 * be written and read again; nobody else is told apart from one of them.
 */
#include "auth/users.h"
#include "fuzz.h"

#include <stdlib.h>

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void check_error(const struct error *error)
{
	must(error->message[0] && strcmp(error->file, "users.txt") == 0 && error->line > 0);
	/* A secret may stand where a name should: nothing of the file is shown. */
	must(!strstr(error->message, "SCRAM-SHA-256$") && !strstr(error->detail, "SCRAM-SHA-256$"));
}

static void check_verifier(const struct scram_verifier *verifier)
{
	struct scram_verifier again;
	struct buf text = { 0 };
	must(verifier->iterations && verifier->salt_len && verifier->salt_len <= SCRAM_SALT_MAX_BYTES);
	scram_verifier_append(verifier, &text);
	must(scram_verifier_parse(buf_slice(&text), &again));
	must(memcmp(verifier, &again, sizeof(again)) == 0);
	buf_deinit(&text);
}

static void ask_for(const struct users *users, struct slice name)
{
	struct scram_verifier first, second;
	bool doomed, still;
	users_verifier(users, name, &first, &doomed);
	users_verifier(users, name, &second, &still);
	must(doomed == still && doomed == !users_find(users, name));
	must(first.iterations == second.iterations && first.salt_len == second.salt_len);
	must(memcmp(first.salt, second.salt, first.salt_len) == 0);
	check_verifier(&first);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_of((const char *)data, size);
	struct users *users;
	struct error error;
	if (!users_parse(text, "users.txt", &users, &error)) {
		check_error(&error);
		return 0;
	}
	for (size_t at = 0; at < size && at < 64; at++)
		ask_for(users, slice_of(text.data + at, size - at < 8 ? size - at : 8));
	ask_for(users, slice_str("alice"));
	ask_for(users, slice_of("", 0));
	users_unref(users);
	return 0;
}
