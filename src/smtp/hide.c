/* The words of params.hide: extensions, and commands that a server can do without. */
#include "smtp/hide.h"

#include "base/mem.h"
#include "wire/text.h"

static const char *const words[] = {
#define X(keyword, condition, parameters, rfc) keyword,
#include "smtp/extensions.def"
#undef X
	"BDAT",
	"EXPN",
	"HELO",
	"VRFY",
};
enum { COMMANDS = 4 };

static bool is_among(struct lm_bytes word, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (lm_equal_nocase(word, lm_str(words[i])))
			return true;
	return false;
}

bool lm_smtp_can_hide(struct lm_bytes word)
{
	return is_among(word, sizeof(words) / sizeof(*words));
}

bool lm_smtp_is_extension(struct lm_bytes word)
{
	return is_among(word, sizeof(words) / sizeof(*words) - COMMANDS);
}
