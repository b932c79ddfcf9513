#include "base/error.h"

#include <stdarg.h>
#include <string.h>

/* Cuts a half UTF-8 sequence that the buffer's end left behind. */
static void cut_at_character(char *text, size_t size, int wanted)
{
	if (wanted < 0)
		text[0] = '\0';
	if (wanted < 0 || (size_t)wanted < size)
		return;
	size_t end = size - 1;
	while (end > 0 && ((unsigned char)text[end - 1] & 0xC0) == 0x80)
		end--;
	if (end > 0 && (unsigned char)text[end - 1] >= 0xC0)
		end--;
	text[end] = '\0';
}

__attribute__((format(printf, 3, 0))) static void format_into(char *text, size_t size, const char *format, va_list args)
{
	int wanted = vsnprintf(text, size, format, args);
	cut_at_character(text, size, wanted);
}

void error_set(struct error *error_out, const char *sqlstate, const char *format, ...)
{
	char message[sizeof(error_out->message)];
	va_list args;
	va_start(args, format);
	format_into(message, sizeof(message), format, args);
	va_end(args);
	memset(error_out, 0, sizeof(*error_out));
	snprintf(error_out->sqlstate, sizeof(error_out->sqlstate), "%s", sqlstate);
	memcpy(error_out->message, message, sizeof(message));
}

void error_detail(struct error *error, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	format_into(error->detail, sizeof(error->detail), format, args);
	va_end(args);
}

void error_hint(struct error *error, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	format_into(error->hint, sizeof(error->hint), format, args);
	va_end(args);
}

void error_at(struct error *error, const char *file, uint32_t line, uint32_t column)
{
	int wanted = snprintf(error->file, sizeof(error->file), "%s", file ? file : "");
	cut_at_character(error->file, sizeof(error->file), wanted);
	error->line = line;
	error->column = column;
}

void error_print(const struct error *error, FILE *stream)
{
	if (error->file[0] && error->line)
		fprintf(stream, "%s:%u:%u: ", error->file, error->line, error->column);
	else if (error->file[0])
		fprintf(stream, "%s: ", error->file);
	fprintf(stream, "%s\n", error->message);
	if (error->detail[0])
		fprintf(stream, "DETAIL:  %s\n", error->detail);
	if (error->hint[0])
		fprintf(stream, "HINT:  %s\n", error->hint);
}
