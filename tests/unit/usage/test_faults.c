/* A file that is locked, full, damaged, foreign or gone neither stops nor slows a worker. */
#include "support.h"

#include "base/clock.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define TOTAL "SELECT coalesce(sum(count), 0) FROM usage"

struct session {
	struct usage_counter *counter;
	struct usage_identity *identity;
	struct statement_shape *shape;
};

static void session_init(struct session *session, struct usage *usage)
{
	struct usage_who who = who_of("billing");
	session->counter = usage_counter_new(usage);
	session->identity = usage_identity_take(session->counter, &who);
	session->shape = shape_of("SELECT $1", "public.prices", SIDE_OLD, USE_SELECT);
}

static void session_deinit(struct session *session)
{
	statement_shape_unref(session->shape);
	usage_identity_release(session->counter, session->identity);
	usage_counter_free(session->counter);
}

static void count(struct session *session, int times)
{
	for (int i = 0; i < times; i++)
		usage_count(session->counter, session->identity, session->shape, USAGE_OK, 0);
	usage_counter_flush(session->counter);
}

static uint64_t wait_for_failures(struct usage *usage, uint64_t at_least)
{
	struct usage_stats stats = { 0 };
	for (int i = 0; i < 2000 && stats.failures < at_least; i++) {
		usleep(10000);
		usage_stats(usage, &stats);
	}
	cr_assert_geq(stats.failures, at_least);
	return stats.lost;
}

static sqlite3 *lock_file(const char *path)
{
	sqlite3 *db;
	cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, 5000);
	cr_assert_eq(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	return db;
}

static void unlock_file(sqlite3 *db)
{
	sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	sqlite3_close(db);
}

static void scribble(const char *path)
{
	char junk[65536];
	memset(junk, 'j', sizeof(junk));
	int fd = open(path, O_WRONLY);
	if (fd < 0)
		return;
	cr_assert_eq(write(fd, junk, sizeof(junk)), (ssize_t)sizeof(junk));
	close(fd);
}

Test(faults, locked_file_delays_nobody_and_loses_nothing)
{
	struct ledger ledger;
	struct session session;
	struct usage_stats stats;
	ledger_init(&ledger);
	struct usage *usage = ledger_open(&ledger);
	session_init(&session, usage);
	sqlite3 *lock = lock_file(ledger.path);
	uint64_t started_us = clock_monotonic_us();
	for (int i = 0; i < 10; i++)
		count(&session, 100);
	cr_assert_lt(clock_monotonic_us() - started_us, 200000);
	wait_for_failures(usage, 1);
	usage_stats(usage, &stats);
	cr_assert_gt(stats.lag_ms, 0);
	unlock_file(lock);
	/* What the store had taken; how many batches that were depends on the machine. */
	ledger_wait_until(&ledger, "SELECT coalesce(sum(count), 0) >= 100 FROM usage", 1);
	count(&session, 1);
	ledger_wait_until(&ledger, TOTAL, 1001);
	usage_stats(usage, &stats);
	cr_assert_eq(stats.lost, 0);
	session_deinit(&session);
	usage_close(usage);
	cr_assert_eq(ledger_number(&ledger, "SELECT count(*) FROM observations"), 1);
	ledger_deinit(&ledger);
}

Test(faults, full_disk_is_waited_out)
{
	struct ledger ledger;
	int status;
	ledger_init(&ledger);
	pid_t child = fork();
	if (child == 0) {
		struct session session;
		struct rlimit limit, before;
		struct usage *usage = ledger_open(&ledger);
		session_init(&session, usage);
		getrlimit(RLIMIT_FSIZE, &before);
		limit = before;
		limit.rlim_cur = 1024; /* a write beyond raises SIGXFSZ, which ends a process by default */
		setrlimit(RLIMIT_FSIZE, &limit);
		count(&session, 100);
		cr_assert_eq(wait_for_failures(usage, 1), 0);
		setrlimit(RLIMIT_FSIZE, &before);
		ledger_wait_until(&ledger, TOTAL, 100);
		session_deinit(&session);
		usage_close(usage);
		_exit(0);
	}
	waitpid(child, &status, 0);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %d", status);
	ledger_deinit(&ledger);
}

static void wait_until_all_is_written(struct usage *usage)
{
	struct usage_stats stats = { .lag_ms = 1 };
	for (int i = 0; i < 2000 && stats.lag_ms; i++) {
		usleep(10000);
		usage_stats(usage, &stats);
	}
	cr_assert_eq(stats.lag_ms, 0);
}

Test(faults, damaged_file_is_waited_out_and_made_anew_once_moved_away)
{
	struct ledger ledger;
	struct session session;
	char damaged[128];
	ledger_init(&ledger);
	struct usage *usage = ledger_open(&ledger);
	session_init(&session, usage);
	count(&session, 10);
	ledger_wait_until(&ledger, TOTAL, 10);
	snprintf(damaged, sizeof(damaged), "%s.damaged", ledger.path);
	cr_assert_geq(close(open(damaged, O_CREAT | O_WRONLY, 0600)), 0);
	scribble(damaged);
	cr_assert_eq(rename(damaged, ledger.path), 0);
	count(&session, 100);
	cr_assert_eq(wait_for_failures(usage, 2), 0);
	cr_assert_eq(unlink(ledger.path), 0);
	wait_until_all_is_written(usage);
	cr_assert_eq(ledger_number(&ledger, TOTAL), 100);
	session_deinit(&session);
	usage_close(usage);
	ledger_deinit(&ledger);
}

Test(faults, deleted_file_is_made_anew)
{
	struct ledger ledger;
	struct session session;
	ledger_init(&ledger);
	struct usage *usage = ledger_open(&ledger);
	session_init(&session, usage);
	const struct usage_entry entry = { "public.stocks", "data.stocks", STAGE_LIVE };
	usage_declare(usage, &entry, 1);
	ledger_wait_until(&ledger, "SELECT count(*) FROM entries", 1);
	unlink(ledger.path);
	count(&session, 10);
	wait_until_all_is_written(usage);
	cr_assert_eq(ledger_number(&ledger, TOTAL), 10);
	cr_assert_eq(ledger_number(&ledger, "SELECT count(*) FROM entries WHERE declared_ms > 0"), 1);
	session_deinit(&session);
	usage_close(usage);
	ledger_deinit(&ledger);
}

Test(faults, what_cannot_be_written_by_the_end_is_counted_as_lost)
{
	struct ledger ledger;
	struct session session;
	struct usage_stats stats;
	ledger_init(&ledger);
	struct usage *usage = ledger_open(&ledger);
	session_init(&session, usage);
	sqlite3 *lock = lock_file(ledger.path);
	count(&session, 10);
	count(&session, 7);
	session_deinit(&session);
	usage_stats(usage, &stats);
	cr_assert_eq(stats.statements, 17);
	uint64_t started_us = clock_monotonic_us();
	usage_close(usage);
	cr_assert_lt(clock_monotonic_us() - started_us, 20 * 1000000);
	unlock_file(lock);
	cr_assert_eq(ledger_number(&ledger, TOTAL), 0);
	ledger_deinit(&ledger);
}

static void expect_refusal(struct ledger *ledger, const char *part)
{
	struct usage *usage = NULL;
	struct error error = { 0 }, check = { 0 };
	cr_assert_not(usage_open(&ledger->settings, &usage, &error));
	cr_assert_null(usage);
	cr_assert_not_null(strstr(error.message, part), "%s", error.message);
	cr_assert_gt(strlen(error.hint), 0);
	cr_assert_not(usage_check(&ledger->settings, &check));
	cr_assert_gt(strlen(check.hint), 0);
}

Test(faults, start_with_a_file_that_is_no_database_is_refused)
{
	struct ledger ledger;
	ledger_init(&ledger);
	cr_assert_geq(close(open(ledger.path, O_CREAT | O_WRONLY, 0600)), 0);
	scribble(ledger.path);
	expect_refusal(&ledger, "not a database");
	ledger_deinit(&ledger);
}

Test(faults, start_with_somebody_elses_database_is_refused_and_leaves_it_alone)
{
	struct ledger ledger;
	ledger_init(&ledger);
	cr_assert_geq(close(open(ledger.path, O_CREAT | O_WRONLY, 0600)), 0);
	ledger_exec(&ledger, "CREATE TABLE theirs (a)");
	expect_refusal(&ledger, "no usage ledger");
	cr_assert_eq(ledger_number(&ledger, "SELECT count(*) FROM sqlite_master"), 1);
	ledger_deinit(&ledger);
}

Test(faults, start_with_a_later_schema_version_is_refused)
{
	struct ledger ledger;
	ledger_init(&ledger);
	usage_close(ledger_open(&ledger));
	ledger_exec(&ledger, "PRAGMA user_version = 99");
	expect_refusal(&ledger, "schema version 99");
	ledger_deinit(&ledger);
}

Test(faults, start_without_the_folder_is_refused)
{
	struct ledger ledger;
	ledger_init(&ledger);
	snprintf(ledger.path, sizeof(ledger.path), "%s/no/such.db", ledger.folder);
	expect_refusal(&ledger, "No such file");
	ledger_deinit(&ledger);
}

Test(faults, check_creates_nothing)
{
	struct ledger ledger;
	struct error error;
	ledger_init(&ledger);
	cr_assert(usage_check(&ledger.settings, &error));
	cr_assert_neq(access(ledger.path, F_OK), 0);
	usage_close(ledger_open(&ledger));
	cr_assert(usage_check(&ledger.settings, &error), "%s", error.message);
	ledger_deinit(&ledger);
}
