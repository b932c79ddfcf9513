/*
 * "BOOT HOST NAMESPACE NUMBER". The boot's id tells kernels apart, and the
 * number of the namespace containers: that of one that is gone may be given
 * away again, but only once none of its processes is left. Whether a process
 * is there, kill() knows even where /proc hides it; a number that was given
 * to another process looks like one that is alive.
 */
#include "fleet/process_mark.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* All but the process's number, with a blank behind it. */
static bool make_place(char *out, size_t size)
{
	char boot[64] = "", host[128] = "", space[64] = "";
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
	bool ok = file && fscanf(file, "%63s", boot) == 1;
	if (file)
		fclose(file);
	if (!ok || gethostname(host, sizeof(host) - 1) != 0 || readlink("/proc/self/ns/pid", space, sizeof(space) - 1) <= 0)
		return false;
	return snprintf(out, size, "%s %s %s ", boot, host, space) < (int)size;
}

void process_mark_own(char mark_out[PROCESS_MARK_BYTES])
{
	char place[PROCESS_MARK_BYTES - 16];
	mark_out[0] = '\0';
	if (make_place(place, sizeof(place)))
		snprintf(mark_out, PROCESS_MARK_BYTES, "%s%d", place, (int)getpid());
}

bool process_mark_has_ended(const char *mark)
{
	char place[PROCESS_MARK_BYTES - 16], *end;
	if (!make_place(place, sizeof(place)) || strncmp(mark, place, strlen(place)) != 0)
		return false;
	const char *number = mark + strlen(place);
	long pid = strtol(number, &end, 10);
	return end != number && !*end && pid > 0 && pid <= 0x7fffffff && kill((pid_t)pid, 0) != 0 && errno == ESRCH;
}
