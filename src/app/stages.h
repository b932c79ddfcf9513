/* Where each table's stage is kept: in the flags file, or in the database. */
#ifndef CROSSFADE_APP_STAGES_H
#define CROSSFADE_APP_STAGES_H

#include "app/settings.h"
#include "catalog/connection.h"

/* connection: of the database; NULL: one is made where it is needed. Texts are the arena's. */
bool stages_load(const struct settings_database *database, struct catalog_connection *connection, struct arena *arena,
		 struct flags *flags_out, struct error *error_out);

#endif
