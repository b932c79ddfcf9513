/* Prints from the table of fields, so that it cannot disagree with what is loaded. */
#include "app/commands.h"

#include "app/settings.h"

#include <argp.h>
#include <stdio.h>

enum { KEY_DEFAULTS = 256, KEY_MARKDOWN };

struct arguments {
	const char *file;
	bool defaults, markdown;
};

static const struct argp_option options[] = {
	COMMAND_OPTION_CONFIG,
	{ "defaults", KEY_DEFAULTS, NULL, 0, "Print every key with its default, unit, whether a reload applies it "
					     "and what it does, as a file to begin with", 0 },
	{ "markdown", KEY_MARKDOWN, NULL, 0, "The same as a table for the documentation", 0 },
	{ 0 },
};

static error_t parse_option(int key, char *value, struct argp_state *state)
{
	struct arguments *arguments = state->input;
	switch (key) {
	case 'c':
		arguments->file = value;
		return 0;
	case KEY_DEFAULTS:
		arguments->defaults = true;
		return 0;
	case KEY_MARKDOWN:
		arguments->markdown = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "unexpected argument: %s", value);
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int print(struct buf *text)
{
	bool ok = fwrite(text->data, 1, text->len, stdout) == text->len && fflush(stdout) == 0;
	if (!ok)
		perror("crossfade: cannot write");
	return ok ? EXIT_HOLDS : EXIT_HOLDS_NOT;
}

static void describe(bool markdown, struct buf *out)
{
	struct settings settings;
	settings_init(&settings);
	if (markdown) {
		fields_document_markdown(settings_fields(), &settings, out);
	} else {
		buf_append_str(out, "# crossfade.yaml: every key with its default. Paths are relative to this file.\n\n");
		fields_document(settings_fields(), &settings, out);
	}
	settings_deinit(&settings);
}

static bool show(const char *file, struct buf *out)
{
	struct settings settings;
	struct error error;
	if (!settings_load(file, &settings, &error)) {
		error_print(&error, stderr);
		return false;
	}
	buf_printf(out, "# %s\n", settings.file);
	fields_show(settings_fields(), &settings, out);
	settings_deinit(&settings);
	return true;
}

int cmd_config(int argc, char **argv)
{
	static const char doc[] = "Prints the configuration in force, or with --defaults explains every key.\v"
				  "Exits 0 on success, 2 on bad usage or configuration.";
	static const struct argp argp = { options, parse_option, NULL, doc, NULL, NULL, NULL };
	struct arguments arguments = { 0 };
	struct buf out;
	if (argp_parse(&argp, argc, argv, 0, NULL, &arguments) != 0)
		return EXIT_USAGE;
	buf_init(&out);
	int code = EXIT_USAGE;
	if (arguments.defaults || arguments.markdown)
		describe(arguments.markdown, &out);
	if (arguments.defaults || arguments.markdown || show(arguments.file, &out))
		code = print(&out);
	buf_deinit(&out);
	return code;
}
