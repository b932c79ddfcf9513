/* The file itself: opening, one transaction per batch, closing. */
#include "usage/store.h"

#include "base/clock.h"
#include "base/memory.h"
#include "usage/schema.h"
#include "usage/shared.h"
#include "usage/store_db.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

/* Opening is patient: a backup may hold the file for a moment. */
enum { BUSY_TIMEOUT_MS = 2000, OPEN_TIMEOUT_MS = 8000, HOST_BYTES = 256 };

static bool heartbeat(struct usage_store *store, int64_t now_ms)
{
	sqlite3_bind_int64(store_sql(store, SQL_HEARTBEAT), 1, store->observation->id);
	sqlite3_bind_int64(store_sql(store, SQL_HEARTBEAT), 2, now_ms);
	return store_run(store, SQL_HEARTBEAT);
}

static bool write_rows(struct usage_store *store, const struct usage_batch *batch, int64_t now_ms)
{
	if (batch->declaration && !store_declare(store, batch->declaration, now_ms))
		return false;
	for (size_t i = 0; i < batch->count; i++) {
		if (!store_add_table(store, batch->tables[i]))
			return false;
	}
	return (!batch->foretold || store_add_foretold(store, batch->foretold, now_ms)) &&
	       (!batch->sightings || store_add_sightings(store, batch->sightings)) && heartbeat(store, now_ms);
}

bool usage_store_write(struct usage_store *store, const struct usage_batch *batch, struct error *error_out)
{
	int64_t now_ms = clock_wall_ms();
	if (store_begin(store) && write_rows(store, batch, now_ms) && store_run(store, SQL_COMMIT)) {
		store->observation->written_ms = now_ms;
		first_use_settle(&store->first_use, true);
		return true;
	}
	int code = sqlite3_errcode(store->db);
	store->broken = code != SQLITE_FULL && code != SQLITE_BUSY && code != SQLITE_LOCKED;
	usage_schema_error(store->db, store->path, "write to", error_out);
	store_undo(store);
	first_use_settle(&store->first_use, false);
	return false;
}

/* ---- opening and closing ---- */

/* SQLite would create it readable for all. */
static bool create_private(const char *path, struct error *error_out)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0) {
		error_set(error_out, SQLSTATE_CONFIG_FILE_ERROR, "cannot open the usage ledger \"%s\": %s", path,
			  strerror(errno));
		error_hint(error_out, "Check that the folder exists and that this user may write there, or set "
				      "another path (\"usage\" in crossfade.yaml; \"off\" counts nothing).");
		return false;
	}
	close(fd);
	return true;
}

static bool is_in_memory(const struct usage_store *store)
{
	return strcmp(store->path, ":memory:") == 0;
}

static bool remember_inode(struct usage_store *store)
{
	struct stat status;
	if (is_in_memory(store))
		return true;
	if (stat(store->path, &status) != 0)
		return false;
	store->device = status.st_dev;
	store->inode = status.st_ino;
	return true;
}

static bool open_db(struct usage_store *store, struct error *error_out)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
	if (sqlite3_open_v2(store->path, &store->db, flags, NULL) != SQLITE_OK) {
		usage_schema_error(store->db, store->path, "open", error_out);
		return false;
	}
	sqlite3_extended_result_codes(store->db, 0);
	sqlite3_busy_timeout(store->db, OPEN_TIMEOUT_MS);
	if (!usage_schema_prepare(store->db, store->path, error_out))
		return false;
	/* Where WAL cannot be (some network file systems) SQLite stays with its journal: slower, still right. */
	if (sqlite3_exec(store->db,
			 "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
			 "PRAGMA journal_size_limit = 4194304; PRAGMA temp_store = MEMORY",
			 NULL, NULL, NULL) != SQLITE_OK ||
	    !store_prepare(store) || !store_recount(store)) {
		usage_schema_error(store->db, store->path, "prepare", error_out);
		return false;
	}
	return true;
}

static bool find_observation(struct usage_store *store, int64_t *id_out)
{
	sqlite3_stmt *statement = store_sql(store, SQL_FIND_OBSERVATION);
	sqlite3_bind_int64(statement, 1, store->observation->id);
	sqlite3_bind_int64(statement, 2, getpid());
	sqlite3_bind_int64(statement, 3, store->observation->started_ms);
	return store_run_for_id(store, SQL_FIND_OBSERVATION, id_out);
}

static void host_name(char host_out[HOST_BYTES])
{
	host_out[0] = host_out[HOST_BYTES - 1] = '\0';
	gethostname(host_out, HOST_BYTES - 1);
}

static bool add_observation(struct usage_store *store)
{
	char host[HOST_BYTES];
	sqlite3_stmt *statement = store_sql(store, SQL_BEGIN_OBSERVATION);
	struct usage_observation *observation = store->observation;
	int64_t started_ms = observation->written_ms ? observation->written_ms : clock_wall_ms();
	host_name(host);
	store_bind_text(statement, 1, host);
	sqlite3_bind_int64(statement, 2, getpid());
	sqlite3_bind_int64(statement, 3, started_ms);
	if (!store_run(store, SQL_BEGIN_OBSERVATION))
		return false;
	observation->id = sqlite3_last_insert_rowid(store->db);
	observation->started_ms = observation->written_ms = started_ms;
	return true;
}

/* Our own pid in an older row is that of a predecessor: in a container every run is number 1. */
bool usage_run_is_gone(int64_t pid)
{
	return pid == getpid() || (kill((pid_t)pid, 0) != 0 && errno == ESRCH);
}

static bool next_gone(struct usage_store *store, const char *host, int64_t *id_out)
{
	sqlite3_stmt *statement = store_sql(store, SQL_UNENDED_OBSERVATIONS);
	int64_t found = -1;
	int result;
	store_bind_text(statement, 1, host);
	sqlite3_bind_int64(statement, 2, store->observation->id);
	while (found < 0 && (result = sqlite3_step(statement)) == SQLITE_ROW) {
		if (usage_run_is_gone(sqlite3_column_int64(statement, 1)))
			found = sqlite3_column_int64(statement, 0);
	}
	sqlite3_reset(statement);
	*id_out = found;
	return found >= 0;
}

/* Without this a run that was killed would look alive until its heartbeat is old. Should we err, the next one helps. */
static bool break_off_gone(struct usage_store *store)
{
	char host[HOST_BYTES];
	int64_t id;
	host_name(host);
	while (next_gone(store, host, &id)) {
		sqlite3_bind_int64(store_sql(store, SQL_BREAK_OFF), 1, id);
		if (!store_run(store, SQL_BREAK_OFF))
			return false;
	}
	return true;
}

static bool begin_observation(struct usage_store *store, struct error *error_out)
{
	int64_t id;
	if (find_observation(store, &id) && (id > 0 || add_observation(store)) && break_off_gone(store))
		return true;
	usage_schema_error(store->db, store->path, "write to", error_out);
	return false;
}

void usage_store_abandon(struct usage_store *store)
{
	if (!store)
		return;
	store_finalize(store);
	first_use_deinit(&store->first_use);
	sqlite3_close(store->db);
	free(store->path);
	free(store);
}

bool usage_store_open(const struct usage_settings *settings, struct usage_observation *observation,
		      struct usage_store **store_out, struct error *error_out)
{
	bool is_shared = usage_is_shared(settings->path);
	if (!is_shared && !create_private(settings->path, error_out))
		return false;
	struct usage_store *store = memory_zalloc(sizeof(*store));
	store->settings = *settings;
	store->path = memory_strdup(is_shared ? ":memory:" : settings->path);
	store->observation = observation;
	store->generation = store_next_generation();
	first_use_init(&store->first_use);
	if (!open_db(store, error_out) || !remember_inode(store) || !begin_observation(store, error_out)) {
		usage_store_abandon(store);
		return false;
	}
	sqlite3_busy_timeout(store->db, BUSY_TIMEOUT_MS);
	*store_out = store;
	return true;
}

static bool stop(struct usage_store *store, int64_t at_ms, uint64_t lost)
{
	sqlite3_stmt *statement = store_sql(store, SQL_STOP);
	sqlite3_bind_int64(statement, 1, store->observation->id);
	sqlite3_bind_int64(statement, 2, at_ms);
	sqlite3_bind_int64(statement, 3, (int64_t)lost);
	return store_run(store, SQL_STOP);
}

void usage_store_close(struct usage_store *store, uint64_t lost)
{
	if (!store)
		return;
	stop(store, clock_wall_ms(), lost);
	usage_store_abandon(store);
}

bool usage_store_end_observation(struct usage_store *store, int64_t at_ms, struct error *error_out)
{
	if (stop(store, at_ms, 0))
		return true;
	usage_schema_error(store->db, store->path, "write to", error_out);
	return false;
}

bool usage_store_observe_again(struct usage_store *store, struct error *error_out)
{
	*store->observation = (struct usage_observation){ 0 };
	if (add_observation(store))
		return true;
	usage_schema_error(store->db, store->path, "write to", error_out);
	return false;
}

bool usage_store_is_stale(const struct usage_store *store)
{
	struct stat status;
	if (is_in_memory(store))
		return store->broken;
	return store->broken || stat(store->path, &status) != 0 || status.st_dev != store->device ||
	       status.st_ino != store->inode;
}

/* ---- usage_check ---- */

static bool check_folder(const char *path, struct error *error_out)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash ? memory_copy(path, slash == path ? 1 : (size_t)(slash - path)) : memory_strdup(".");
	bool ok = access(folder, W_OK | X_OK) == 0;
	if (!ok) {
		error_set(error_out, SQLSTATE_CONFIG_FILE_ERROR, "cannot create the usage ledger \"%s\": %s", path,
			  strerror(errno));
		error_hint(error_out, "Check that the folder exists and that this user may write there.");
	}
	free(folder);
	return ok;
}

static bool check_file(const char *path, struct error *error_out)
{
	sqlite3 *db = NULL;
	bool ok = false;
	struct stat status;
	if (access(path, R_OK | W_OK) != 0) {
		error_set(error_out, SQLSTATE_CONFIG_FILE_ERROR, "cannot open the usage ledger \"%s\": %s", path,
			  strerror(errno));
		error_hint(error_out, "The proxy's user needs to read and write it.");
	} else if (stat(path, &status) == 0 && status.st_size == 0) {
		ok = true; /* will be set up */
	} else if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK) {
		usage_schema_error(db, path, "open", error_out);
	} else {
		sqlite3_busy_timeout(db, BUSY_TIMEOUT_MS);
		ok = usage_schema_may_open(db, path, error_out);
	}
	sqlite3_close(db);
	return ok;
}

bool usage_check(const struct usage_settings *settings, struct error *error_out)
{
	if (!settings->path)
		return true;
	if (usage_is_shared(settings->path))
		return usage_shared_get() && usage_shared_get()->check(settings->path, error_out);
	if (access(settings->path, F_OK) != 0)
		return check_folder(settings->path, error_out);
	return check_file(settings->path, error_out);
}
