#include "proxy/refusal_log.h"

#include "base/clock.h"
#include "base/log.h"

enum { LINES = 20, SPAN_US = 10000000 };

void refusal_log_init(struct refusal_log *log)
{
	log->limit = (struct log_limit){ .lines = LINES, .span_us = SPAN_US };
}

static const struct use *refused_use(const struct rewrite *rewrite)
{
	const struct statement_shape *shape = rewrite && rewrite->refused_index < rewrite->statement_count ?
						      rewrite->statements[rewrite->refused_index].shape :
						      NULL;
	for (size_t i = 0; shape && i < shape->use_count; i++) {
		if (shape->uses[i].flags & USE_REFUSED)
			return &shape->uses[i];
	}
	return shape && shape->use_count ? &shape->uses[0] : NULL;
}

static const char *stage_of(const struct conversation *conversation, const struct use *use)
{
	const struct ruleset_entry *entry =
		use && use->table && conversation->ruleset ? ruleset_entry_by_key(conversation->ruleset, use->table) : NULL;
	return entry ? stage_name(entry->stage) : NULL;
}

static const char *application_of(const struct conversation *conversation, const struct rewrite *rewrite)
{
	const char *named = rewrite && rewrite->origin ? rewrite->origin->values[ORIGIN_APPLICATION] : "";
	return *named && !conversation->application_fixed ? named : conversation->who.application;
}

static bool is_noted(const struct request *request)
{
	return request->flags & REQUEST_TOO_LARGE || (request->rewrite && request->rewrite->outcome == REWRITE_REFUSED);
}

void refusal_log_note(struct refusal_log *log, const struct conversation *conversation, const struct request *request,
		      const struct error *refusal)
{
	const struct rewrite *rewrite = request->rewrite;
	uint64_t suppressed;
	if (!log || !is_noted(request) || !log_limit_pass(&log->limit, clock_monotonic_us(), &suppressed))
		return;
	const struct use *use = refused_use(rewrite);
	const struct usage_who *who = &conversation->who;
	LOG(LOG_WARNING, "refused", LOG_STR("table", use ? use->table : NULL), LOG_STR("stage", stage_of(conversation, use)),
	    LOG_STR("kind", use ? use_kind_name((enum use_kind)use->kind) : NULL), LOG_STR("database", who->database),
	    LOG_STR("user", who->user), LOG_STR("application", application_of(conversation, rewrite)),
	    LOG_STR("client", who->address), LOG_STR("message", refusal->message),
	    LOG_UINT("suppressed", suppressed));
}
