#include "app/error_log.h"

static const char *unless_empty(const char *text)
{
	return text[0] ? text : NULL;
}

void error_log(enum log_level level, const char *event, const char *database, const struct error *error)
{
	char place[sizeof(error->file) + 32] = "";
	if (error->file[0] && error->line)
		snprintf(place, sizeof(place), "%s:%u:%u", error->file, error->line, error->column);
	else if (error->file[0])
		snprintf(place, sizeof(place), "%s", error->file);
	LOG(level, event, LOG_STR("database", database), LOG_STR("sqlstate", error->sqlstate),
	    LOG_STR("message", error->message), LOG_STR("detail", unless_empty(error->detail)),
	    LOG_STR("hint", unless_empty(error->hint)), LOG_STR("place", unless_empty(place)));
}
