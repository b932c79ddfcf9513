/* Every key of crossfade.yaml, one row each, in the order that people read. */
#include "app/dsn.h"
#include "app/settings.h"
#include "app/settings_addresses.h"
#include "config/sql_name.h"
#include "usage/shared.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FAIL FIELD_FAIL

/* ---- files that may become schemas ---- */

/* The connection string follows once all of the file is read (settings.c). */
static bool parse_usage_schema(struct field_context *context, const struct yaml_value *value, void *place)
{
	static const char *const keys[] = { "schema" };
	const struct yaml_value *schema = yaml_get(value, "schema");
	const char *name, *why;
	if (!yaml_check_keys(context->doc, value, keys, 1, "`usage`", context->error))
		return false;
	if (!schema || schema->kind != YAML_TEXT)
		return FAIL(context, value, "`usage` needs a file, or `{schema: NAME}`");
	if (!sql_name_parse_single(context->arena, schema->text, &name, &why))
		return FAIL(context, schema, "schema name `%s` %s", schema->text, why);
	*(const char **)place = arena_printf(context->arena, "schema:%s", name);
	return true;
}

static bool parse_file_or_schema(struct field_context *context, const struct field *field,
				 const struct yaml_value *value, void *place)
{
	const char *path;
	if (value->kind == YAML_MAP)
		return parse_usage_schema(context, value, place);
	if (field->zero && value->kind == YAML_TEXT && strcmp(value->text, field->zero) == 0)
		path = NULL;
	else if (!field_path(context, value, &path))
		return false;
	*(const char **)place = path;
	return true;
}

static void format_file(const struct field *field, const void *place, struct buf *out)
{
	const char *path = *(const char *const *)place;
	if (usage_is_shared(path)) {
		buf_printf(out, "{schema: %.*s}", (int)strcspn(path + 7, "\n"), path + 7);
		return;
	}
	if (path)
		yaml_append_text(out, path);
	else
		buf_append_str(out, field->zero ? field->zero : "null");
}

static bool parse_journal(struct field_context *context, const struct field *field, const struct yaml_value *value,
			  void *place)
{
	const char *path = settings_journal_auto;
	bool is_auto = value->kind == YAML_TEXT && strcmp(value->text, settings_journal_auto) == 0;
	if (!is_auto && value->kind == YAML_TEXT && strcmp(value->text, field->zero) == 0)
		path = NULL;
	else if (!is_auto && !field_path(context, value, &path))
		return false;
	*(const char **)place = path;
	return true;
}

static void format_journal(const struct field *field, const void *place, struct buf *out)
{
	const char *path = *(const char *const *)place;
	if (path == settings_journal_auto)
		buf_append_str(out, path);
	else
		format_file(field, place, out);
}

/* The stages' place: a file, or the schema crossfade of the database itself. */
static bool parse_stages_place(struct field_context *context, const struct yaml_value *value,
			       struct settings_database *database)
{
	static const char *const keys[] = { "schema" };
	if (value->kind != YAML_MAP)
		return field_path(context, value, &database->flags_path);
	const struct yaml_value *schema = yaml_get(value, "schema");
	if (!yaml_check_keys(context->doc, value, keys, 1, "this place", context->error))
		return false;
	if (!schema || schema->kind != YAML_TEXT || strcmp(schema->text, "crossfade") != 0) {
		FAIL(context, schema ? schema : value, "the stages' schema must be crossfade");
		error_hint(context->error, "Write `flags: {schema: crossfade}`.");
		return false;
	}
	database->flags_in_schema = true;
	return true;
}

static bool parse_flags(struct field_context *context, const struct field *field, const struct yaml_value *value,
			void *place)
{
	return parse_stages_place(context, value, place);
}

static void format_flags(const struct field *field, const void *place, struct buf *out)
{
	const struct settings_database *database = place;
	if (database->flags_in_schema)
		buf_append_str(out, "{schema: crossfade}");
	else if (database->flags_path)
		yaml_append_text(out, database->flags_path);
	else
		buf_append_str(out, "null");
}

/* ---- certificate authorities ---- */

static bool parse_authorities(struct field_context *context, const struct field *field,
			      const struct yaml_value *value, void *place)
{
	if (value->kind == YAML_TEXT && strcmp(value->text, TLS_SYSTEM_AUTHORITIES) == 0) {
		*(const char **)place = TLS_SYSTEM_AUTHORITIES;
		return true;
	}
	return field_path(context, value, place);
}

/* ---- connection strings ---- */

/* As libpq asks of a private key: nobody else may read; root's file may be shared with one group. */
static bool may_hold_secrets(const char *file)
{
	struct stat info;
	if (stat(file, &info) != 0 || !S_ISREG(info.st_mode))
		return true; /* a text in memory, or a pipe */
	mode_t forbidden = info.st_uid == 0 ? S_IWGRP | S_IXGRP | S_IRWXO : S_IRWXG | S_IRWXO;
	return (info.st_mode & forbidden) == 0;
}

static bool parse_dsn(struct field_context *context, const struct field *field, const struct yaml_value *value,
		      void *place)
{
	const char *dsn, *why;
	bool has_password;
	if (!yaml_expect(context->doc, value, YAML_TEXT, "the connection string", context->error))
		return false;
	if (!dsn_resolve(context->arena, value->text, &dsn, &has_password, &why)) {
		FAIL(context, value, "the connection string %s", why);
		error_hint(context->error, "Write it for libpq: \"host=127.0.0.1 dbname=aegis user=crossfade\", "
					   "values with spaces in single quotes, or postgresql://user@host/dbname.");
		return false;
	}
	if (has_password && !may_hold_secrets(context->doc->file)) {
		FAIL(context, value, "the connection string holds a password, and others can read this file");
		error_hint(context->error, "chmod 600 the file, or let the password come from ${NAME}, passfile or service.");
		return false;
	}
	*(const char **)place = dsn;
	return true;
}

static void format_dsn(const struct field *field, const void *place, struct buf *out)
{
	const char *dsn = *(const char *const *)place;
	if (dsn)
		yaml_append_text(out, dsn);
	else
		buf_append_str(out, "null");
}

/* ---- databases ---- */

static bool parse_database_files(struct field_context *context, const struct yaml_value *map,
				 struct settings_database *database)
{
	const struct yaml_value *path = yaml_get(map, "map"), *flags = yaml_get(map, "flags");
	if (!path)
		return FAIL(context, map, "database %s has no `map`", database->name);
	if (!field_path(context, path, &database->map_path))
		return false;
	return !flags || yaml_is_null(flags) || parse_stages_place(context, flags, database);
}

static bool parse_database(struct field_context *context, const struct yaml_value *key,
			   const struct yaml_value *value, struct settings_database *database)
{
	static const char *const keys[] = { "map", "flags", "admin" }, *const admin_keys[] = { "dsn", "primary" };
	char what[128];
	if (!key->text[0] || strlen(key->text) > NAME_MAX_BYTES)
		return FAIL(context, key, "a database's name takes 1 to %d bytes", NAME_MAX_BYTES);
	database->name = arena_strdup(context->arena, key->text);
	snprintf(what, sizeof(what), "database %s", key->text);
	if (!yaml_expect(context->doc, value, YAML_MAP, what, context->error) ||
	    !yaml_check_keys(context->doc, value, keys, 3, what, context->error) ||
	    !parse_database_files(context, value, database))
		return false;
	const struct yaml_value *admin = yaml_get(value, "admin");
	if (!admin || yaml_is_null(admin))
		return true;
	if (!yaml_expect(context->doc, admin, YAML_MAP, "`admin`", context->error) ||
	    !yaml_check_keys(context->doc, admin, admin_keys, 2, "`admin`", context->error))
		return false;
	const struct yaml_value *dsn = yaml_get(admin, "dsn"), *primary = yaml_get(admin, "primary");
	return (!dsn || yaml_is_null(dsn) || parse_dsn(context, NULL, dsn, &database->admin_dsn)) &&
	       (!primary || yaml_is_null(primary) || parse_dsn(context, NULL, primary, &database->primary_dsn));
}

static bool parse_databases(struct field_context *context, const struct field *field,
			    const struct yaml_value *value, void *place)
{
	struct settings_databases list = { ARENA_ARRAY(context->arena, value->count + 1, struct settings_database),
					   0 };
	if (!yaml_expect(context->doc, value, YAML_MAP, "`databases`", context->error))
		return false;
	for (size_t i = 0; i < value->count; i++) {
		if (!parse_database(context, &value->keys[i], &value->items[i], &list.items[list.count++]))
			return false;
	}
	*(struct settings_databases *)place = list;
	return true;
}

static void format_databases(const struct field *field, const void *place, struct buf *out)
{
	const struct settings_databases *list = place;
	buf_append_byte(out, '{');
	for (size_t i = 0; i < list->count; i++) {
		const struct settings_database *database = &list->items[i];
		if (database->short_form)
			continue; /* the short form, shown by its own keys */
		buf_append_str(out, out->data[out->len - 1] == '{' ? "" : ", ");
		yaml_append_text(out, database->name);
		buf_append_str(out, ": {map: ");
		yaml_append_text(out, database->map_path);
		buf_append_str(out, ", flags: ");
		format_flags(field, database, out);
		buf_append_str(out, "}");
	}
	buf_append_byte(out, '}');
}

/* ---- the table ---- */

static const char *const opaque_words[] = { "pass", "notice", "refuse", NULL };
static const char *const introspection_words[] = { "pass", "map", NULL };
static const char *const ddl_words[] = { "refuse", "allow", NULL };
static const char *const errors_words[] = { "mapped", "raw", NULL };
static const char *const syntax_words[] = { "refuse", "pass", NULL };
static const char *const level_words[] = { "debug", "info", "warning", "error", "fatal", NULL };
static const char *const auth_words[] = { "passthrough", "password", "scram", NULL };
static const char *const client_tls_words[] = { "disable", "allow", "require", NULL };
static const char *const server_tls_words[] = { "disable", "prefer", "require", "verify-ca", "verify-full", NULL };
static const char *const verify_words[] = { "none", "optional", "require", NULL };
static const char *const format_words[] = { "logfmt", "json", NULL };

#define AT(member) FIELD_PLACE(struct settings, member)

static const struct field fields[] = {
	{ .path = "listen", .kind = FIELD_CUSTOM, .required = true, AT(listen), .parse = settings_parse_listen,
	  .format = settings_format_listen, .unit = "HOST:PORT or a folder, one or a list", .example = "[127.0.0.1:6432]",
	  .help = "Where clients connect. An item may be {address: 127.0.0.1:6433, app: billing}: app then stands for "
		  "the application in the ledger. With proxy_protocol: true in it, each connection must begin with the PROXY "
		  "protocol's header (version 1 or 2), in which a load balancer says who the client is; nobody else should "
		  "reach such an address. A path is the folder of a unix socket." },
	{ .path = "server", .kind = FIELD_CUSTOM, .required = true, .reloadable = true, AT(server),
	  .parse = settings_parse_server, .format = settings_format_server, .unit = "HOST:PORT or a folder",
	  .example = "127.0.0.1:5432",
	  .help = "The PostgreSQL server. A name is resolved anew at each connect; a path is the folder of its unix "
		  "socket." },
	{ .path = "workers", .kind = FIELD_INT, AT(workers), .max = 1024, .zero = "auto", .unit = "threads",
	  .help = "Threads that serve sessions; auto: one for each usable core (affinity, cgroup quota)." },
	{ .path = "map", .kind = FIELD_PATH, .required = true, .unless = "databases", .reloadable = true,
	  AT(single.map_path), .example = "v10-to-v13.yaml",
	  .help = "The map of old to new tables, for the database that admin.dsn names; all other databases pass "
		  "untouched. Not together with `databases`." },
	{ .path = "flags", .kind = FIELD_CUSTOM, .reloadable = true, AT(single), .parse = parse_flags,
	  .format = format_flags, .unit = "path, or {schema: crossfade}", .example = "flags.yaml",
	  .help = "The stage of each table: a file (without one every table is at stage old), or the schema crossfade of "
		  "the database, which many proxies share." },
	{ .path = "usage", .kind = FIELD_CUSTOM, .zero = "off", AT(usage.path), .parse = parse_file_or_schema,
	  .format = format_file, .unit = "path, {schema: NAME}, or off",
	  .help = "The ledger of which names are used: a SQLite file, created when missing; or a schema of the database of "
		  "admin.dsn, which several proxies share." },
	{ .path = "journal", .kind = FIELD_CUSTOM, .zero = "off", .reloadable = true, AT(journal),
	  .parse = parse_journal, .format = format_journal, .unit = "path, auto or off",
	  .help = "Who changed which stage, when and why: a file that is only appended to; auto: "
		  "crossfade-journal.jsonl beside this file." },
	{ .path = "admin.dsn", .kind = FIELD_CUSTOM, .secret = true, .reloadable = true, AT(single.admin_dsn),
	  .parse = parse_dsn, .format = format_dsn, .unit = "libpq connection string",
	  .example = "\"host=127.0.0.1 dbname=aegis user=crossfade\"",
	  .help = "How crossfade itself connects, to read the catalog. ${NAME} is taken from the environment; "
		  "passfile and service work. Without it tables are found by the map and the flags alone." },
	{ .path = "admin.primary", .kind = FIELD_CUSTOM, .secret = true, AT(single.primary_dsn),
	  .parse = parse_dsn, .format = format_dsn, .unit = "libpq connection string",
	  .example = "\"host=db1 dbname=aegis user=crossfade\"",
	  .help = "Where admin.dsn leads to a hot standby and the flags are in the schema crossfade: how to reach its primary, "
		  "where this proxy registers and hears of cutovers." },
	{ .path = "admin.poll", .kind = FIELD_DURATION, AT(poll_ms), .stored_ms = 1, .min = 100,
	  .max = 3600000, .help = "How often the catalog is checked for changes made outside the proxy. With 5s or more "
				  "no connection is held in between." },
	{ .path = "admin.sessions", .kind = FIELD_DURATION, .zero = "off", AT(sessions_ms), .stored_ms = 1, .min = 1000,
	  .max = 3600000, .help = "How often to look who is connected to the server past the proxy, for the report." },
	{ .path = "databases", .kind = FIELD_CUSTOM, .reloadable = true, AT(databases), .parse = parse_databases,
	  .format = format_databases, .unit = "mapping",
	  .help = "The long form for several databases: {aegis: {map: FILE, flags: FILE, admin: {dsn: …}}}." },
	{ .path = "policy.opaque", .kind = FIELD_ENUM, .reloadable = true, AT(policy.opaque), .words = opaque_words,
	  .help = "Mapped names inside DO blocks, function bodies and EXECUTE strings, which are never rewritten: "
		  "count them, add a notice, or refuse the statement." },
	{ .path = "policy.introspection", .kind = FIELD_ENUM, .reloadable = true, AT(policy.introspection),
	  .words = introspection_words,
	  .help = "Queries of information_schema and pg_catalog: passed, or shown the layout the application "
		  "expects." },
	{ .path = "policy.ddl", .kind = FIELD_ENUM, .reloadable = true, AT(policy.ddl), .words = ddl_words,
	  .help = "DROP, RENAME, SET SCHEMA and the like on a mapped table." },
	{ .path = "policy.errors", .kind = FIELD_ENUM, .reloadable = true, AT(policy.errors), .words = errors_words,
	  .help = "Error positions and names as the application wrote them, or as the server sent them." },
	{ .path = "policy.newer_syntax", .kind = FIELD_ENUM, .reloadable = true, AT(policy.newer_syntax),
	  .words = syntax_words,
	  .help = "Statements the parser does not know although a name in them needs changing." },
	{ .path = "log.level", .kind = FIELD_ENUM, .reloadable = true, AT(log_level), .words = level_words,
	  .help = "The least important lines that are logged." },
	{ .path = "log.format", .kind = FIELD_ENUM, .reloadable = true, AT(log_format), .words = format_words,
	  .help = "One line per event, to stderr." },
	{ .path = "limits.clients", .kind = FIELD_INT, AT(proxy.clients), .min = 1, .max = 1000000,
	  .unit = "sessions", .help = "Sessions at once; one more gets FATAL 53300." },
	{ .path = "limits.clients_per_address", .kind = FIELD_INT, AT(proxy.clients_per_address), .zero = "off",
	  .max = 1000000, .unit = "sessions",
	  .help = "Sessions at once from one address, but for unix sockets; one more gets FATAL 53300." },
	{ .path = "limits.clients_per_user", .kind = FIELD_INT, AT(proxy.clients_per_user), .zero = "off", .max = 1000000,
	  .unit = "sessions", .help = "Sessions at once of one user; one more gets FATAL 53300 after its login." },
	{ .path = "limits.unfinished_logins", .kind = FIELD_INT, AT(proxy.unfinished_logins), .zero = "off",
	  .max = 1000000, .unit = "connections",
	  .help = "Connections whose client has not logged in yet; beyond, the oldest is ended." },
	{ .path = "limits.unknown_cancels", .kind = FIELD_INT, AT(proxy.unknown_cancels), .zero = "off",
	  .max = 1000000, .unit = "requests",
	  .help = "Cancel requests for sessions of other proxies that are being passed on at once; more are dropped." },
	{ .path = "limits.memory_bytes", .kind = FIELD_BYTES, AT(proxy.memory_bytes), .zero = "off", .min = 0,
	  .max = 1ULL << 50, .help = "Memory of the process (resident) beyond which new sessions get FATAL 53200." },
	{ .path = "limits.message_bytes", .kind = FIELD_BYTES, AT(proxy.message_bytes), .min = 1024,
	  .max = 1 << 30, .help = "The longest statement that is held to be rewritten; a longer one fails with 54000." },
	{ .path = "limits.parse_bytes", .kind = FIELD_BYTES, AT(proxy.rewriter.parse_bytes), .min = 1024,
	  .max = 1 << 30, .help = "The longest statement that is parsed." },
	{ .path = "limits.inline_bytes", .kind = FIELD_BYTES, AT(proxy.inline_bytes), .min = 0, .max = 1 << 30,
	  .help = "Longer statements are parsed on a thread of their own: other sessions do not wait." },
	{ .path = "limits.parse_nesting", .kind = FIELD_INT, AT(proxy.rewriter.nesting), .min = 16, .max = 100000,
	  .unit = "levels", .help = "The deepest nesting of parentheses and the like that is parsed." },
	{ .path = "limits.cache_bytes", .kind = FIELD_BYTES, AT(proxy.rewriter.cache_bytes), .zero = "off",
	  .max = 1ULL << 40, .help = "Memory of each worker for statements already rewritten." },
	{ .path = "limits.statement_bytes", .kind = FIELD_BYTES, AT(proxy.rewriter.normalised_bytes), .min = 64,
	  .max = 1 << 20, .help = "How much of a normalised statement the ledger keeps." },
	{ .path = "limits.prepared_bytes", .kind = FIELD_BYTES, AT(proxy.prepared_bytes), .zero = "off",
	  .max = 1ULL << 40, .help = "Texts that one session keeps of its prepared statements." },
	{ .path = "limits.retry_bytes", .kind = FIELD_BYTES, AT(proxy.retry_bytes), .zero = "off",
	  .max = 1ULL << 30, .help = "Longest batch of messages sent again after DDL by somebody else moved its table." },
	{ .path = "limits.pipeline", .kind = FIELD_INT, AT(proxy.pipeline), .min = 1, .max = 10000000,
	  .unit = "requests", .help = "Requests of one session without an answer; then its client waits." },
	{ .path = "limits.parked_clients", .kind = FIELD_INT, AT(proxy.parked_clients), .min = 1, .max = 1000000,
	  .unit = "sessions", .help = "Clients that wait for a paused table at once; one more ends the pause." },
	{ .path = "limits.parked_bytes", .kind = FIELD_BYTES, AT(proxy.parked_bytes), .min = 65536, .max = 1ULL << 40,
	  .help = "Statements that wait for a paused table at once; more than that ends the pause." },
	{ .path = "limits.startup_timeout", .kind = FIELD_DURATION, AT(proxy.startup_timeout_ms), .stored_ms = 1,
	  .min = 100, .max = 86400000, .help = "From accepting a client until its session is ready." },
	{ .path = "limits.connect_timeout", .kind = FIELD_DURATION, AT(proxy.connect_timeout_ms), .stored_ms = 1,
	  .min = 100, .max = 86400000, .help = "To reach the server, all its addresses together." },
	{ .path = "limits.connect_backoff", .kind = FIELD_DURATION, AT(proxy.connect_backoff_ms), .stored_ms = 1,
	  .zero = "off", .max = 60000,
	  .help = "While the server cannot be reached, each attempt waits longer than the one before, up to this." },
	{ .path = "limits.idle_timeout", .kind = FIELD_DURATION, AT(proxy.idle_timeout_ms), .stored_ms = 1, .zero = "off",
	  .max = 2000000000, .help = "A session that says nothing for so long, with no transaction open, gets FATAL 57P05." },
	{ .path = "limits.idle_transaction_timeout", .kind = FIELD_DURATION, AT(proxy.idle_transaction_timeout_ms),
	  .stored_ms = 1, .zero = "off", .max = 2000000000,
	  .help = "A session that says nothing for so long with a transaction open gets FATAL 25P03." },
	{ .path = "limits.facts_timeout", .kind = FIELD_DURATION, AT(proxy.facts_timeout_ms), .stored_ms = 1,
	  .max = 3600000, .help = "How long a statement waits for the catalog to be read again." },
	{ .path = "limits.read_buffer_bytes", .kind = FIELD_BYTES, AT(proxy.read_buffer_bytes), .min = 4096,
	  .max = 64 << 20, .help = "One buffer per worker, lent to a session while bytes flow." },
	{ .path = "limits.queue_high_bytes", .kind = FIELD_BYTES, AT(proxy.queue_high_bytes), .min = 1024,
	  .max = 1 << 30, .help = "Unsent bytes for one side at which the other side is no longer read." },
	{ .path = "limits.queue_low_bytes", .kind = FIELD_BYTES, AT(proxy.queue_low_bytes), .max = 1 << 30,
	  .help = "Unsent bytes at which it is read again." },
	{ .path = "limits.tcp_keepalive", .kind = FIELD_DURATION, AT(proxy.tcp_keepalive_s), .stored_ms = 1000,
	  .zero = "off", .max = 32767, .help = "Silence on a connection before the first probe, both sides." },
	{ .path = "limits.tcp_user_timeout", .kind = FIELD_DURATION, AT(proxy.tcp_user_timeout_ms), .stored_ms = 1,
	  .zero = "system", .max = 86400000, .help = "Unacknowledged data for so long ends a connection." },
	{ .path = "limits.listen_backlog", .kind = FIELD_INT, AT(proxy.listen_backlog), .min = 1, .max = 65535,
	  .unit = "connections", .help = "Connections the kernel holds until they are accepted." },
	{ .path = "limits.stack_bytes", .kind = FIELD_BYTES, AT(proxy.stack_bytes), .min = 1 << 20, .max = 1 << 30,
	  .help = "The stack of each worker; the parser needs a deep one." },
	{ .path = "limits.usage_flush", .kind = FIELD_DURATION, AT(usage.flush_ms), .stored_ms = 1, .min = 100,
	  .max = 600000, .help = "How often counts are written to the ledger; a kill -9 loses so much at most." },
	{ .path = "limits.usage_bytes", .kind = FIELD_BYTES, AT(usage.memory_bytes), .min = 65536, .max = 1ULL << 40,
	  .help = "Memory for counts not yet written; beyond it they are summed up as other." },
	{ .path = "limits.usage_statements", .kind = FIELD_INT, AT(usage.shapes_max), .min = 1, .max = 100000000,
	  .unit = "statements", .help = "Distinct statements kept in the ledger; beyond it they are summed up as other." },
	{ .path = "limits.usage_identities", .kind = FIELD_INT, AT(usage.identities_max), .min = 1, .max = 100000000,
	  .unit = "identities", .help = "Distinct users, applications and addresses kept in the ledger; beyond: other." },
	{ .path = "limits.usage_rows", .kind = FIELD_INT, AT(usage.uses_max), .min = 1, .max = 1000000000,
	  .unit = "rows", .help = "Distinct combinations counted in the ledger; beyond: other." },
	{ .path = "limits.usage_series", .kind = FIELD_INT, AT(usage.series_max), .min = 1000, .max = 1000000000,
	  .unit = "rows", .help = "Rows of the time series; beyond, it becomes coarser and older ones go." },
	{ .path = "limits.usage_hours_days", .kind = FIELD_INT, AT(usage.hours_days), .min = 1, .max = 3650,
	  .unit = "days", .help = "How long the time series stays hourly." },
	{ .path = "limits.usage_keep_days", .kind = FIELD_INT, AT(usage.keep_days), .min = 1, .max = 36500,
	  .unit = "days", .help = "How long the time series is kept at all." },
	{ .path = "limits.idle_days", .kind = FIELD_INT, .reloadable = true, AT(idle_days), .max = 3650,
	  .unit = "days", .help = "Without any use of its old name, observed without a gap, before a table counts as "
				  "ready for stage complete." },
	{ .path = "auth", .kind = FIELD_ENUM, .reloadable = true, AT(security.auth), .words = auth_words,
	  .help = "Who checks passwords: the server, through crossfade; the server, with a password that the client gave "
		  "crossfade inside TLS; or crossfade by SCRAM, against copies of the server's verifiers." },
	{ .path = "auth_users_file", .kind = FIELD_PATH, .reloadable = true, AT(security.users_file),
	  .example = "users.txt",
	  .help = "For `auth: scram`: lines \"name\" \"SCRAM-SHA-256$…\" as in pg_authid.rolpassword, readable by the "
		  "owner alone." },
	{ .path = "auth_query", .kind = FIELD_TEXT, AT(security.auth_query),
	  .example = "\"SELECT rolpassword FROM pg_authid WHERE rolname = $1\"",
	  .help = "For `auth: scram`: asks the server, through admin.dsn, for the verifier of a user ($1) that the file "
		  "does not have; the answer's last column counts." },
	{ .path = "drain.delay", .kind = FIELD_DURATION, AT(proxy.drain_delay_ms), .stored_ms = 1, .max = 86400000,
	  .help = "At SIGTERM: how long new sessions are still taken, while /readyz already says no; the time that a load "
		  "balancer needs to notice." },
	{ .path = "drain.timeout", .kind = FIELD_DURATION, AT(proxy.drain_timeout_ms), .stored_ms = 1, .max = 86400000,
	  .help = "Then: how long sessions may finish their transactions." },
	{ .path = "client_tls.mode", .kind = FIELD_ENUM, .reloadable = true, AT(security.client_mode),
	  .words = client_tls_words,
	  .help = "TLS between clients and crossfade: not offered, taken by who wants it, or asked of everybody but "
		  "clients on unix sockets." },
	{ .path = "client_tls.cert", .kind = FIELD_PATH, .reloadable = true, AT(security.client.cert),
	  .example = "server.crt", .help = "The certificate shown to clients, with those that lead to its authority." },
	{ .path = "client_tls.key", .kind = FIELD_PATH, .reloadable = true, AT(security.client.key),
	  .example = "server.key", .help = "Its private key, readable by its owner alone." },
	{ .path = "client_tls.ca", .kind = FIELD_CUSTOM, .reloadable = true, AT(security.client.ca),
	  .parse = parse_authorities, .format = format_file, .unit = "path, or system", .example = "clients-ca.crt",
	  .help = "Authorities of client certificates." },
	{ .path = "client_tls.verify", .kind = FIELD_ENUM, .reloadable = true, AT(security.client.verify),
	  .words = verify_words,
	  .help = "Whether clients show a certificate of client_tls.ca: nobody is asked, who has one must have a good one, "
		  "or everybody needs one." },
	{ .path = "server_tls.mode", .kind = FIELD_ENUM, .reloadable = true, AT(security.server_mode),
	  .words = server_tls_words,
	  .help = "TLS between crossfade and the server, with the meaning of libpq's sslmode. Never on a unix socket." },
	{ .path = "server_tls.ca", .kind = FIELD_CUSTOM, .reloadable = true, AT(security.server.ca),
	  .parse = parse_authorities, .format = format_file, .unit = "path, or system", .example = "server-ca.crt",
	  .help = "Who vouches for the server's certificate; with it, require verifies as verify-ca does, and prefer "
		  "goes on without TLS when the certificate is not theirs." },
	{ .path = "server_tls.cert", .kind = FIELD_PATH, .reloadable = true, AT(security.server.cert),
	  .example = "crossfade.crt", .help = "The certificate shown to the server, if it asks for one." },
	{ .path = "server_tls.key", .kind = FIELD_PATH, .reloadable = true, AT(security.server.key),
	  .example = "crossfade.key", .help = "Its private key, readable by its owner alone." },
	{ .path = "console.listen", .kind = FIELD_CUSTOM, AT(console), .parse = settings_parse_console_listen,
	  .format = settings_format_console_listen, .unit = "folder or HOST:PORT, one or a list", .example = "[run]",
	  .help = "Where the console listens, in which psql can look and give orders: the folder of a unix socket, made "
		  "when it is missing, or an address, which needs console.users_file. The port is 7432 unless it is said." },
	{ .path = "console.admins", .kind = FIELD_CUSTOM, .reloadable = true, AT(console.admins), .parse = settings_parse_names,
	  .format = settings_format_names, .unit = "list of users", .example = "[alice]",
	  .help = "Who may do everything in the console: users of the operating system, or of the users file over TCP. "
		  "root and the user that crossfade runs as always may, on a unix socket." },
	{ .path = "console.viewers", .kind = FIELD_CUSTOM, .reloadable = true, AT(console.viewers), .parse = settings_parse_names,
	  .format = settings_format_names, .unit = "list of users", .example = "[bob]",
	  .help = "Who may only look: SHOW." },
	{ .path = "console.users_file", .kind = FIELD_PATH, .reloadable = true, AT(console.users_path),
	  .example = "console-users",
	  .help = "The SCRAM verifiers of admins and viewers who come in over TCP, as in PgBouncer's auth_file." },
	{ .path = "http.listen", .kind = FIELD_CUSTOM, .zero = "off", AT(http), .parse = settings_parse_http,
	  .format = settings_format_http, .unit = "HOST:PORT, or off", .example = "127.0.0.1:9632",
	  .help = "Where the page, /healthz, /readyz and /metrics are served. Whoever reaches it may read them: keep it on "
		  "a loopback address, or behind something that asks who is there." },
};

struct field_table settings_fields(void)
{
	return (struct field_table){ fields, sizeof(fields) / sizeof(fields[0]) };
}
