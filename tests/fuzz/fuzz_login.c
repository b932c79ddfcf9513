/* A login, with a hostile client and a hostile server. */
#include "dialogue.h"
#include "fuzz.h"
#include "proxy/login.h"

#include <stdlib.h>

static struct traffic traffic;
static struct conversation_env env = { .traffic = &traffic };
static struct buf to_server, to_client;


static void feed(struct login *login, struct conversation *conversation, bool client, struct buf *rest)
{
	struct round round = { output_of(&to_server), output_of(&to_client) };
	size_t taken = client ? login_from_client(login, rest->data, rest->len, &round) :
				login_from_server(login, conversation, rest->data, rest->len, &round);
	if (taken > rest->len || (client && output_slice(&round.to_client).len))
		abort();
	buf_consume(rest, taken);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char packet[] = "\0\0\0\x14\0\3\0\0user\0alice\0";
	struct login *login = login_new(slice_of(packet, 0x14));
	struct conversation conversation;
	struct buf client_rest = { 0 }, server_rest = { 0 };
	struct slice rest = slice_of((const char *)data, size), bytes;
	bool client;
	conversation_init(&conversation, &env, login_session_state(login, NULL));
	while (!login->ready && !login->violation && dialogue_next(&rest, &client, &bytes)) {
		buf_append_slice(client ? &client_rest : &server_rest, bytes);
		feed(login, &conversation, client, client ? &client_rest : &server_rest);
	}
	buf_deinit(&client_rest);
	buf_deinit(&server_rest);
	buf_deinit(&to_server);
	buf_deinit(&to_client);
	conversation_deinit(&conversation);
	login_free(login);
	return 0;
}
