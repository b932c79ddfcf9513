#include "app/report_from.h"

#include "app/dsn.h"
#include "app/stages.h"
#include "base/clock.h"
#include "catalog/loader.h"
#include "catalog/statements.h"
#include "config/map_file.h"
#include "logs/csv_log.h"
#include "logs/harvest.h"
#include "logs/json_log.h"
#include "logs/sql_text.h"
#include "logs/text_log.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <inttypes.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK_BYTES = 256 * 1024, PROGRESS_MS = 300, CATALOG_TIMEOUT_MS = 10000, STATEMENTS_TIMEOUT_MS = 60000 };

enum kind { KIND_STDERR, KIND_CSVLOG, KIND_JSONLOG, KIND_SQL, KIND_STATEMENTS, KIND_COUNT };

static const char *const kind_names[KIND_COUNT] = { "stderr", "csvlog", "jsonlog", "sql", "pg_stat_statements" };

struct job {
	const struct report_from *from;
	const struct settings_database *database;
	struct arena arena;
	struct ruleset *ruleset;
	struct usage_import *import;
	struct harvest *harvest;
	struct error *error;
	char *chunk;
	uint64_t shown_us; /* when progress was last shown; 0: never */
	bool is_terminal;
};

/* ---- what --from names ---- */

static bool has_suffix(const char *text, const char *suffix)
{
	size_t len = strlen(text), end = strlen(suffix);
	return len > end && strcasecmp(text + len - end, suffix) == 0;
}

static bool is_folder(const char *path)
{
	struct stat status;
	return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static enum kind guess(const char *place)
{
	if (strcmp(place, "pg_stat_statements") == 0 || strncmp(place, "postgres", 8) == 0 ||
	    (strchr(place, '=') && access(place, F_OK) != 0))
		return KIND_STATEMENTS;
	if (is_folder(place) || has_suffix(place, ".sql"))
		return KIND_SQL;
	return has_suffix(place, ".csv") ? KIND_CSVLOG : has_suffix(place, ".json") ? KIND_JSONLOG : KIND_STDERR;
}

static enum kind kind_of(const char *given, const char **place_out)
{
	for (int kind = 0; kind < KIND_COUNT; kind++) {
		size_t len = strlen(kind_names[kind]);
		if (strncmp(given, kind_names[kind], len) == 0 && given[len] == ':') {
			*place_out = given + len + 1;
			return (enum kind)kind;
		}
	}
	*place_out = given;
	return guess(given);
}

/* ---- reading ---- */

static void show_progress(struct job *job, const char *name, uint64_t done, uint64_t total)
{
	uint64_t now_us = clock_monotonic_us();
	if (!job->is_terminal || now_us - job->shown_us < PROGRESS_MS * UINT64_C(1000))
		return;
	job->shown_us = now_us;
	if (total)
		fprintf(stderr, "\r%s: %" PRIu64 " %%\033[K", name, done > total ? 100 : done * 100 / total);
	else
		fprintf(stderr, "\r%s: %" PRIu64 " MB\033[K", name, done >> 20);
}

static void clear_progress(const struct job *job)
{
	if (job->shown_us)
		fputs("\r\033[K", stderr);
}

static void say_losses(const struct job *job, const char *name, const struct log_losses *losses)
{
	clear_progress(job);
	if (losses->unreadable)
		fprintf(stderr, "crossfade report: %s: %" PRIu64 " lines could not be read\n", name, losses->unreadable);
	if (losses->cut)
		fprintf(stderr, "crossfade report: %s: %" PRIu64 " statements are longer than 1 MB or cut off, and left out\n",
			name, losses->cut);
}

static bool fail_file(struct job *job, const char *path)
{
	error_set(job->error, SQLSTATE_CONFIG_FILE_ERROR, "cannot read it: %s", strerror(errno));
	error_at(job->error, path, 0, 0);
	return false;
}

typedef void feed_fn(void *parser, struct slice bytes);

static bool feed_all(struct job *job, int fd, const char *name, feed_fn *feed, void *parser)
{
	struct stat status;
	uint64_t done = 0, total = fstat(fd, &status) == 0 && S_ISREG(status.st_mode) ? (uint64_t)status.st_size : 0;
	for (;;) {
		ssize_t got = read(fd, job->chunk, CHUNK_BYTES);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fail_file(job, name);
		if (got == 0)
			return true;
		feed(parser, slice_of(job->chunk, (size_t)got));
		done += (uint64_t)got;
		show_progress(job, name, done, total);
	}
}

static bool feed_path(struct job *job, const char *path, feed_fn *feed, void *parser)
{
	bool is_stdin = strcmp(path, "-") == 0;
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fail_file(job, path);
	bool ok = feed_all(job, fd, is_stdin ? "standard input" : path, feed, parser);
	if (!is_stdin)
		close(fd);
	return ok;
}

/* ---- logs ---- */

struct seen {
	struct job *job;
	uint64_t records;
};

static void on_record(void *context, const struct log_record *record)
{
	struct seen *seen = context;
	seen->records++;
	harvest_record(seen->job->harvest, record);
}

/* The wrong prefix reads nothing at all, which must not look like "no old use". */
static bool check_seen(struct job *job, const char *place, const struct log_reader *reader, const struct seen *seen)
{
	if (seen->records || !reader->losses.unreadable)
		return true;
	error_set(job->error, SQLSTATE_CONFIG_FILE_ERROR, "no line of it can be read");
	error_hint(job->error, "Give --line-prefix what `SHOW log_line_prefix` says (now \"%s\"), or write csvlog: or "
			       "jsonlog: before the name.", job->from->line_prefix);
	error_at(job->error, place, 0, 0);
	return false;
}

static void feed_text(void *parser, struct slice bytes)
{
	text_log_feed(parser, bytes);
}

static void feed_csv(void *parser, struct slice bytes)
{
	csv_log_feed(parser, bytes);
}

static void feed_json(void *parser, struct slice bytes)
{
	json_log_feed(parser, bytes);
}

static bool read_text_log(struct job *job, const char *place, struct log_reader *reader)
{
	struct text_log *log;
	if (!text_log_new(job->from->line_prefix, reader, &log, job->error))
		return false;
	bool ok = feed_path(job, place, feed_text, log);
	text_log_end(log);
	text_log_free(log);
	return ok;
}

static bool read_csv_log(struct job *job, const char *place, struct log_reader *reader)
{
	struct csv_log *log = csv_log_new(reader);
	bool ok = feed_path(job, place, feed_csv, log);
	csv_log_end(log);
	csv_log_free(log);
	return ok;
}

static bool read_json_log(struct job *job, const char *place, struct log_reader *reader)
{
	struct json_log *log = json_log_new(reader);
	bool ok = feed_path(job, place, feed_json, log);
	json_log_end(log);
	json_log_free(log);
	return ok;
}

static bool read_log(struct job *job, enum kind kind, const char *place)
{
	struct seen seen = { job, 0 };
	struct log_reader reader = { .context = &seen, .record = on_record };
	bool ok = kind == KIND_CSVLOG	 ? read_csv_log(job, place, &reader)
		  : kind == KIND_JSONLOG ? read_json_log(job, place, &reader)
					 : read_text_log(job, place, &reader);
	if (ok)
		say_losses(job, place, &reader.losses);
	return ok && check_seen(job, place, &reader, &seen);
}

/* ---- files of SQL ---- */

static void feed_sql(void *parser, struct slice bytes)
{
	sql_text_feed(parser, bytes);
}

static bool read_sql_file(struct job *job, const char *path, const char *name)
{
	struct log_reader reader = { .context = job->harvest, .record = harvest_record };
	struct sql_text *text = sql_text_new(name, &reader);
	bool ok = feed_path(job, path, feed_sql, text);
	sql_text_end(text);
	sql_text_free(text);
	if (ok)
		say_losses(job, path, &reader.losses);
	return ok;
}

static bool visit(struct job *job, FTS *tree, FTSENT *entry, size_t root_len)
{
	bool is_hidden = entry->fts_level > 0 && entry->fts_name[0] == '.';
	if (entry->fts_info == FTS_D && is_hidden)
		fts_set(tree, entry, FTS_SKIP); /* .git */
	if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR) {
		errno = entry->fts_errno;
		return fail_file(job, entry->fts_path);
	}
	if (entry->fts_info != FTS_F || is_hidden || !has_suffix(entry->fts_name, ".sql"))
		return true;
	const char *name = entry->fts_path + root_len;
	return read_sql_file(job, entry->fts_path, name[0] == '/' ? name + 1 : name);
}

static bool read_sql_tree(struct job *job, const char *place)
{
	char *const roots[] = { arena_strdup(&job->arena, place), NULL };
	if (!is_folder(place))
		return read_sql_file(job, place, place);
	FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	bool ok = tree || fail_file(job, place);
	for (FTSENT *entry; ok && (entry = fts_read(tree));)
		ok = visit(job, tree, entry, strlen(place));
	if (tree)
		fts_close(tree);
	return ok;
}

/* ---- pg_stat_statements ---- */

static void on_statement(void *context, const struct catalog_statement *statement)
{
	struct log_record record = { .sql = slice_str(statement->sql), .user = statement->user,
				     .database = statement->database, .application = "pg_stat_statements",
				     .count = statement->calls, .rows = statement->rows };
	harvest_record(context, &record);
}

static bool resolve_dsn(struct job *job, const char *place, const char **dsn_out)
{
	const char *why;
	bool has_password;
	*dsn_out = job->database->admin_dsn;
	if (*place && strcmp(place, "pg_stat_statements") != 0 &&
	    !dsn_resolve(&job->arena, place, dsn_out, &has_password, &why)) {
		error_set(job->error, SQLSTATE_CONFIG_FILE_ERROR, "the connection string of --from %s", why);
		return false;
	}
	if (*dsn_out)
		return true;
	error_set(job->error, SQLSTATE_CONFIG_FILE_ERROR, "there is no admin connection to read pg_stat_statements by");
	error_hint(job->error, "Set `admin: {dsn: ...}` in the configuration, or write --from pg_stat_statements:DSN.");
	return false;
}

static bool read_statements(struct job *job, const char *place)
{
	struct catalog_connection *connection;
	uint64_t hidden = 0;
	const char *dsn;
	if (!resolve_dsn(job, place, &dsn) ||
	    !catalog_connect(dsn, -1, CATALOG_TIMEOUT_MS, &connection, job->error))
		return false;
	bool ok = catalog_statements(connection, STATEMENTS_TIMEOUT_MS, on_statement, job->harvest, &hidden, job->error);
	catalog_connection_free(connection);
	if (ok && hidden)
		fprintf(stderr, "crossfade report: pg_stat_statements: %" PRIu64 " statements of other roles are hidden from "
				"this one; it needs pg_read_all_stats\n", hidden);
	return ok;
}

/* ---- all of it ---- */

static bool read_place(struct job *job, const char *given)
{
	const char *place;
	enum kind kind = kind_of(given, &place);
	job->shown_us = 0;
	if (kind == KIND_SQL)
		return read_sql_tree(job, place);
	return kind == KIND_STATEMENTS ? read_statements(job, place) : read_log(job, kind, place);
}

static bool pick_database(struct job *job, const struct settings *settings)
{
	for (size_t i = 0; i < settings->databases.count; i++) {
		const struct settings_database *database = &settings->databases.items[i];
		if (!job->from->database || (database->name && strcmp(database->name, job->from->database) == 0)) {
			job->database = database;
			break;
		}
	}
	if (job->database && (job->from->database || settings->databases.count == 1))
		return true;
	error_set(job->error, SQLSTATE_CONFIG_FILE_ERROR,
		  job->from->database ? "database %s is not configured" : "several databases are configured%s",
		  job->from->database ? job->from->database : "");
	error_hint(job->error, "Say with --database which one the statements are of.");
	return false;
}

/* Without a server the map alone says what a name means. */
static struct facts *load_facts(const struct job *job, const struct map *map)
{
	struct facts *facts = NULL;
	struct error error;
	if (job->database->admin_dsn &&
	    !catalog_load_once(job->database->admin_dsn, map, CATALOG_TIMEOUT_MS, &facts, &error))
		fprintf(stderr, "crossfade report: the catalog could not be read (%s): names are taken as the map has them\n",
			error.message);
	return facts;
}

/* As with the facts: where the server cannot be reached, the map alone speaks. */
static bool load_stages(struct job *job, struct flags *flags_out)
{
	struct error error;
	if (stages_load(job->database, NULL, &job->arena, flags_out, &error))
		return true;
	if (!job->database->flags_in_schema) {
		*job->error = error;
		return false;
	}
	fprintf(stderr, "crossfade report: the stages could not be read (%s): every table is taken to be at stage old\n",
		error.message);
	return true;
}

static bool load_rules(struct job *job, const struct settings *settings)
{
	struct flags flags = { 0 };
	struct map *map;
	if (!map_file_load(job->database->map_path, &map, job->error))
		return false;
	struct facts *facts = load_facts(job, map);
	bool ok = load_stages(job, &flags) &&
		  ruleset_build(map, &flags, facts, settings->policy, 1, NULL, NULL, &job->ruleset, job->error);
	facts_unref(facts);
	map_unref(map);
	return ok;
}

static void say_counts(const struct harvest_counts *counts)
{
	if (counts->elsewhere)
		fprintf(stderr, "crossfade report: %" PRIu64 " statements of other databases are left out\n", counts->elsewhere);
	fprintf(stderr, "crossfade report: read %" PRIu64 " statements; %" PRIu64 " uses of mapped tables\n", counts->statements,
		counts->uses);
}

static bool read_all(struct job *job, const char *path)
{
	struct harvest_counts counts;
	struct error late;
	if (!usage_import_open(path, &job->import, job->error))
		return false;
	const char *name = job->ruleset->facts && job->ruleset->facts->database ? job->ruleset->facts->database
										 : job->database->name;
	job->harvest = harvest_new(job->ruleset, name, job->import);
	bool ok = true;
	for (size_t i = 0; ok && i < job->from->count; i++)
		ok = read_place(job, job->from->places[i]);
	harvest_free(job->harvest, &counts);
	bool written = usage_import_close(job->import, counts.from_ms, counts.until_ms, &late);
	if (ok && !written)
		*job->error = late;
	if (ok && written)
		say_counts(&counts);
	return ok && written;
}

bool report_from_fill(const struct report_from *from, const struct settings *settings, const char *path,
		      struct error *error_out)
{
	struct job job = { .from = from, .error = error_out, .is_terminal = isatty(STDERR_FILENO) };
	arena_init(&job.arena);
	job.chunk = arena_alloc(&job.arena, CHUNK_BYTES);
	bool ok = pick_database(&job, settings) && load_rules(&job, settings) && read_all(&job, path);
	clear_progress(&job);
	ruleset_unref(job.ruleset);
	arena_deinit(&job.arena);
	return ok;
}
