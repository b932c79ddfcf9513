/* The first packet of a connection: what anybody on the network can send. */
#include "fuzz.h"
#include "wire/startup.h"

#include <stdlib.h>

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void walk(const struct startup_packet *packet)
{
	static const char *const names[] = { "search_path", "role", "client_encoding" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct buf value = { 0 };
		if (!startup_setting(packet, names[i], &value))
			must(value.len == 0);
		buf_deinit(&value);
	}
	must(packet->database.len <= 63 && packet->user.len <= 63);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct startup_packet packet = { 0 };
	struct error error = { 0 };
	enum startup_kind kind = startup_parse(slice_of((const char *)data, size), &packet, &error);
	if (kind == STARTUP_INVALID)
		must(error.sqlstate[0] && error.message[0]);
	else if (kind != STARTUP_INCOMPLETE)
		must(packet.size >= 8 && packet.size <= size && packet.size <= STARTUP_MAX_BYTES);
	if (kind == STARTUP_SESSION)
		walk(&packet);
	if (kind == STARTUP_CANCEL)
		must(packet.cancel_key.len >= 4 && packet.cancel_key.len <= CANCEL_KEY_MAX_BYTES);
	return 0;
}
