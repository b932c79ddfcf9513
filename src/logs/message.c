#include "logs/message.h"

#include "base/hash.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

static bool starts(struct slice text, const char *word)
{
	size_t len = strlen(word);
	return text.len >= len && memcmp(text.data, word, len) == 0;
}

static struct slice behind(struct slice text, size_t len)
{
	return slice_of(text.data + len, text.len - len);
}

/* "duration: 12.345 ms  statement: …": how long it took is not asked for. */
static struct slice without_duration(struct slice message)
{
	if (!starts(message, "duration: "))
		return message;
	const char *ms = memmem(message.data, message.len < 64 ? message.len : 64, " ms  ", 5);
	return ms ? behind(message, (size_t)(ms - message.data) + 5) : slice_of(message.data, 0);
}

/* A name that a client chose may hold anything, but ": " ends it. */
static bool behind_name(struct slice text, struct slice *sql_out)
{
	const char *colon = memmem(text.data, text.len, ": ", 2);
	if (!colon)
		return false;
	*sql_out = behind(text, (size_t)(colon - text.data) + 2);
	return true;
}

bool log_message_statement(struct slice message, struct slice *sql_out)
{
	struct slice text = without_duration(message);
	if (starts(text, "statement: ")) {
		*sql_out = behind(text, strlen("statement: "));
		return true;
	}
	/* A later fetch of a portal is not another execution. */
	if (!starts(text, "execute ") || starts(text, "execute fetch from "))
		return false;
	return behind_name(behind(text, strlen("execute ")), sql_out);
}

bool log_detail_prepare(struct slice detail, struct slice *sql_out)
{
	if (!starts(detail, "prepare: "))
		return false;
	*sql_out = behind(detail, strlen("prepare: "));
	return true;
}

bool log_message_is_end(struct slice message)
{
	return starts(message, "disconnection: ");
}

/* "+01", "-0330", "+05:30" in seconds; names of zones other than UTC are not known: 0. */
static long zone_offset_s(const char *text)
{
	int hours = 0, minutes = 0;
	while (*text == ' ')
		text++;
	if (*text != '+' && *text != '-')
		return 0;
	const char *digits = text + 1;
	size_t len = strspn(digits, "0123456789");
	if (len >= 3)
		sscanf(digits, "%2d%2d", &hours, &minutes);
	else
		sscanf(digits, "%2d:%2d", &hours, &minutes);
	long offset = hours * 3600L + minutes * 60L;
	return *text == '-' ? -offset : offset;
}

static int64_t unix_time_ms(const char *text)
{
	char *end;
	double seconds = strtod(text, &end);
	return end != text && seconds > 1e8 && seconds < 1e11 ? (int64_t)(seconds * 1000) : 0;
}

int64_t log_time_ms(const char *text)
{
	struct tm parts = { 0 };
	int used = 0, ms = 0;
	if (sscanf(text, "%4d-%2d-%2d%*1[ T]%2d:%2d:%2d%n", &parts.tm_year, &parts.tm_mon, &parts.tm_mday, &parts.tm_hour,
		   &parts.tm_min, &parts.tm_sec, &used) != 6 || !used)
		return unix_time_ms(text);
	if (parts.tm_mon < 1 || parts.tm_mon > 12 || parts.tm_mday < 1 || parts.tm_mday > 31 || parts.tm_year < 1970)
		return 0;
	parts.tm_year -= 1900;
	parts.tm_mon -= 1;
	text += used;
	if (*text == '.') {
		char digits[4] = "000";
		size_t len = strspn(++text, "0123456789");
		memcpy(digits, text, len < 3 ? len : 3);
		ms = atoi(digits);
		text += len;
	}
	int64_t seconds = (int64_t)timegm(&parts);
	return seconds > 0 ? (seconds - zone_offset_s(text)) * 1000 + ms : 0;
}

uint64_t log_session_hash(const char *text)
{
	uint64_t hash = text && *text ? hash_of_bytes(text, strlen(text), 0) : 0;
	return text && *text && !hash ? 1 : hash;
}
