/* Slips of the pen: the distance between two names. */
#include "base/nearest.h"

static unsigned least(unsigned a, unsigned b, unsigned c)
{
	unsigned ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/* Levenshtein's distance, one row of the matrix at a time. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[LM_NEAREST_MAX + 1];
	size_t width = strlen(b);

	for (unsigned j = 0; j <= width; j++)
		row[j] = j;
	for (unsigned i = 0; a[i]; i++) {
		unsigned diagonal = row[0];

		row[0] = i + 1;
		for (size_t j = 0; j < width; j++) {
			unsigned change = diagonal + (a[i] != b[j]);

			diagonal = row[j + 1];
			row[j + 1] = least(change, row[j] + 1, row[j + 1] + 1);
		}
	}
	return row[width];
}

bool lm_nearer(const char *name, const char *candidate, unsigned *best)
{
	unsigned d;

	if (strlen(name) > LM_NEAREST_MAX || strlen(candidate) > LM_NEAREST_MAX)
		return false;
	d = distance(name, candidate);
	if (d >= *best || d > 2 + strlen(name) / 3)
		return false;
	*best = d;
	return true;
}
