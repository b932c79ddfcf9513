/* The SHOW commands that need nothing but what the proxy publishes about itself. */
#ifndef CROSSFADE_ADMIN_CONSOLE_SHOW_H
#define CROSSFADE_ADMIN_CONSOLE_SHOW_H

#include "admin/console_command.h"
#include "admin/console_result.h"
#include "admin/overview.h"
#include "proxy/proxy.h"
#include "usage/usage.h"

struct console_sources {
	struct overview *overview;
	struct proxy *proxy;
	struct usage *usage; /* NULL: counting is off */
	int64_t started_ms;
};

/* False: not one of these. From any thread but a worker's. */
bool console_show(const struct console_sources *sources, enum console_verb verb, struct console_result *result);

#endif
