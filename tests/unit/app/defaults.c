/* Stands in for the proxy's defaults, so that these tests need no proxy. */
#include "proxy/proxy.h"

struct proxy_settings proxy_settings_default(void)
{
	return (struct proxy_settings){
		.workers = 1,
		.clients = 1000,
		.message_bytes = 16 << 20,
		.pipeline = 10000,
		.startup_timeout_ms = 60000,
		.connect_timeout_ms = 15000,
		.facts_timeout_ms = 2000,
		.drain_timeout_ms = 30000,
		.read_buffer_bytes = 65536,
		.queue_high_bytes = 256 << 10,
		.queue_low_bytes = 64 << 10,
		.listen_backlog = 1024,
		.usage_flush_ms = 1000,
		.stack_bytes = 16 << 20,
		.rewriter = { .parse_bytes = 1 << 20, .nesting = 1000, .cache_bytes = 8 << 20, .normalised_bytes = 2048 },
	};
}
