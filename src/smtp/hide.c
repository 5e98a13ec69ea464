/* The words of params.hide: extensions, and commands that a server can do without. */
#include "smtp/hide.h"

#include "base/mem.h"
#include "wire/text.h"

static const char *const words[] = {
#define X(keyword, condition, parameters, rfc) keyword,
#include "smtp/extensions.def"
#undef X
	"EXPN",
	"VRFY",
};

bool lm_smtp_can_hide(struct lm_bytes word)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (lm_equal_nocase(word, lm_str(words[i])))
			return true;
	return false;
}
