/*
 * words: one line of postern.conf cut into words. See words.h.
 */
#include "config/words.h"

static bool is_blank(unsigned char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static struct span skip_blanks(struct span rest)
{
	while (rest.n && is_blank(rest.p[0]))
		rest = span_tail(rest, 1);
	return rest;
}

static bool has_control(struct span line)
{
	for (size_t i = 0; i < line.n; i++)
		if ((line.p[i] < 0x20 && !is_blank(line.p[i])) || line.p[i] == 0x7F)
			return true;
	return false;
}

/* Cuts one word off *rest, which begins with it. */
static int cut_word(struct span *rest, struct span *word, const char **wrong)
{
	size_t n = 0;
	if (rest->p[0] == '"') {
		*rest = span_tail(*rest, 1);
		n = span_find(*rest, '"');
		*wrong = "the closing quotation mark is missing";
		if (n == rest->n)
			return -1;
		*word = span_head(*rest, n);
		*rest = span_tail(*rest, n + 1);
		*wrong = "a blank is missing behind a closing quotation mark";
		return rest->n && !is_blank(rest->p[0]) ? -1 : 0;
	}
	while (n < rest->n && !is_blank(rest->p[n]) && rest->p[n] != '"')
		n++;
	*word = span_head(*rest, n);
	*rest = span_tail(*rest, n);
	*wrong = "a quotation mark inside a word";
	return rest->n && rest->p[0] == '"' ? -1 : 0;
}

int words_of(struct span line, struct words *words, const char **wrong)
{
	words->n = 0;
	if (has_control(line)) {
		*wrong = "a control character";
		return -1;
	}
	struct span rest = skip_blanks(line);
	while (rest.n && rest.p[0] != '#') {
		if (words->n == WORDS_MAX) {
			*wrong = "too many words";
			return -1;
		}
		if (cut_word(&rest, &words->words[words->n], wrong) < 0)
			return -1;
		words->n++;
		rest = skip_blanks(rest);
	}
	return 0;
}
