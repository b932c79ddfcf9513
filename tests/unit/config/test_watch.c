#include "config/watch.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];
static char path[128];
static struct watch *watch;
static uint64_t now_ms;

static void write_text(const char *file, const char *text)
{
	FILE *stream = fopen(file, "w");
	cr_assert_not_null(stream, "%s", file);
	fputs(text, stream);
	fclose(stream);
}

static const char *in_folder(const char *name)
{
	static char place[8][160];
	static unsigned next;
	char *out = place[next++ % 8];
	snprintf(out, sizeof(place[0]), "%s/%s", folder, name);
	return out;
}

static void watch_path(void)
{
	const char *paths[] = { NULL, path };
	watch_files(watch, paths, 2);
}

static void setup(void)
{
	strcpy(folder, "/tmp/crossfade-watch-XXXXXX");
	cr_assert_not_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/file", folder);
	write_text(path, "one");
	watch = watch_new(WATCH_SETTLE_MS);
	now_ms = 1000;
	watch_path();
}

static void teardown(void)
{
	char command[128];
	watch_free(watch);
	snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	cr_assert_eq(system(command), 0);
}

TestSuite(watch, .init = setup, .fini = teardown);

static bool look(void)
{
	now_ms += 1000;
	return watch_changed(watch, now_ms);
}

/* The first look finds it, the second finds it settled. */
static void expect_one_change(void)
{
	cr_expect_not(look(), "not settled yet");
	cr_expect(look());
	cr_expect_not(look(), "told twice");
}

Test(watch, nothing_changed)
{
	cr_expect_not(look());
	cr_expect_not(look());
}

Test(watch, sees_an_edit_in_place)
{
	write_text(path, "two!");
	expect_one_change();
}

Test(watch, sees_an_edit_that_keeps_size_and_time)
{
	struct stat info;
	cr_assert_eq(stat(path, &info), 0);
	usleep(20000);
	write_text(path, "eno");
	struct timespec times[2] = { info.st_atim, info.st_mtim };
	cr_assert_eq(utimensat(AT_FDCWD, path, times, 0), 0);
	expect_one_change();
}

Test(watch, sees_a_replacement_by_rename)
{
	write_text(in_folder("fresh"), "one");
	cr_assert_eq(rename(in_folder("fresh"), path), 0);
	expect_one_change();
}

Test(watch, sees_a_swapped_folder_behind_a_symlink)
{
	const char *paths[] = { in_folder("shown") };
	mkdir(in_folder("v1"), 0755);
	mkdir(in_folder("v2"), 0755);
	write_text(in_folder("v1/shown"), "a");
	write_text(in_folder("v2/shown"), "a");
	cr_assert_eq(symlink("v1", in_folder("..data")), 0);
	cr_assert_eq(symlink("..data/shown", paths[0]), 0);
	watch_files(watch, paths, 1);
	cr_expect_not(look());
	cr_assert_eq(symlink("v2", in_folder("..data_tmp")), 0);
	cr_assert_eq(rename(in_folder("..data_tmp"), in_folder("..data")), 0);
	expect_one_change();
}

Test(watch, waits_until_a_writer_is_done)
{
	static const char *const stages[] = { "x", "xx", "xxx", "xxxx" };
	for (size_t i = 0; i < 4; i++) {
		write_text(path, stages[i]);
		cr_expect_not(look());
	}
	cr_expect(look());
}

Test(watch, a_short_wait_is_not_settled)
{
	write_text(path, "three");
	cr_expect_not(watch_changed(watch, 5000));
	cr_expect_not(watch_changed(watch, 5000 + WATCH_SETTLE_MS - 1));
	cr_expect(watch_changed(watch, 5000 + WATCH_SETTLE_MS));
}

Test(watch, a_file_that_is_gone_and_back_is_one_change_each)
{
	unlink(path);
	expect_one_change();
	write_text(path, "back");
	expect_one_change();
}

Test(watch, the_same_files_again_keep_what_was_seen)
{
	write_text(path, "later");
	watch_path();
	expect_one_change();
}
