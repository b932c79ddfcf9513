/* The map against the database it is for; or filled in from there. */
#include "app/commands.h"
#include "app/settings.h"
#include "base/buf.h"
#include "catalog/loader.h"
#include "config/map_capture.h"
#include "config/map_file.h"
#include "config/map_live.h"

#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OPTION_CAPTURE = 256, OPTION_WRITE, OPTION_DATABASE };
enum { CATALOG_TIMEOUT_MS = 30000 };

struct check_options {
	const char *config_path, *database;
	bool capture, write;
};

static const struct argp_option options[] = {
	{ "config", 'c', "FILE", 0,
	  "Configuration (default ./crossfade.yaml, then /etc/crossfade/crossfade.yaml)", 0 },
	{ "capture", OPTION_CAPTURE, NULL, 0, "Print the map with the columns of its transforms filled in", 0 },
	{ "write", OPTION_WRITE, NULL, 0, "With --capture: replace the map's file instead", 0 },
	{ "database", OPTION_DATABASE, "NAME", 0, "Which configured database (default: all; with --capture, the only one)",
	  0 },
	{ 0 },
};

static error_t on_option(int key, char *value, struct argp_state *state)
{
	struct check_options *chosen = state->input;
	switch (key) {
	case 'c':
		chosen->config_path = value;
		return 0;
	case OPTION_CAPTURE:
		chosen->capture = true;
		return 0;
	case OPTION_WRITE:
		chosen->write = true;
		return 0;
	case OPTION_DATABASE:
		chosen->database = value;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "unexpected argument \"%s\"", value);
		return 0;
	case ARGP_KEY_END:
		if (chosen->write && !chosen->capture)
			argp_error(state, "--write is for --capture");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp parser = {
	.options = options,
	.parser = on_option,
	.doc = "Compare the map with the live database: tables and columns it names exist, types are as it says.\v"
	       "Connects by admin.dsn. Exits 0 when all holds, 1 when something does not or the database cannot be "
	       "read, 2 on bad usage or configuration.",
};

static int fail(const struct error *error, int status)
{
	error_print(error, stderr);
	return status;
}

/* ---- files ---- */

static bool fail_file(const char *what, const char *path, struct error *error_out)
{
	int reason = errno;
	error_set(error_out, SQLSTATE_CONFIG_FILE_ERROR, "cannot %s the file: %s", what, strerror(reason));
	error_at(error_out, path, 0, 0);
	return false;
}

static bool read_file(const char *path, struct buf *out, struct error *error_out)
{
	FILE *file = fopen(path, "re");
	if (!file)
		return fail_file("read", path, error_out);
	for (size_t got = 1; got;) {
		buf_reserve(out, 65536);
		got = fread(out->data + out->len, 1, 65536, file);
		out->len += got;
	}
	bool ok = !ferror(file);
	fclose(file);
	return ok || fail_file("read", path, error_out);
}

static bool write_all(int fd, struct slice text)
{
	for (size_t at = 0; at < text.len;) {
		ssize_t done = write(fd, text.data + at, text.len - at);
		if (done < 0 && errno != EINTR)
			return false;
		at += done > 0 ? (size_t)done : 0;
	}
	return fsync(fd) == 0;
}

/* A new file beside it that takes its place, so that no reader sees half of it. */
static bool replace_file(const char *path, struct slice text, struct error *error_out)
{
	char *real = realpath(path, NULL); /* a link stays a link */
	struct stat before;
	struct buf name;
	buf_init(&name);
	buf_printf(&name, "%s.XXXXXX", real ? real : path);
	char *temporary = (char *)buf_cstr(&name);
	int fd = real && stat(real, &before) == 0 ? mkstemp(temporary) : -1;
	bool made = fd >= 0;
	bool ok = made && write_all(fd, text) && fchmod(fd, before.st_mode & 07777) == 0;
	/* Whoever may not give files away keeps what he makes. */
	if (ok && fchown(fd, before.st_uid, before.st_gid) != 0 && errno != EPERM)
		ok = false;
	if (made)
		ok = close(fd) == 0 && ok;
	ok = ok && rename(temporary, real) == 0;
	if (!ok) {
		fail_file("replace", path, error_out);
		if (made)
			unlink(temporary);
	}
	free(real);
	buf_deinit(&name);
	return ok;
}

/* ---- one database ---- */

static void print_problem(void *context, const struct error *problem)
{
	error_print(problem, stderr);
}

static int verify(const struct settings_database *database, const struct map *map, const struct facts *facts)
{
	if (map_live_check(map, facts, print_problem, NULL))
		return EXIT_HOLDS_NOT;
	printf("%s: agrees with database %s\n", database->map_path, facts->database ? facts->database : database->name);
	return EXIT_HOLDS;
}

static int put_out(const struct check_options *chosen, const char *path, struct slice text, size_t filled)
{
	struct error error;
	if (!chosen->write) {
		bool ok = fwrite(text.data, 1, text.len, stdout) == text.len && fflush(stdout) == 0;
		return ok ? EXIT_HOLDS : EXIT_HOLDS_NOT;
	}
	if (filled && !replace_file(path, text, &error))
		return fail(&error, EXIT_HOLDS_NOT);
	printf("%s: %zu column lists filled in\n", path, filled);
	return EXIT_HOLDS;
}

/* The result is read as the proxy would, before anybody depends on it. */
static int capture(const struct check_options *chosen, const struct settings_database *database, const struct map *map,
		   const struct facts *facts)
{
	struct error error, invalid;
	struct buf text, result;
	size_t filled;
	buf_init(&text);
	buf_init(&result);
	int status = EXIT_HOLDS_NOT;
	if (!read_file(database->map_path, &text, &error) ||
	    !map_capture(buf_slice(&text), map, facts, &result, &filled, &error)) {
		fail(&error, status);
	} else {
		struct map *checked = NULL;
		bool valid = map_file_parse(buf_slice(&result), database->map_path, &checked, &invalid);
		map_unref(checked);
		if (valid || !chosen->write)
			status = put_out(chosen, database->map_path, buf_slice(&result), filled);
		if (!valid) {
			error_hint(&invalid, "%s", chosen->write ? "The file was left alone. Without --write the result is printed."
								  : "The map is not valid as printed.");
			status = fail(&invalid, EXIT_HOLDS_NOT);
		}
	}
	buf_deinit(&text);
	buf_deinit(&result);
	return status;
}

static int check_database(const struct check_options *chosen, const struct settings_database *database)
{
	struct error error;
	struct map *map;
	struct facts *facts;
	if (!map_file_load(database->map_path, &map, &error))
		return fail(&error, EXIT_USAGE);
	int status = EXIT_HOLDS_NOT;
	if (!database->admin_dsn) {
		error_set(&error, SQLSTATE_CONFIG_FILE_ERROR, "there is no admin connection to read the catalog by");
		error_hint(&error, "Set `admin: {dsn: ...}` in the configuration.");
		status = fail(&error, EXIT_USAGE);
	} else if (!catalog_load_once(database->admin_dsn, map, CATALOG_TIMEOUT_MS, &facts, &error)) {
		fail(&error, status);
	} else {
		status = chosen->capture ? capture(chosen, database, map, facts) : verify(database, map, facts);
		facts_unref(facts);
	}
	map_unref(map);
	return status;
}

static bool is_chosen(const struct check_options *chosen, const struct settings_database *database)
{
	return !chosen->database || (database->name && strcmp(database->name, chosen->database) == 0);
}

static int check_all(const struct check_options *chosen, const struct settings *settings)
{
	size_t count = 0;
	int status = EXIT_HOLDS;
	for (size_t i = 0; i < settings->databases.count; i++)
		count += is_chosen(chosen, &settings->databases.items[i]);
	if (count == 0 || (chosen->capture && count > 1)) {
		fprintf(stderr, count ? "crossfade check: say which map to fill in, with --database\n"
				      : "crossfade check: no such database in the configuration\n");
		return EXIT_USAGE;
	}
	for (size_t i = 0; i < settings->databases.count; i++) {
		if (!is_chosen(chosen, &settings->databases.items[i]))
			continue;
		int one = check_database(chosen, &settings->databases.items[i]);
		status = one > status ? one : status;
	}
	return status;
}

int cmd_check(int argc, char **argv)
{
	struct check_options chosen = { 0 };
	struct settings settings;
	struct error error;
	argp_parse(&parser, argc, argv, 0, NULL, &chosen);
	if (!settings_load(chosen.config_path, &settings, &error))
		return fail(&error, EXIT_USAGE);
	int status = check_all(&chosen, &settings);
	settings_deinit(&settings);
	return status;
}
