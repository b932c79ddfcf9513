#include "app/when.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static bool parse_ago(const char *text, int64_t now_ms, int64_t *ms_out)
{
	static const struct { char unit; int64_t ms; } units[] = {
		{ 's', 1000 }, { 'm', 60000 }, { 'h', 3600000 }, { 'd', 86400000 }, { 'w', 7 * 86400000LL } };
	char *end;
	errno = 0;
	long long count = strtoll(text, &end, 10);
	if (errno || end == text || count < 0 || count > 1000000 || strlen(end) != 1)
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (units[i].unit == *end) {
			*ms_out = now_ms - count * units[i].ms;
			return true;
		}
	}
	return false;
}

static bool digits(const char **at, int count, int *value_out)
{
	int value = 0;
	for (int i = 0; i < count; i++, (*at)++) {
		if (**at < '0' || **at > '9')
			return false;
		value = value * 10 + (**at - '0');
	}
	*value_out = value;
	return true;
}

static bool skip(const char **at, char expected)
{
	if (**at != expected)
		return false;
	(*at)++;
	return true;
}

static bool parse_date(const char **at, struct tm *tm)
{
	if (!digits(at, 4, &tm->tm_year) || !skip(at, '-') || !digits(at, 2, &tm->tm_mon) || !skip(at, '-') ||
	    !digits(at, 2, &tm->tm_mday))
		return false;
	tm->tm_year -= 1900;
	tm->tm_mon -= 1;
	return true;
}

static bool parse_time(const char **at, struct tm *tm)
{
	if (**at != 'T' && **at != 't' && **at != ' ')
		return **at == '\0';
	(*at)++;
	if (!digits(at, 2, &tm->tm_hour) || !skip(at, ':') || !digits(at, 2, &tm->tm_min))
		return false;
	return !skip(at, ':') || digits(at, 2, &tm->tm_sec);
}

static bool parse_offset(const char **at, int64_t *offset_s_out)
{
	int hours = 0, minutes = 0, sign = **at == '-' ? -1 : 1;
	if (**at == 'Z' || **at == 'z') {
		(*at)++;
	} else if (**at == '+' || **at == '-') {
		(*at)++;
		if (!digits(at, 2, &hours) || !skip(at, ':') || !digits(at, 2, &minutes))
			return false;
	}
	*offset_s_out = sign * (hours * 3600 + minutes * 60);
	return **at == '\0';
}

static bool is_real(const struct tm *asked)
{
	struct tm tm = *asked;
	timegm(&tm);
	return tm.tm_mday == asked->tm_mday && tm.tm_mon == asked->tm_mon && tm.tm_hour == asked->tm_hour &&
	       tm.tm_min == asked->tm_min && tm.tm_sec == asked->tm_sec;
}

bool when_parse(const char *text, int64_t now_ms, int64_t *ms_out)
{
	struct tm tm = { 0 };
	const char *at = text;
	int64_t offset_s;
	if (parse_ago(text, now_ms, ms_out))
		return true;
	if (!parse_date(&at, &tm) || !parse_time(&at, &tm) || !parse_offset(&at, &offset_s) || !is_real(&tm))
		return false;
	*ms_out = ((int64_t)timegm(&tm) - offset_s) * 1000;
	return true;
}

static struct tm utc(int64_t ms)
{
	struct tm tm = { 0 };
	time_t seconds = (time_t)(ms / 1000);
	gmtime_r(&seconds, &tm);
	return tm;
}

const char *when_print_minute(int64_t ms, char out[WHEN_BYTES])
{
	struct tm tm = utc(ms);
	if (!strftime(out, WHEN_BYTES, "%Y-%m-%d %H:%M", &tm))
		strcpy(out, "?");
	return out;
}

const char *when_print_iso(int64_t ms, char out[WHEN_BYTES])
{
	struct tm tm = utc(ms);
	if (!strftime(out, WHEN_BYTES, "%Y-%m-%dT%H:%M:%SZ", &tm))
		strcpy(out, "?");
	return out;
}
