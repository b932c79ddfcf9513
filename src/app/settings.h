/*
 * crossfade.yaml as a struct: the modules' own settings side by side, filled
 * by one table of fields (settings.c) that is also what `crossfade config`
 * and docs/configuration.md print.
 */
#ifndef CROSSFADE_APP_SETTINGS_H
#define CROSSFADE_APP_SETTINGS_H

#include "base/log.h"
#include "config/endpoint.h"
#include "config/fields.h"
#include "model/ruleset.h"
#include "proxy/proxy.h"
#include "proxy/security.h"
#include "usage/usage.h"

struct settings_listener {
	struct endpoint endpoint;
	const char *app; /* stands for the application in the ledger; NULL: what the client says */
	bool proxy_protocol;
};

struct settings_listeners {
	struct settings_listener *items;
	size_t count;
};

/* One database whose sessions are rewritten. */
struct settings_database {
	const char *name;	/* short form: the one admin_dsn connects to; NULL without it: all */
	bool short_form;	/* `map` and `flags` at the top, not below `databases` */
	const char *map_path;
	const char *flags_path; /* NULL: every entry at stage old, unless … */
	bool flags_in_schema;	/* … the database keeps the stages, in schema crossfade */
	const char *admin_dsn;	/* for libpq, a secret; NULL: no facts */
	const char *primary_dsn; /* … of the primary, where admin_dsn leads to a standby; NULL: not said */
};

struct settings_databases {
	struct settings_database *items;
	size_t count;
};

struct settings_names {
	const char **items;
	size_t count;
};

struct settings_console {
	struct endpoint *endpoints; /* none: there is no console */
	size_t endpoint_count;
	struct settings_names admins, viewers;
	const char *users_path; /* NULL: nobody comes in over TCP */
};

struct settings {
	struct arena arena;
	const char *file;
	struct settings_listeners listen;
	struct endpoint server;
	struct endpoint http; /* host NULL: off */
	struct settings_console console;
	const char *journal;	     /* as said: NULL: off; settings_journal_auto */
	const char *journal_path;    /* where that is; NULL: off */
	struct settings_databases databases; /* both forms; at least one after loading */
	struct settings_database single;     /* the short form as written */
	uint32_t workers;		     /* 0: one per usable core */
	uint32_t poll_ms;		     /* how often the catalog is looked at */
	uint32_t sessions_ms;		     /* … and who is connected; 0: never */
	uint32_t idle_days;		     /* without old use before `complete` */
	enum log_level log_level;
	enum log_format log_format;
	struct policy policy;
	struct security_settings security;
	struct usage_settings usage;
	struct proxy_settings proxy; /* proxy.workers follows `workers`, auto resolved */
};

extern const char settings_journal_auto[]; /* "auto", known by its address */

struct field_table settings_fields(void);

void settings_init(struct settings *settings); /* the defaults; there is no map yet */
void settings_deinit(struct settings *settings);

/* path NULL: ./crossfade.yaml, then /etc/crossfade/crossfade.yaml. */
bool settings_load(const char *path, struct settings *settings_out, struct error *error_out);
/* file: for messages and as the place that paths are relative to. */
bool settings_parse(struct slice text, const char *file, struct settings *settings_out, struct error *error_out);

#endif
