#include "app/dsn.h"
#include "app/settings.h"

#include "../config/bad_input.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD "listen: 127.0.0.1:6432\nserver: db:5432\nmap: m.yaml\n" /* the next line is 4 */

static const struct bad_input bad_settings[] = {
	{ "", 1, 1, "the configuration must be a mapping (key: value), but is empty", NULL },
	{ "- listen\n", 1, 1, "the configuration must be a mapping (key: value), but is a list", NULL },
	{ "server: a\nmap: b\n", 1, 1, "`listen` is missing", "listen: [127.0.0.1:6432]" },
	{ "listen: localhost\nmap: b\n", 1, 1, "`server` is missing", "server: 127.0.0.1:5432" },
	{ "listen: localhost\nserver: b\n", 1, 1, "`map` is missing", "v10-to-v13.yaml" },
	{ "listen: localhost\nserver: b\nmap:\n", 3, 5, "a path must be a text, but is empty", NULL },
	{ HEAD "databases: {}\nmaps: x\n", 5, 1, "unknown key `maps`", "Did you mean `map`?" },
	{ HEAD "quite_other: x\n", 4, 1, "unknown key `quite_other`", "crossfade config --defaults" },
	{ HEAD "limits: {client: 3}\n", 4, 10, "unknown key `client` in `limits`", "Did you mean `clients`?" },
	{ HEAD "limits.clients: 3\n", 4, 1, "unknown key `limits.clients`", "--defaults" },
	{ HEAD "limits: 3\n", 4, 9, "`limits` must be a mapping (key: value), but is a text", NULL },
	{ HEAD "limits: []\n", 4, 9, "`limits` must be a mapping (key: value), but is a list", NULL },
	{ HEAD "map: x\n", 4, 1, "key `map` is given twice, first in line 3", NULL },
	/* numbers, sizes, durations */
	{ HEAD "workers: many\n", 4, 10, "`workers` must be a whole number, or `auto`", NULL },
	{ HEAD "workers: -1\n", 4, 10, "`workers` must be a whole number, or `auto`", NULL },
	{ HEAD "workers: 1.5\n", 4, 10, "`workers` must be a whole number, or `auto`", NULL },
	{ HEAD "workers: [1]\n", 4, 10, "`workers` must be a whole number, or `auto`", NULL },
	{ HEAD "workers: 5000\n", 4, 10, "`workers` is out of range", "auto to 1024" },
	{ HEAD "limits: {clients: 99999999999999999999999}\n", 4, 19, "`limits.clients` is out of range", "1 to 1000000" },
	{ HEAD "limits: {clients: 0}\n", 4, 19, "`limits.clients` is out of range", "1 to 1000000" },
	{ HEAD "limits: {clients: 10kB}\n", 4, 19, "`limits.clients` must be a whole number", NULL },
	{ HEAD "limits: {parse_bytes: 1mb}\n", 4, 23, "`limits.parse_bytes` must be a size such as 64kB or 8MB", NULL },
	{ HEAD "limits: {parse_bytes: 18446744073709551615TB}\n", 4, 23, "`limits.parse_bytes` is out of range",
	  "1kB to 1GB" },
	{ HEAD "limits: {startup_timeout: 60}\n", 4, 27,
	  "`limits.startup_timeout` must be a duration such as 500ms, 60s or 35d", NULL },
	{ HEAD "limits: {startup_timeout: 1ms}\n", 4, 27, "`limits.startup_timeout` is out of range", "100ms to 1d" },
	{ HEAD "limits: {tcp_keepalive: 1500ms}\n", 4, 25, "`limits.tcp_keepalive` is counted in whole seconds", NULL },
	{ HEAD "limits: {queue_low_bytes: 1GB}\n", 4, 9,
	  "`limits.queue_low_bytes` must be less than `limits.queue_high_bytes`", NULL },
	/* words */
	{ HEAD "log: {level: verbose}\n", 4, 14, "`log.level` must be debug, info, warning, error or fatal, but is `verbose`",
	  NULL },
	{ HEAD "log: {level: warn}\n", 4, 14, "`log.level` must be debug, info, warning, error or fatal, but is `warn`",
	  NULL },
	{ HEAD "log: {format: jsn}\n", 4, 15, "`log.format` must be logfmt or json, but is `jsn`", "Did you mean `json`?" },
	{ HEAD "policy: {ddl: [allow]}\n", 4, 15, "`policy.ddl` must be refuse or allow", NULL },
	/* addresses */
	{ "listen: []\nserver: a\nmap: b\n", 1, 9, "`listen` takes 1 to 64 addresses", NULL },
	{ "listen: [a:1, a:1]\nserver: a\nmap: b\n", 1, 15, "the address is in `listen` twice", NULL },
	{ "listen: {adress: a}\nserver: a\nmap: b\n", 1, 10, "unknown key `adress` in `listen`", "address" },
	{ "listen: [{app: a}]\nserver: a\nmap: b\n", 1, 10, "an item of `listen` has no `address`", NULL },
	{ "listen: [{address: a:1, proxy_protocol: maybe}]\nserver: a\nmap: b\n", 1, 41,
	  "`proxy_protocol` is true or false", NULL },
	{ "listen: [{address: a:1, app: ''}]\nserver: a\nmap: b\n", 1, 30, "`app` takes 1 to 63 bytes", NULL },
	{ "listen: a:b\nserver: a\nmap: b\n", 1, 9, "the address `a:b` has no port between 1 and 65535 behind its colon",
	  "127.0.0.1:6432" },
	{ "listen: a:70000\nserver: a\nmap: b\n", 1, 9,
	  "the address `a:70000` has no port between 1 and 65535 behind its colon", "127.0.0.1:6432" },
	{ "listen: '::1'\nserver: a\nmap: b\n", 1, 9,
	  "the address `::1` has more than one colon; write an IPv6 address in brackets: [::1]:6432", "127.0.0.1" },
	{ "listen: '[::1'\nserver: a\nmap: b\n", 1, 9, "the address `[::1` has no closing bracket before its port",
	  "127.0.0.1" },
	{ "listen: run/x\nserver: a\nmap: b\n", 1, 9,
	  "the address `run/x` is not HOST:PORT, [IPv6]:PORT or the absolute path of a socket's folder", "127.0.0.1" },
	{ "listen: run\nserver: a\nmap: b\n", 1, 9, "the address `run` could be a host or a folder", "run:6432" },
	{ "listen: [{address: run}]\nserver: a\nmap: b\n", 1, 20, "the address `run` could be a host or a folder", "run:6432" },
	{ "listen: true\nserver: a\nmap: b\n", 1, 9, "the address must be a host or a folder, but is `true`", "127.0.0.1:6432" },
	{ "listen: localhost\nserver: 5432\nmap: b\n", 2, 9, "`server` must be a host or a folder, but is `5432`",
	  "127.0.0.1:5432" },
	{ "listen: localhost\nserver: '*'\nmap: b\n", 2, 9, "`server` must be one host, not *", NULL },
	{ "listen: localhost\nserver: [b]\nmap: b\n", 2, 9, "`server` must be a text, but is a list", NULL },
	/* connection strings: never quoted in a message */
	{ HEAD "admin: {dsn: 'password=very secret'}\n", 4, 14, "the connection string is not one that libpq understands",
	  "single quotes" },
	{ HEAD "admin: {dsn: 'host=h nonsense=1'}\n", 4, 14,
	  "the connection string has the option `nonsense`, which libpq does not know", "libpq" },
	{ HEAD "admin: {dsn: 'password=a se=cret'}\n", 4, 14,
	  "the connection string is not one that libpq understands", "single quotes" },
	{ HEAD "admin: {dsn: 'host=${NOT_SET_ANYWHERE}'}\n", 4, 14,
	  "the connection string names ${NOT_SET_ANYWHERE}, which is not set in the environment", "libpq" },
	{ HEAD "admin: {dsn: 'host=${'}\n", 4, 14,
	  "the connection string has a ${ that is not followed by a name and } (write $${ for the characters "
	  "themselves)",
	  "libpq" },
	{ HEAD "admin: {dns: x}\n", 4, 9, "unknown key `dns` in `admin`", "Did you mean `dsn`?" },
	{ HEAD "auth: scrum\n", 4, 7, "`auth` must be passthrough, password or scram, but is `scrum`", "Did you mean `scram`?" },
	{ HEAD "client_tls: {mode: prefer}\n", 4, 20, "`client_tls.mode` must be disable, allow or require, but is `prefer`",
	  "" },
	{ HEAD "server_tls: {mode: verify_full}\n", 4, 20,
	  "`server_tls.mode` must be disable, prefer, require, verify-ca or verify-full, but is `verify_full`",
	  "Did you mean `verify-full`?" },
	{ HEAD "client_tls: {mode: allow}\n", 4, 13, "`client_tls` needs a certificate and its key", "client_tls.cert" },
	{ HEAD "client_tls: {mode: allow, cert: a, key: b, verify: require}\n", 4, 52,
	  "`client_tls.verify` needs the authorities of client certificates", "client_tls.ca" },
	{ HEAD "server_tls:\n  mode: verify-full\n", 5, 9,
	  "`server_tls.mode` asks to verify the server, but nobody vouches for it", "server_tls.ca" },
	{ HEAD "server_tls:\n  mode: require\n  cert: a\n", 6, 9, "`server_tls.cert` and `server_tls.key` go together", "both" },
	{ HEAD "auth: scram\n", 4, 7, "`auth: scram` needs the verifiers of the users", "auth_users_file" },
	{ HEAD "auth: password\n", 4, 7, "`auth: password` takes passwords inside TLS only, and `client_tls.mode` is disable", "client_tls.mode" },
	{ HEAD "auth: scram\nauth_query: SELECT 1\n", 5, 13,
	  "`auth_query` needs a connection of crossfade's own to ask the server", "admin.dsn" },
	{ HEAD "console: {listen: ['127.0.0.1:7432']}\n", 4, 10,
	  "a console on a TCP port needs `console.users_file`", "verifiers" },
	{ HEAD "console: {listen: [{}]}\n", 4, 20, "the address must be a text, but is a mapping", NULL },
	{ HEAD "console: {listen: on}\n", 4, 19, "the address must be a host or a folder, but is `on`", "127.0.0.1:7432" },
	{ HEAD "console: {admins: alice}\n", 4, 19, "console.admins must be a list, but is a text", NULL },
	{ HEAD "console: {viewers: ['']}\n", 4, 21, "a user's name takes 1 to 63 bytes", NULL },
	{ HEAD "journal: {schema: crossfade}\n", 4, 10, "a path must be a text, but is a mapping", NULL },
	{ HEAD "http: {listen: /run/cf}\n", 4, 16, "`http.listen` takes HOST:PORT, not a folder", "" },
	{ HEAD "http: {listen: run}\n", 4, 16, "`http.listen` `run` could be a host or a folder", "run:9632" },
	{ HEAD "http: {listen: true}\n", 4, 16, "`http.listen` must be a host or a folder, but is `true`", "127.0.0.1:9632" },
	{ HEAD "http: {listen: '127.0.0.1:x'}\n", 4, 16, "`http.listen` `127.0.0.1:x` has no port between 1 and 65535 behind its colon", "127.0.0.1:9632" },
	{ HEAD "flags: {schema: crossfade}\n", 4, 8,
	  "`flags: {schema: crossfade}` needs `admin.dsn`, to reach the database that keeps the stages", NULL },
	{ HEAD "flags: {schema: other}\n", 4, 17, "the stages' schema must be crossfade", "crossfade" },
	{ HEAD "flags: {shema: crossfade}\n", 4, 9, "unknown key `shema` in this place", "schema" },
	{ HEAD "usage: {shema: crossfade}\n", 4, 9, "unknown key `shema` in `usage`", "schema" },
	{ HEAD "usage: {schema: crossfade}\n", 4, 8, "`usage: {schema: …}` needs an admin connection", "admin" },
	/* databases */
	{ "listen: localhost\nserver: b\ndatabases: {}\n", 1, 1, "`map` is missing, and `databases` names no database", "FILE" },
	{ "listen: localhost\nserver: b\nmap: m\ndatabases: {x: {map: m}}\n", 3, 1,
	  "`map` and `databases` cannot both be given", "below its database" },
	{ "listen: localhost\nserver: b\nadmin: {dsn: host=x}\ndatabases: {x: {map: m}}\n", 3, 1,
	  "`admin` and `databases` cannot both be given", "below its database" },
	{ "listen: localhost\nserver: b\ndatabases: {x: {flags: m}}\n", 3, 16, "database x has no `map`", NULL },
	{ "listen: localhost\nserver: b\ndatabases: {x: {mpa: m}}\n", 3, 17, "unknown key `mpa` in database x", "map" },
	{ "listen: localhost\nserver: b\ndatabases: {x: m}\n", 3, 16,
	  "database x must be a mapping (key: value), but is a text", NULL },
};

Test(settings, says_what_is_wrong_and_where)
{
	for (size_t i = 0; i < sizeof(bad_settings) / sizeof(bad_settings[0]); i++) {
		struct settings settings = { .workers = 77 };
		struct error error;
		bool loaded = settings_parse(slice_str(bad_settings[i].text), "test.yaml", &settings, &error);
		expect_error(&bad_settings[i], loaded, &error);
		cr_expect_eq(settings.workers, 77, "settings_out was touched");
	}
}

static void parse(const char *text, struct settings *settings_out)
{
	struct error error;
	if (!settings_parse(slice_str(text), "/etc/cf/test.yaml", settings_out, &error))
		cr_assert_fail("%u:%u: %s\n%s", error.line, error.column, error.message, text);
}

Test(settings, only_three_keys_are_needed)
{
	struct settings settings;
	parse(HEAD, &settings);
	cr_expect_str_eq(settings.listen.items[0].endpoint.host, "127.0.0.1");
	cr_expect_eq(settings.listen.items[0].endpoint.port, 6432);
	cr_expect_str_eq(settings.server.host, "db");
	cr_assert_eq(settings.databases.count, 1);
	cr_expect_null(settings.databases.items[0].name);
	cr_expect_str_eq(settings.databases.items[0].map_path, "/etc/cf/m.yaml");
	cr_expect_null(settings.databases.items[0].flags_path);
	cr_expect_null(settings.databases.items[0].admin_dsn);
	cr_expect_geq(settings.proxy.workers, 1);
	cr_expect_eq(settings.idle_days, 35);
	cr_expect_null(settings.usage.path);
	settings_deinit(&settings);
}

Test(settings, values_arrive_in_the_modules_structs)
{
	struct settings settings;
	parse(HEAD "workers: 3\nflags: /abs/f.yaml\nusage: u.db\n"
		   "admin: {dsn: 'host=h dbname=d', poll: 250ms}\n"
		   "policy: {opaque: notice, introspection: map, ddl: allow, errors: raw, newer_syntax: pass}\n"
		   "log: {level: debug, format: json}\n"
		   "limits: {clients: 7, parse_bytes: 64kB, cache_bytes: off, startup_timeout: 2min,\n"
		   "         tcp_keepalive: 30s, usage_flush: 1s, idle_days: 14}\n",
	      &settings);
	cr_expect_eq(settings.proxy.workers, 3);
	cr_expect_str_eq(settings.databases.items[0].flags_path, "/abs/f.yaml");
	cr_expect_str_eq(settings.usage.path, "/etc/cf/u.db");
	cr_expect_str_eq(settings.databases.items[0].admin_dsn, "dbname='d' host='h'");
	cr_expect_str_eq(settings.databases.items[0].name, "d");
	cr_expect_eq(settings.poll_ms, 250);
	cr_expect_eq(settings.policy.opaque, OPAQUE_NOTICE);
	cr_expect_eq(settings.policy.newer_syntax, NEWER_SYNTAX_PASS);
	cr_expect_eq(settings.log_level, LOG_DEBUG);
	cr_expect_eq(settings.log_format, LOG_FORMAT_JSON);
	cr_expect_eq(settings.proxy.clients, 7);
	cr_expect_eq(settings.proxy.rewriter.parse_bytes, 65536);
	cr_expect_eq(settings.proxy.rewriter.cache_bytes, 0);
	cr_expect_eq(settings.proxy.startup_timeout_ms, 120000);
	cr_expect_eq(settings.proxy.tcp_keepalive_s, 30);
	cr_expect_eq(settings.usage.flush_ms, 1000);
	cr_expect_eq(settings.proxy.usage_flush_ms, 1000);
	cr_expect_eq(settings.idle_days, 14);
	settings_deinit(&settings);
}

Test(settings, reserved_keys_take_their_defaults)
{
	struct settings settings;
	parse(HEAD "auth: passthrough\n"
		   "console: {listen: [], admins: [], viewers: [], users_file: }\nhttp:\nlimits:\ndatabases: {}\n",
	      &settings);
	settings_deinit(&settings);
}

Test(settings, tls_is_off_until_it_is_asked_for_and_paths_follow_the_file)
{
	struct settings settings;
	parse(HEAD, &settings);
	cr_assert_eq(settings.security.client_mode, CLIENT_TLS_DISABLE);
	cr_assert_eq(settings.security.server_mode, SERVER_TLS_DISABLE);
	settings_deinit(&settings);
	parse(HEAD "client_tls: {mode: require, cert: a.crt, key: /k/a.key, ca: system, verify: optional}\n"
		   "server_tls: {mode: verify-full, ca: ca.crt}\n", &settings);
	cr_assert_eq(settings.security.client_mode, CLIENT_TLS_REQUIRE);
	cr_assert_eq(settings.security.client.verify, TLS_VERIFY_OPTIONAL);
	cr_assert_str_eq(settings.security.client.ca, TLS_SYSTEM_AUTHORITIES);
	cr_assert_str_eq(settings.security.client.key, "/k/a.key");
	cr_assert_eq(settings.security.server_mode, SERVER_TLS_VERIFY_FULL);
	cr_assert(strstr(settings.security.server.ca, "/ca.crt"));
	settings_deinit(&settings);
}

Test(settings, http_is_off_unless_it_is_asked_for)
{
	struct settings settings;
	parse(HEAD, &settings);
	cr_expect_null(settings.http.host);
	settings_deinit(&settings);
	parse(HEAD "http: {listen: off}\n", &settings);
	cr_expect_null(settings.http.host);
	settings_deinit(&settings);
	parse(HEAD "http: {listen: '*'}\n", &settings);
	cr_expect_str_eq(settings.http.host, "*");
	cr_expect_eq(settings.http.port, 9632);
	settings_deinit(&settings);
}

Test(settings, addresses_of_all_kinds)
{
	struct settings settings;
	parse("listen: ['[::1]:7000', '*', /run/cf, /run/cf/:6433, {address: localhost:1, app: billing}]\n"
	      "server: /var/run/postgresql\nmap: m\n",
	      &settings);
	cr_expect_str_eq(settings.listen.items[0].endpoint.host, "::1");
	cr_expect_eq(settings.listen.items[0].endpoint.port, 7000);
	cr_expect_str_eq(settings.listen.items[1].endpoint.host, "*");
	cr_expect_str_eq(settings.listen.items[3].endpoint.host, "/run/cf");
	cr_expect_eq(settings.listen.items[3].endpoint.port, 6433);
	cr_expect_str_eq(settings.listen.items[4].app, "billing");
	cr_expect_eq(settings.server.port, 5432);
	settings_deinit(&settings);
}

Test(settings, several_databases)
{
	struct settings settings;
	parse("listen: localhost\nserver: b\ndatabases:\n  aegis: {map: a.yaml, flags: f.yaml, admin: {dsn: dbname=aegis}}\n"
	      "  other: {map: /o.yaml}\n",
	      &settings);
	cr_assert_eq(settings.databases.count, 2);
	cr_expect_str_eq(settings.databases.items[0].name, "aegis");
	cr_expect_str_eq(settings.databases.items[0].flags_path, "/etc/cf/f.yaml");
	cr_expect_str_eq(settings.databases.items[0].admin_dsn, "dbname='aegis'");
	cr_expect_str_eq(settings.databases.items[1].map_path, "/o.yaml");
	settings_deinit(&settings);
}

Test(settings, the_environment_fills_a_dsn)
{
	struct settings settings;
	setenv("CF_PASSWORD", "it's a \\ secret", 1);
	setenv("CF_URL", "postgresql://me:p%20w@host:1/db", 1);
	parse(HEAD "admin: {dsn: 'host=$${x} password=${CF_PASSWORD}'}\n", &settings);
	cr_expect_str_eq(settings.single.admin_dsn, "password='it\\'s a \\\\ secret' host='${x}'");
	settings_deinit(&settings);
	parse(HEAD "admin: {dsn: '${CF_URL}'}\n", &settings);
	cr_expect_str_eq(settings.single.admin_dsn, "user='me' password='p w' dbname='db' host='host' port='1'");
	settings_deinit(&settings);
}

static void write_file(const char *path, const char *text, mode_t mode)
{
	FILE *file = fopen(path, "w");
	cr_assert_not_null(file);
	fputs(text, file);
	fclose(file);
	cr_assert_eq(chmod(path, mode), 0);
}

Test(settings, a_password_in_a_readable_file_is_refused)
{
	char folder[] = "/tmp/crossfade-test-XXXXXX", path[64];
	struct settings settings;
	struct error error;
	cr_assert_not_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/c.yaml", folder);
	write_file(path, HEAD "admin: {dsn: 'host=h password=hush'}\n", 0644);
	cr_expect_not(settings_load(path, &settings, &error));
	cr_expect_str_eq(error.message, "the connection string holds a password, and others can read this file");
	cr_expect_eq(error.line, 4);
	cr_expect(chmod(path, 0600) == 0 && settings_load(path, &settings, &error), "%s", error.message);
	settings_deinit(&settings);
	setenv("CF_PASSWORD", "hush", 1);
	write_file(path, HEAD "admin: {dsn: 'host=h password=${CF_PASSWORD}'}\n", 0644);
	cr_expect(settings_load(path, &settings, &error), "%s", error.message);
	settings_deinit(&settings);
	unlink(path);
	rmdir(folder);
}

Test(settings, the_printed_defaults_load_as_the_defaults)
{
	struct settings defaults, loaded;
	struct buf document, shown;
	buf_init(&document);
	settings_init(&defaults);
	fields_document(settings_fields(), &defaults, &document);
	parse(buf_cstr(&document), &loaded);
	for (size_t i = 0; i < settings_fields().count; i++) {
		const struct field *field = &settings_fields().fields[i];
		struct buf a, b;
		buf_init(&a);
		buf_init(&b);
		field_format(field, &defaults, true, &a);
		field_format(field, &loaded, true, &b);
		if (!field->required)
			cr_expect_str_eq(buf_cstr(&a), buf_cstr(&b), "%s", field->path);
		cr_expect(field->help && field->help[0], "%s", field->path);
		buf_deinit(&a);
		buf_deinit(&b);
	}
	buf_init(&shown);
	fields_show(settings_fields(), &loaded, &shown);
	settings_deinit(&loaded);
	parse(buf_cstr(&shown), &loaded); /* what is shown loads too */
	buf_deinit(&shown);
	settings_deinit(&loaded);
	settings_deinit(&defaults);
	buf_deinit(&document);
}

Test(settings, what_is_shown_hides_the_dsn)
{
	struct settings settings;
	struct buf shown;
	parse(HEAD "admin: {dsn: 'host=h user=hidden_user'}\n", &settings);
	buf_init(&shown);
	fields_show(settings_fields(), &settings, &shown);
	cr_expect(strstr(buf_cstr(&shown), "(hidden)"));
	cr_expect_not(strstr(buf_cstr(&shown), "hidden_user"));
	buf_deinit(&shown);
	settings_deinit(&settings);
}

static void note_change(void *context, const struct field *field)
{
	char *names = context;
	strcat(names, field->path);
	strcat(names, " ");
}

Test(settings, a_reload_tells_what_needs_a_restart)
{
	struct settings before, after;
	char names[256] = "";
	parse(HEAD "limits: {clients: 5}\n", &before);
	parse("listen: 127.0.0.1:6433\nserver: other\nmap: m.yaml\nlimits: {clients: 6}\n", &after);
	fields_compare(settings_fields(), &before, &after, note_change, names);
	cr_expect_str_eq(names, "listen limits.clients ");
	settings_deinit(&before);
	settings_deinit(&after);
}

Test(settings, the_sample_loads)
{
	struct settings settings;
	struct error error;
	if (!settings_load(SAMPLE_FOLDER "/crossfade.yaml", &settings, &error))
		cr_assert_fail("%u:%u: %s", error.line, error.column, error.message);
	cr_expect_str_eq(settings.databases.items[0].map_path, SAMPLE_FOLDER "/v10-to-v13.yaml");
	settings_deinit(&settings);
}

Test(settings, database_of_a_connection_string_is_the_one_libpq_would_use)
{
	struct arena arena;
	arena_init(&arena);
	unsetenv("PGDATABASE");
	cr_expect_str_eq(dsn_database(&arena, "dbname='d' host='a,b' port='1,2'"), "d");
	cr_expect_str_eq(dsn_database(&arena, "host='h' user='u'"), "u");
	cr_expect_str_eq(dsn_database(&arena, "dbname='it\\'s' hostaddr='192.0.2.1'"), "it's");
	setenv("PGDATABASE", "from_environment", 1);
	cr_expect_str_eq(dsn_database(&arena, "user='u'"), "from_environment");
	arena_deinit(&arena);
}
