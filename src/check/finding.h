/*
 * What a check found: things that do not hold or stand in the way of a move,
 * each with what to do. One list for `check`, a cutover's first step and the
 * report's verdicts.
 */
#ifndef CROSSFADE_CHECK_FINDING_H
#define CROSSFADE_CHECK_FINDING_H

#include "base/arena.h"
#include "base/error.h"

enum finding_severity {
	FINDING_NOTE,	 /* good to know; nothing has to be done */
	FINDING_WARNING, /* breaks, or is lost, when the table moves */
	FINDING_ERROR,	 /* the map does not fit the database */
};

struct finding {
	enum finding_severity severity;
	const char *entry;  /* the key of the map's entry ("public.prices"); NULL: about none */
	const char *kind;   /* function, view, unmapped, lossy, …: docs/check.md lists them */
	const char *object; /* what was found, as SQL names it; NULL: the entry itself */
	const char *text;   /* one sentence without a full stop */
	const char *hint;   /* what to do; NULL: nothing */
	uint32_t line, column; /* in the map; 0: not about a place there */
};

struct findings {
	struct arena arena;
	struct finding *items;
	size_t count, capacity;
};

void findings_init(struct findings *findings);
void findings_deinit(struct findings *findings);
/* Copies the texts. Returns it for finding_hint. */
struct finding *findings_add(struct findings *findings, enum finding_severity severity, const char *entry,
			     const char *kind, const char *object, const char *format, ...)
	__attribute__((format(printf, 6, 7)));
void finding_hint(struct findings *findings, struct finding *finding, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Worst first; those of one entry and kind together. */
void findings_sort(struct findings *findings);
size_t findings_count(const struct findings *findings, enum finding_severity severity);

const char *finding_severity_name(enum finding_severity severity);

#endif
