#include "app/stages.h"

#include "config/flags_file.h"
#include "fleet/state.h"

enum { TIMEOUT_MS = 5000 };

static bool ask(struct catalog_connection *connection, struct arena *arena, struct flags *flags_out,
		struct error *error_out)
{
	struct buf text;
	buf_init(&text);
	bool ok = state_read_stages(connection, TIMEOUT_MS, &text, error_out) &&
		  flags_file_parse(buf_slice(&text), "the schema crossfade", arena, flags_out,
				   error_out);
	buf_deinit(&text);
	return ok;
}

bool stages_load(const struct settings_database *database, struct catalog_connection *connection, struct arena *arena,
		 struct flags *flags_out, struct error *error_out)
{
	struct catalog_connection *own = NULL;
	if (!database->flags_in_schema)
		return !database->flags_path || flags_file_load(database->flags_path, arena, flags_out, error_out);
	if (!connection && !catalog_connect(database->admin_dsn, -1, TIMEOUT_MS, &own, error_out))
		return false;
	bool ok = ask(connection ? connection : own, arena, flags_out, error_out);
	catalog_connection_free(own);
	return ok;
}
