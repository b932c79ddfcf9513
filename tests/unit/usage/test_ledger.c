/* Counts that go in at one end come out of the file at the other, exactly. */
#include "support.h"
#include "usage/ledger.h"

#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define TOTAL "SELECT coalesce(sum(count), 0) FROM usage"

static void count_times(struct usage_counter *counter, struct usage_identity *identity,
			struct statement_shape *shape, int times)
{
	for (int i = 0; i < times; i++)
		usage_count(counter, identity, shape, USAGE_OK, 2);
}

/* One worker, one identity, one statement; counts and flushes. */
static void count_once_over(struct usage *usage, const char *text, int times)
{
	struct usage_counter *counter = usage_counter_new(usage);
	struct usage_who who = who_of("billing");
	struct usage_identity *identity = usage_identity_take(counter, &who);
	struct statement_shape *shape = shape_of(text, "public.prices", SIDE_OLD, USE_SELECT);
	count_times(counter, identity, shape, times);
	statement_shape_unref(shape);
	usage_identity_release(counter, identity);
	usage_counter_free(counter);
}

Test(ledger, keeps_counts_rows_outcomes_and_who)
{
	struct ledger ledger;
	ledger_init(&ledger);
	struct usage *usage = ledger_open(&ledger);
	struct usage_counter *counter = usage_counter_new(usage);
	struct usage_who who = who_of("billing");
	struct usage_identity *identity = usage_identity_take(counter, &who);
	struct use uses[] = {
		{ .side = SIDE_OLD, .kind = USE_SELECT, .flags = USE_REWRITTEN, .table = "public.prices" },
		{ .side = SIDE_NEW, .kind = USE_INSERT, .table = "public.stocks" },
	};
	struct statement_shape *shape = statement_shape_new(slice_str("INSERT INTO s SELECT $1 FROM p"), uses, 2);
	usage_count(counter, identity, shape, USAGE_OK, 7);
	usage_count(counter, identity, shape, USAGE_OK, 1);
	usage_count(counter, identity, shape, USAGE_ERROR, 0);
	usage_count(counter, identity, shape, USAGE_REFUSED, 0);
	statement_shape_unref(shape);
	usage_counter_flush(counter);
	ledger_wait_until(&ledger, TOTAL, 8);
	cr_assert_eq(ledger_number(&ledger, "SELECT count(*) FROM usage WHERE table_name = 'public.prices'"
		" AND side = 'old' AND kind = 'select' AND rewritten = 1 AND database = 'aegis' AND user = 'app'"
		" AND application = 'billing' AND address = '10.0.0.7' AND ok_count = 2 AND error_count = 1"
		" AND refused_count = 1 AND row_count = 8 AND statement = 'INSERT INTO s SELECT $1 FROM p'"), 1);
	cr_assert_eq(ledger_number(&ledger, "SELECT count(*) FROM usage WHERE table_name = 'public.stocks'"
		" AND side = 'new' AND kind = 'insert' AND rewritten = 0"), 1);
	cr_assert_eq(ledger_number(&ledger, "SELECT sum(ok_count) FROM hours"), 4);
	usage_identity_release(counter, identity);
	usage_counter_free(counter);
	usage_close(usage);
	ledger_deinit(&ledger);
}

struct worker {
	struct usage *usage;
	struct statement_shape **shapes;
	int number;
};

enum { WORKERS = 8, SHAPES = 200, ROUNDS = 50 };

static void *work(void *context)
{
	struct worker *worker = context;
	struct usage_counter *counter = usage_counter_new(worker->usage);
	char name[16];
	for (int round = 0; round < ROUNDS; round++) {
		snprintf(name, sizeof(name), "app-%d", round % 3);
		struct usage_who who = who_of(name);
		struct usage_identity *identity = usage_identity_take(counter, &who);
		for (int i = 0; i < SHAPES; i++)
			count_times(counter, identity, worker->shapes[i], worker->number + 1);
		usage_identity_release(counter, identity);
		if (round % 5 == worker->number % 5)
			usage_counter_flush(counter);
	}
	usage_counter_free(counter);
	return NULL;
}

static void run_workers(struct usage *usage)
{
	static struct statement_shape *shapes[SHAPES];
	pthread_t threads[WORKERS];
	struct worker workers[WORKERS];
	char text[32];
	for (int i = 0; i < SHAPES; i++) {
		snprintf(text, sizeof(text), "SELECT %d", i);
		shapes[i] = shape_of(text, i % 2 ? "public.prices" : "public.stocks", SIDE_OLD, USE_SELECT);
	}
	for (int i = 0; i < WORKERS; i++) {
		workers[i] = (struct worker){ usage, shapes, i };
		pthread_create(&threads[i], NULL, work, &workers[i]);
	}
	for (int i = 0; i < WORKERS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < SHAPES; i++)
		statement_shape_unref(shapes[i]);
}

/* 1 + 2 + … + WORKERS times each shape and round. */
enum { WORKERS_TOTAL = WORKERS * (WORKERS + 1) / 2 * SHAPES * ROUNDS };

Test(ledger, totals_of_many_workers_are_exact_and_add_up_over_restarts)
{
	struct ledger ledger;
	ledger_init(&ledger);
	for (int start = 1; start <= 2; start++) {
		struct usage *usage = ledger_open(&ledger);
		struct usage_stats stats;
		run_workers(usage);
		usage_stats(usage, &stats);
		cr_assert_eq(stats.statements, WORKERS_TOTAL);
		usage_close(usage);
		cr_assert_eq(ledger_number(&ledger, TOTAL), (int64_t)start * WORKERS_TOTAL);
	}
	cr_assert_eq(ledger_number(&ledger, "SELECT count(DISTINCT statement) FROM usage"), SHAPES);
	cr_assert_eq(ledger_number(&ledger, "SELECT count(DISTINCT application) FROM usage"), 3);
	cr_assert_eq(ledger_number(&ledger, "SELECT count(*) FROM observations WHERE stopped_ms IS NOT NULL"), 2);
	cr_assert_eq(ledger_number(&ledger, "SELECT sum(ok_count) FROM hours"), 2 * WORKERS_TOTAL);
	ledger_deinit(&ledger);
}

Test(ledger, full_memory_folds_statements_into_other_and_keeps_totals)
{
	struct ledger ledger;
	char text[32];
	ledger_init(&ledger);
	ledger.settings.memory_bytes = 256 * 1024;
	struct usage *usage = ledger_open(&ledger);
	struct usage_counter *counter = usage_counter_new(usage);
	struct usage_who who = who_of("billing");
	struct usage_identity *identity = usage_identity_take(counter, &who);
	for (int i = 0; i < 50000; i++) {
		snprintf(text, sizeof(text), "SELECT %d", i);
		struct statement_shape *shape = shape_of(text, "public.prices", SIDE_OLD, USE_SELECT);
		usage_count(counter, identity, shape, USAGE_OK, 0);
		statement_shape_unref(shape);
	}
	usage_identity_release(counter, identity);
	usage_counter_free(counter);
	usage_close(usage);
	cr_assert_eq(ledger_number(&ledger, TOTAL), 50000);
	int64_t others = ledger_number(&ledger, "SELECT count FROM usage WHERE statement = '(other)'"
		" AND application = 'billing' AND table_name = 'public.prices' AND side = 'old' AND kind = 'select'");
	cr_assert(others > 45000 && others < 50000, "%ld", (long)others);
	ledger_deinit(&ledger);
}

Test(ledger, endless_identities_are_bounded_and_totals_kept)
{
	struct ledger ledger;
	char name[32];
	ledger_init(&ledger);
	ledger.settings.memory_bytes = 256 * 1024;
	ledger.settings.identities_max = 50;
	struct usage *usage = ledger_open(&ledger);
	struct usage_counter *counter = usage_counter_new(usage);
	struct statement_shape *shape = shape_of("SELECT $1", "public.prices", SIDE_OLD, USE_SELECT);
	for (int i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "random-%d", i);
		struct usage_who who = who_of(name);
		struct usage_identity *identity = usage_identity_take(counter, &who);
		usage_count(counter, identity, shape, USAGE_OK, 0);
		usage_identity_release(counter, identity);
	}
	statement_shape_unref(shape);
	usage_counter_free(counter);
	usage_close(usage);
	cr_assert_eq(ledger_number(&ledger, TOTAL), 20000);
	cr_assert_leq(ledger_number(&ledger, "SELECT count(*) FROM identities"), 51);
	ledger_deinit(&ledger);
}

Test(ledger, file_keeps_at_most_shapes_max_statements)
{
	struct ledger ledger;
	char text[32];
	ledger_init(&ledger);
	ledger.settings.shapes_max = 100;
	struct usage *usage = ledger_open(&ledger);
	for (int i = 0; i < 500; i++) {
		snprintf(text, sizeof(text), "SELECT %d", i);
		count_once_over(usage, text, 3);
	}
	usage_close(usage);
	cr_assert_eq(ledger_number(&ledger, TOTAL), 1500);
	cr_assert_eq(ledger_number(&ledger, "SELECT count(*) FROM statements WHERE id > 0"), 100);
	cr_assert_eq(ledger_number(&ledger, "SELECT sum(count) FROM usage WHERE statement = '(other)'"), 1200);
	ledger_deinit(&ledger);
}

Test(ledger, file_is_private)
{
	struct ledger ledger;
	struct stat status;
	ledger_init(&ledger);
	umask(0);
	struct usage *usage = ledger_open(&ledger);
	count_once_over(usage, "SELECT 1", 1);
	cr_assert_eq(stat(ledger.path, &status), 0);
	cr_assert_eq(status.st_mode & 0777, 0600);
	usage_close(usage);
	ledger_deinit(&ledger);
}

Test(ledger, without_a_path_counts_nothing_and_takes_every_call)
{
	struct usage_settings settings = usage_settings_default();
	struct usage *usage = (struct usage *)1;
	struct error error;
	cr_assert(usage_open(&settings, &usage, &error));
	cr_assert_null(usage);
	count_once_over(usage, "SELECT 1", 1);
	struct usage_stats stats;
	usage_stats(usage, &stats);
	cr_assert_eq(stats.statements, 0);
	usage_declare(usage, NULL, 0);
	usage_close(usage);
}

Test(ledger, kill_9_loses_at_most_what_was_not_flushed_and_leaves_a_gap)
{
	struct ledger ledger;
	int ready[2];
	char byte;
	ledger_init(&ledger);
	cr_assert_eq(pipe(ready), 0);
	pid_t child = fork();
	if (child == 0) {
		struct usage *usage = ledger_open(&ledger);
		count_once_over(usage, "SELECT 1", 1000);
		ledger_wait_until(&ledger, TOTAL, 1000);
		struct usage_counter *counter = usage_counter_new(usage);
		struct usage_who who = who_of("late");
		struct statement_shape *shape = shape_of("SELECT 2", "public.prices", SIDE_OLD, USE_SELECT);
		count_times(counter, usage_identity_take(counter, &who), shape, 5);
		cr_assert_eq(write(ready[1], "x", 1), 1);
		pause();
		_exit(0);
	}
	cr_assert_eq(read(ready[0], &byte, 1), 1);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	struct usage *usage = ledger_open(&ledger);
	count_once_over(usage, "SELECT 1", 10);
	usage_close(usage);
	cr_assert_eq(ledger_number(&ledger, TOTAL), 1010);
	cr_assert_eq(ledger_number(&ledger, "SELECT count(*) FROM observations WHERE stopped_ms IS NULL"), 1);
	cr_assert_eq(ledger_number(&ledger, "SELECT count(*) FROM observations WHERE stopped_ms IS NOT NULL"), 1);
	cr_assert_eq(ledger_number(&ledger, "SELECT count(*) FROM observed WHERE state = 'broken off'"), 1);
	ledger_deinit(&ledger);
}

Test(ledger, two_proxies_on_one_file_leave_each_other_alone)
{
	struct ledger ledger;
	int ready[2], go[2];
	char byte;
	ledger_init(&ledger);
	cr_assert_eq(pipe(ready), 0);
	cr_assert_eq(pipe(go), 0);
	pid_t child = fork();
	if (child == 0) {
		struct usage *other = ledger_open(&ledger);
		cr_assert_eq(write(ready[1], "x", 1), 1);
		cr_assert_eq(read(go[0], &byte, 1), 1);
		count_once_over(other, "SELECT 1", 500);
		usage_close(other);
		_exit(0);
	}
	cr_assert_eq(read(ready[0], &byte, 1), 1);
	struct usage *usage = ledger_open(&ledger);
	cr_assert_eq(ledger_number(&ledger, "SELECT count(*) FROM observed WHERE state = 'running'"), 2);
	cr_assert_eq(write(go[1], "x", 1), 1);
	count_once_over(usage, "SELECT 1", 700);
	usage_close(usage);
	waitpid(child, NULL, 0);
	cr_assert_eq(ledger_number(&ledger, TOTAL), 1200);
	cr_assert_eq(ledger_number(&ledger, "SELECT count(*) FROM observed WHERE state = 'stopped'"), 2);
	ledger_deinit(&ledger);
}

Test(ledger, knows_since_when_an_entry_is_in_the_map)
{
	struct ledger ledger;
	const struct usage_entry both[] = { { "public.prices", "data.prices", STAGE_LIVE },
					    { "public.stocks", NULL, STAGE_OLD } };
	ledger_init(&ledger);
	struct usage *usage = ledger_open(&ledger);
	usage_declare(usage, both, 2);
	ledger_wait_until(&ledger, "SELECT count(*) FROM entries WHERE declared_ms > 0 AND withdrawn_ms IS NULL", 2);
	cr_assert_eq(ledger_number(&ledger, "SELECT count(*) FROM entries WHERE stage = 'live'"
					    " AND new_name = 'data.prices'"), 1);
	int64_t declared = ledger_number(&ledger, "SELECT declared_ms FROM entries WHERE table_name = 'public.prices'");
	usage_declare(usage, both, 1);
	ledger_wait_until(&ledger, "SELECT count(*) FROM entries WHERE withdrawn_ms > 0", 1);
	usleep(5000);
	usage_declare(usage, both, 2);
	ledger_wait_until(&ledger, "SELECT count(*) FROM entries WHERE withdrawn_ms > 0", 0);
	cr_assert_eq(ledger_number(&ledger, "SELECT declared_ms FROM entries WHERE table_name = 'public.prices'"),
		     declared);
	cr_assert_gt(ledger_number(&ledger, "SELECT declared_ms FROM entries WHERE table_name = 'public.stocks'"),
		     declared);
	usage_close(usage);
	ledger_deinit(&ledger);
}

/* In a process that may do nothing but read, write and exit, while somebody else holds the ledger's lock. */
static void count_confined(struct usage *usage, struct usage_counter *counter, struct usage_identity *identity,
			   struct statement_shape *shape)
{
	pthread_mutex_lock(&usage->lock);
	alarm(20);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0)
		syscall(SYS_exit, 77);
	for (int i = 0; i < 100000; i++)
		usage_count(counter, identity, shape, USAGE_OK, 1);
	syscall(SYS_exit, 0);
}

Test(ledger, counting_makes_no_system_call_and_takes_no_lock)
{
	struct ledger ledger;
	struct usage_who who = who_of("billing");
	int status;
	ledger_init(&ledger);
	struct usage *usage = ledger_open(&ledger);
	struct usage_counter *counter = usage_counter_new(usage);
	struct usage_identity *identity = usage_identity_take(counter, &who);
	struct statement_shape *shape = shape_of("SELECT 1", "public.prices", SIDE_OLD, USE_SELECT);
	usage_count(counter, identity, shape, USAGE_OK, 1); /* the first sight makes room */
	pid_t child = fork();
	if (child == 0)
		count_confined(usage, counter, identity, shape);
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert(WIFEXITED(status), "ended by signal %d", WTERMSIG(status));
	if (WEXITSTATUS(status) != 77) /* no seccomp here */
		cr_assert_eq(WEXITSTATUS(status), 0);
	statement_shape_unref(shape);
	usage_identity_release(counter, identity);
	usage_counter_free(counter);
	usage_close(usage);
	ledger_deinit(&ledger);
}

/* ---- columns ---- */

static struct statement_shape *shape_with_column(const char *column)
{
	const char *columns[] = { column };
	struct use use = { .side = SIDE_OLD, .kind = USE_SELECT, .table = "public.prices", .columns = columns,
			   .column_count = 1 };
	return statement_shape_new(slice_str("SELECT c FROM prices"), &use, 1);
}

Test(ledger, columns_that_nobody_has_are_bounded_and_their_total_kept)
{
	struct ledger ledger;
	char name[32];
	ledger_init(&ledger);
	ledger.settings.uses_max = 100;
	struct usage *usage = ledger_open(&ledger);
	struct usage_counter *counter = usage_counter_new(usage);
	for (int i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "who-%d", i % 7);
		struct usage_who who = who_of(name);
		struct usage_identity *identity = usage_identity_take(counter, &who);
		snprintf(name, sizeof(name), "c%d", i);
		struct statement_shape *shape = shape_with_column(name);
		usage_count(counter, identity, shape, USAGE_OK, 0);
		statement_shape_unref(shape);
		usage_identity_release(counter, identity);
	}
	usage_counter_free(counter);
	usage_close(usage);
	cr_assert_eq(ledger_number(&ledger, "SELECT sum(count) FROM column_uses"), 2000);
	cr_assert_leq(ledger_number(&ledger, "SELECT count(*) FROM column_uses"), 126);
	cr_assert_gt(ledger_number(&ledger, "SELECT count FROM usage_by_column WHERE column_name = '(other)'"), 1800);
	cr_assert_leq(ledger_number(&ledger, "SELECT count(*) FROM statement_columns"), 100);
	cr_assert_eq(ledger_number(&ledger, TOTAL), 2000);
	ledger_deinit(&ledger);
}
