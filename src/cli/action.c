/* From a command line to the action it means, with every word judged before anything is done. */
#include "cli/action.h"

#include "base/error.h"
#include "base/nearest.h"
#include "server/option_value.h"

#include <stdarg.h>

enum { MAX_NAMES = 64, MAX_COMPLAINT = 400 };

const char *lm_cli_nearest(const char *const *names, size_t count, const char *name)
{
	const char *nearest = NULL;
	unsigned best = LM_NEAREST_MAX;

	for (size_t i = 0; i < count; i++)
		if (lm_nearer(name, names[i], &best))
			nearest = names[i];
	return nearest;
}

static const struct lm_cli_action *actions_of(const struct lm_cli_command *command, size_t *count)
{
	*count = 0;
	return command->actions ? command->actions(count) : NULL;
}

const struct lm_cli_action *lm_cli_find_action(const struct lm_cli_command *command,
                                               const char *name)
{
	size_t count;
	const struct lm_cli_action *actions = actions_of(command, &count);

	for (size_t i = 0; i < count; i++)
		if (strcmp(actions[i].name, name) == 0)
			return &actions[i];
	return NULL;
}

bool lm_cli_is_for(const struct lm_option *option, const struct lm_cli_action *action)
{
	struct lm_bytes rest = lm_str(option->actions);

	if (!option->actions || !action)
		return true;
	while (rest.len > 0) {
		const uint8_t *space = memchr(rest.data, ' ', rest.len);
		size_t len = space ? (size_t)(space - rest.data) : rest.len;

		if (lm_bytes_equal(lm_bytes(rest.data, len), lm_str(action->name)))
			return true;
		rest = lm_bytes_from(rest, len + 1);
	}
	return false;
}

int lm_cli_call_usage(const struct lm_cli_call *call, const char *fmt, ...)
{
	char text[MAX_COMPLAINT];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	lm_cli_complain("%s", text);
	fprintf(stderr, "Try: lettermill %s%s%s --help\n", call->command->name,
	        *call->action->name ? " " : "", call->action->name);
	return LM_EXIT_USAGE;
}

/* "a, b or c" */
static void list_actions(const struct lm_cli_command *command, char *out, size_t cap)
{
	size_t count, len = 0;
	const struct lm_cli_action *actions = actions_of(command, &count);

	*out = '\0';
	for (size_t i = 0; i < count && len < cap; i++)
		len += (size_t)snprintf(out + len, cap - len, "%s%s",
		                        i == 0           ? ""
		                        : i + 1 == count ? " or "
		                                         : ", ",
		                        actions[i].name);
}

static int no_action(const struct lm_cli_command *command, const char *name)
{
	const char *names[MAX_NAMES], *nearest;
	char all[MAX_COMPLAINT / 2];
	size_t count;
	const struct lm_cli_action *actions = actions_of(command, &count);

	list_actions(command, all, sizeof(all));
	if (!name)
		return lm_cli_usage(command, "say what to do: %s", all);
	for (size_t i = 0; i < count && i < MAX_NAMES; i++)
		names[i] = actions[i].name;
	nearest = lm_cli_nearest(names, count, name);
	if (nearest)
		return lm_cli_usage(command, "%s cannot do \"%.40s\"; the nearest is %s",
		                    command->name, name, nearest);
	return lm_cli_usage(command, "%s cannot do \"%.40s\", only %s", command->name, name, all);
}

/* An option that means nothing to this action is a slip, not to be passed over. */
static const struct lm_option *strange_option(const struct lm_cli_call *call)
{
	for (size_t i = 0; i < call->args.settings.count; i++)
		if (!lm_cli_is_for(call->args.settings.items[i].option, call->action))
			return call->args.settings.items[i].option;
	return NULL;
}

static bool breaks_lines(const char *text)
{
	return text[strcspn(text, "\r\n")] != '\0';
}

union value {
	int64_t number;
	uint64_t size;
	bool flag;
	struct lm_option_choice choice;
};

static int parse(const struct lm_option *o, const char *text, int64_t *out_value,
                 struct lm_error *out_error)
{
	union value v = { 0 };
	int err = lm_option_kind_ops(o->kind)->parse(o, &v, text, out_error);

	if (err < 0)
		return err;
	*out_value = o->kind == LM_OPTION_FLAG     ? v.flag
	             : o->kind == LM_OPTION_CHOICE ? v.choice.index
	                                           : v.number;
	return 0;
}

static bool is_number(const struct lm_option *o)
{
	return o->kind == LM_OPTION_NUMBER || o->kind == LM_OPTION_DURATION ||
	       o->kind == LM_OPTION_SIZE || o->kind == LM_OPTION_FLAG ||
	       o->kind == LM_OPTION_CHOICE;
}

int lm_cli_check_values(const struct lm_cli_call *call)
{
	struct lm_error why;
	int64_t value;

	for (size_t i = 0; i < call->args.settings.count; i++) {
		const struct lm_cli_setting *s = &call->args.settings.items[i];

		if (!(s->option->flags & LM_OPTION_LINES) && breaks_lines(s->value))
			return lm_cli_call_usage(call, "--%s: a line break cannot stand there",
			                         s->option->name);
		if (is_number(s->option) && parse(s->option, s->value, &value, &why) < 0)
			return lm_cli_call_usage(call, "--%s", why.text);
	}
	for (size_t i = 0; i < call->operand_count; i++)
		if (breaks_lines(call->operands[i]))
			return lm_cli_call_usage(call, "a line break cannot stand in an argument");
	return LM_EXIT_OK;
}

static int check_operands(const struct lm_cli_call *call)
{
	const struct lm_cli_action *action = call->action;

	if (call->operand_count < action->min)
		return lm_cli_call_usage(call, "%s needs more: %s", action->name,
		                         action->arguments);
	if (call->operand_count > action->max)
		return lm_cli_call_usage(call, "%s: too many arguments%s%s", action->name,
		                         action->hint ? "; " : "",
		                         action->hint ? action->hint : "");
	return LM_EXIT_OK;
}

static int run_call(struct lm_cli_call *call)
{
	const struct lm_option *strange;
	int code;

	call->operands = call->args.operands + 1;
	call->operand_count = call->args.operand_count - 1;
	if (call->args.help) {
		lm_cli_help(stdout, call->command, call->action);
		return lm_cli_finish_output();
	}
	strange = strange_option(call);
	if (strange)
		return lm_cli_call_usage(call, "%s does not take --%s", call->action->name,
		                         strange->name);
	code = check_operands(call);
	if (code == LM_EXIT_OK)
		code = lm_cli_check_values(call);
	return code == LM_EXIT_OK ? call->action->run(call) : code;
}

static int run_parsed(struct lm_cli_call *call)
{
	const char *name = call->args.operand_count > 0 ? call->args.operands[0] : NULL;

	if (!name && call->args.help) {
		lm_cli_help(stdout, call->command, NULL);
		return lm_cli_finish_output();
	}
	call->action = name ? lm_cli_find_action(call->command, name) : NULL;
	return call->action ? run_call(call) : no_action(call->command, name);
}

int lm_cli_run_actions(const struct lm_cli_command *command, int argc, char **argv)
{
	struct lm_cli_call call = { .command = command };
	struct lm_error why = { 0 };
	const struct lm_option *options;
	size_t count = 0;
	int code;

	options = command->options ? command->options(&count) : NULL;
	if (lm_cli_args_parse(options, count, argc, argv, &call.args, &why) < 0)
		code = lm_cli_usage(command, "%s", why.text);
	else
		code = run_parsed(&call);
	lm_cli_args_done(&call.args);
	return code;
}

static const struct lm_option *row_of(const struct lm_cli_call *call, const char *name)
{
	size_t count = 0, i = 0;
	const struct lm_option *rows = call->command->options(&count);

	while (i < count && strcmp(rows[i].name, name) != 0)
		i++;
	LM_ASSERT(i < count);
	return rows + i; /* cppcheck-suppress returnDanglingLifetime */
}

const char *lm_cli_text(const struct lm_cli_call *call, const char *name)
{
	const char *value = lm_cli_settings_get(&call->args.settings, name);

	if (value)
		return value;
	value = row_of(call, name)->fallback;
	return *value ? value : NULL;
}

const char *lm_cli_text_at(const struct lm_cli_call *call, const char *name, size_t index)
{
	for (size_t i = 0; i < call->args.settings.count; i++) {
		const struct lm_cli_setting *s = &call->args.settings.items[i];

		if (strcmp(s->option->name, name) == 0 && index-- == 0)
			return s->value;
	}
	return NULL;
}

int64_t lm_cli_value(const struct lm_cli_call *call, const char *name)
{
	const struct lm_option *row = row_of(call, name);
	const char *text = lm_cli_text(call, name);
	int64_t value = row->kind == LM_OPTION_FLAG ? 0 : -1;

	LM_ASSERT(is_number(row));
	if (text && parse(row, text, &value, NULL) < 0)
		LM_ASSERT(false);
	return value;
}
