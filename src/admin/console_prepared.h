/* What a connection to the console has prepared: statements by name, and portals with what they gave. */
#ifndef CROSSFADE_ADMIN_CONSOLE_PREPARED_H
#define CROSSFADE_ADMIN_CONSOLE_PREPARED_H

#include "admin/console_command.h"
#include "admin/console_result.h"
#include "wire/client_message.h"

struct console_text {
	struct console_text *next;
	char *name;
	struct arena arena;
	const struct console_statement *statement;
	bool empty; /* no words: there is no verb */
	enum console_verb verb;
	unsigned parameters;
};

struct console_portal {
	struct console_portal *next;
	char *name;
	struct arena arena;
	bool empty, started;
	struct console_request request;
	struct console_result result;
	struct rows_formats formats;
	size_t sent; /* rows */
};

struct console_prepared {
	struct console_text *texts;
	struct console_portal *portals;
	size_t text_count, portal_count;
};

void console_prepared_deinit(struct console_prepared *prepared);
bool console_prepare(struct console_prepared *prepared, struct slice name, struct slice sql,
		     struct error *error_out);
bool console_bind(struct console_prepared *prepared, const struct bind_message *message, struct error *error_out);
struct console_text *console_find_text(const struct console_prepared *prepared, struct slice name,
				       struct error *error_out);
struct console_portal *console_find_portal(const struct console_prepared *prepared, struct slice name,
					   struct error *error_out);
/* kind: 'S' or 'P'; no error when there is none. */
void console_prepared_close(struct console_prepared *prepared, uint8_t kind, struct slice name);
/* A Query ends the unnamed ones; a Sync ends all portals. */
void console_prepared_close_unnamed(struct console_prepared *prepared);
void console_prepared_close_portals(struct console_prepared *prepared);

#endif
