#include "app/journal.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <unistd.h>

static char path[64];

static void make_place(void)
{
	snprintf(path, sizeof(path), "/tmp/cf-journal-XXXXXX");
	int fd = mkstemp(path);
	cr_assert(fd >= 0);
	close(fd);
	unlink(path);
}

static void remove_place(void)
{
	unlink(path);
}

TestSuite(journal, .init = make_place, .fini = remove_place);

static void append(const char *table, const char *reason)
{
	struct journal_entry entry = { .who = "alice", .action = "set flag", .table = table, .from = "old", .to = "live",
				       .outcome = "done", .reason = reason, .forced = reason != NULL };
	struct error error;
	cr_assert(journal_append(path, &entry, &error), "%s", error.message);
}

static struct journal_entries read_all(struct arena *arena, const char *table, size_t most)
{
	struct journal_entries entries;
	struct error error;
	arena_init(arena);
	cr_assert(journal_read(path, table, most, arena, &entries, &error), "%s", error.message);
	return entries;
}

static void append_text(const char *text)
{
	FILE *file = fopen(path, "a");
	fputs(text, file);
	fclose(file);
}

Test(journal, gives_back_what_was_written_newest_first)
{
	struct arena arena;
	append("public.a", "because \"quoted\"\nand ä");
	append("public.b", NULL);
	struct journal_entries entries = read_all(&arena, NULL, 10);
	cr_assert_eq(entries.count, 2);
	cr_expect_str_eq(entries.items[0].table, "public.b");
	cr_expect_null(entries.items[0].reason);
	cr_expect_str_eq(entries.items[1].reason, "because \"quoted\"\nand ä");
	cr_expect(entries.items[1].forced && !entries.items[0].forced && entries.items[1].at_ms > 0);
	arena_deinit(&arena);
	entries = read_all(&arena, "public.a", 10);
	cr_expect_eq(entries.count, 1);
	arena_deinit(&arena);
	entries = read_all(&arena, NULL, 1);
	cr_expect_eq(entries.count, 1);
	arena_deinit(&arena);
}

Test(journal, passes_over_what_is_no_entry)
{
	struct arena arena;
	struct journal_entries entries = read_all(&arena, NULL, 10);
	cr_expect_eq(entries.count, 0, "a missing file");
	arena_deinit(&arena);
	append("public.a", "bad \xff bytes");
	append_text("\n{}\n[1]\nnot json\n{\"at_ms\": \"x\"}\n{\"at_ms\": 5, \"who\": 7}\n{\"at_ms\":1,\"ta");
	append("public.b", NULL);
	entries = read_all(&arena, NULL, 10);
	cr_assert_eq(entries.count, 3);
	cr_expect_str_eq(entries.items[0].table, "public.b", "a line that was cut off does not spoil the next");
	cr_expect_null(entries.items[1].who);
	cr_expect_str_eq(entries.items[2].reason, "bad ? bytes");
	arena_deinit(&arena);
}

Test(journal, says_where_it_cannot_write)
{
	struct journal_entry entry = { .who = "alice" };
	struct error error;
	cr_expect(!journal_append("/nonexistent/journal", &entry, &error));
	cr_expect_str_eq(error.file, "/nonexistent/journal");
	cr_expect(!journal_check("/nonexistent/journal", &error));
	cr_expect(journal_append(NULL, &entry, &error), "no journal is wanted");
}
