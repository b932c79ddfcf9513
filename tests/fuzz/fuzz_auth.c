/*
 * A login that crossfade takes part in, with a hostile client and a hostile
 * server. The first byte says how ('p' password, 's' SCRAM with a verifier at
 * hand, 'q' with one that is asked for, 't' pass-through with TLS on both
 * sides); then comes a dialogue, in which twenty-four @ of the server stand
 * for our nonce.
 */
#include "dialogue.h"
#include "fuzz.h"
#include "proxy/login.h"

#include <stdlib.h>

enum { NONCE_BYTES = 24 };

static struct traffic traffic;
static struct conversation_env env = { .traffic = &traffic };
static struct buf to_server, to_client;

/* A file with one user in it. */
static struct users *users_of(const char *name)
{
	struct users *users;
	struct scram_verifier verifier;
	struct buf text = { 0 };
	struct error error;
	scram_verifier_make("pencil", (const uint8_t *)"salt", 4, 1, &verifier);
	buf_printf(&text, "\"%s\" \"", name);
	scram_verifier_append(&verifier, &text);
	buf_append_str(&text, "\"\n");
	if (!users_parse(buf_slice(&text), "users", &users, &error))
		abort();
	buf_deinit(&text);
	return users;
}

static void begin(struct login *login, char how)
{
	static struct users *alice, *bob;
	struct login_channel channel = { .client_secure = how == 't', .server_secure = how == 't', .server_private = true };
	alice = alice ? alice : users_of("alice");
	bob = bob ? bob : users_of("bob");
	if (how == 'p')
		login_secure(login, AUTH_PASSWORD, NULL, false, &channel);
	else if (how == 's' || how == 'q')
		login_secure(login, AUTH_SCRAM, how == 's' ? alice : bob, how == 'q', &channel);
	else
		login_secure(login, AUTH_PASSTHROUGH, NULL, false, &channel);
}

/* Ours, as it went to the server: behind "r=". */
static void remember_nonce(char nonce[NONCE_BYTES])
{
	struct slice said = slice_of(to_server.data, to_server.len);
	for (size_t i = 0; i + 2 + NONCE_BYTES <= said.len; i++) {
		if (memcmp(said.data + i, "r=", 2) == 0) {
			memcpy(nonce, said.data + i + 2, NONCE_BYTES);
			return;
		}
	}
}

static void fill_in(struct buf *bytes, const char nonce[NONCE_BYTES])
{
	size_t at = 0;
	for (size_t i = 0; i < bytes->len && at < NONCE_BYTES; i++) {
		if (bytes->data[i] == '@')
			bytes->data[i] = nonce[at++];
	}
}

static void slow_steps(struct login *login, struct round *round)
{
	struct server_auth_work work;
	if (login->wants_verifier)
		login_verifier(login, NULL, round);
	if (login->wants_keys) {
		login_take_work(login, &work);
		if (!work.iterations || !work.salt.len)
			abort();
		login_finish_work(login, &work, round); /* wrong keys will do */
		server_auth_work_deinit(&work);
	}
}

static void feed(struct login *login, struct conversation *conversation, bool client, struct buf *rest, bool own)
{
	struct round round = { output_of(&to_server), output_of(&to_client) };
	size_t taken = client ? login_from_client(login, rest->data, rest->len, &round) :
				login_from_server(login, conversation, rest->data, rest->len, &round);
	if (taken > rest->len)
		abort();
	if (client && own && output_slice(&round.to_server).len)
		abort(); /* what the client says never goes on as it is */
	buf_consume(rest, taken);
	slow_steps(login, &round);
	if (login->ready && own && !client_auth_proven(login->client_auth))
		abort(); /* somebody came in without proof */
}

static void talk(struct login *login, struct slice rest, bool own)
{
	struct conversation conversation;
	struct buf client_rest = { 0 }, server_rest = { 0 };
	char nonce[NONCE_BYTES] = "";
	struct slice bytes;
	bool client;
	conversation_init(&conversation, &env, login_session_state(login, NULL));
	while (!login->ready && !login->violation && dialogue_next(&rest, &client, &bytes)) {
		struct buf *side = client ? &client_rest : &server_rest;
		buf_append_slice(side, bytes);
		if (!client)
			fill_in(side, nonce);
		feed(login, &conversation, client, side, own);
		remember_nonce(nonce);
		if (!login->violation && !login->ready && login_server_may_go_on(login) && server_rest.len)
			feed(login, &conversation, false, &server_rest, own);
		remember_nonce(nonce);
	}
	buf_deinit(&client_rest);
	buf_deinit(&server_rest);
	conversation_deinit(&conversation);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char packet[] = "\0\0\0\x14\0\3\0\0user\0alice\0";
	if (!size)
		return 0;
	struct login *login = login_new(slice_of(packet, 0x14));
	begin(login, (char)data[0]);
	talk(login, slice_of((const char *)data + 1, size - 1), data[0] == 'p' || data[0] == 's' || data[0] == 'q');
	login_free(login);
	buf_deinit(&to_server);
	buf_deinit(&to_client);
	return 0;
}
