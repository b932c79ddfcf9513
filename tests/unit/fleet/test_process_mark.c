/* A proxy counts as ended before its lease is over only when the kernel says so. */
#include "fleet/process_mark.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The same place, and another number. */
static void mark_of(long pid, char mark_out[PROCESS_MARK_BYTES])
{
	process_mark_own(mark_out);
	cr_assert(mark_out[0]);
	char *number = strrchr(mark_out, ' ') + 1;
	snprintf(number, PROCESS_MARK_BYTES - (size_t)(number - mark_out), "%ld", pid);
}

Test(process_mark, one_that_is_there_has_not_ended)
{
	char mark[PROCESS_MARK_BYTES];
	process_mark_own(mark);
	cr_expect_not(process_mark_has_ended(mark));
	mark_of(getppid(), mark);
	cr_expect_not(process_mark_has_ended(mark));
	mark_of(1, mark);
	cr_expect_not(process_mark_has_ended(mark), "nor has one that we may not signal");
}

Test(process_mark, one_that_stands_still_has_not_ended_and_one_that_was_killed_has)
{
	char mark[PROCESS_MARK_BYTES];
	int status;
	pid_t child = fork();
	if (child == 0) {
		for (;;)
			pause();
	}
	mark_of(child, mark);
	kill(child, SIGSTOP);
	cr_expect_not(process_mark_has_ended(mark));
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	cr_expect(process_mark_has_ended(mark));
}

Test(process_mark, of_another_boot_host_or_container_nothing_is_known)
{
	char gone[PROCESS_MARK_BYTES], other[PROCESS_MARK_BYTES];
	int status;
	pid_t child = fork();
	if (child == 0)
		_exit(0);
	waitpid(child, &status, 0);
	mark_of(child, gone);
	cr_assert(process_mark_has_ended(gone));
	for (char *blank = strchr(gone, ' '); blank; blank = strchr(blank + 1, ' ')) {
		strcpy(other, gone);
		other[blank - gone - 1] ^= 1;
		cr_expect_not(process_mark_has_ended(other), "%s", other);
	}
}

Test(process_mark, what_is_no_mark_says_nothing)
{
	char mark[PROCESS_MARK_BYTES];
	cr_expect_not(process_mark_has_ended(""));
	cr_expect_not(process_mark_has_ended("12345"));
	process_mark_own(mark);
	strcpy(strrchr(mark, ' ') + 1, "");
	cr_expect_not(process_mark_has_ended(mark), "no number");
	strcat(mark, "-1");
	cr_expect_not(process_mark_has_ended(mark));
	mark_of(0, mark);
	cr_expect_not(process_mark_has_ended(mark));
	mark_of(4294967295L + 7, mark);
	cr_expect_not(process_mark_has_ended(mark));
	mark_of(2147483647, mark);
	strcat(mark, "x");
	cr_expect_not(process_mark_has_ended(mark));
}
