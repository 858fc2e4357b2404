/*
 * line: see line.h. Runs as the logger. Distrusts every octet: a gate or a session that
 * has been taken over writes what it likes. It can say what its own kind of process
 * says, about any connection; it cannot speak as another domain, start a second line,
 * or reach a terminal. Libraries and helpers of PAM's modules write to descriptor 2,
 * too: theirs are shown as words of the domain.
 */
#include "master/line.h"

static const char *const auth_events[] = { "login", "refused", NULL };
static const char *const gate_events[] = { "tls", NULL };
static const char *const session_events[] = { "in-use", "logout", "maildrop", NULL };
static const char *const master_events[] = { "refused", NULL };
static const char *const no_events[] = { NULL };

static const struct speaker {
	const char *program;
	const char *const *events;
} speakers[SPEAKERS] = {
	[DOMAIN_GATE] = { "pop3-gate", gate_events },
	[DOMAIN_AUTH] = { "postern-auth", auth_events },
	[DOMAIN_SESSION] = { "pop3-session", session_events },
	[DOMAIN_KEEPER] = { "postern-keeper", no_events },
	[SPEAKER_MASTER] = { "posternd", master_events },
};

static bool take(struct span *s, const char *text)
{
	struct span start = span_str(text);
	if (!span_eq(span_head(*s, start.n), start))
		return false;
	*s = span_of(s->p + start.n, s->n - start.n);
	return true;
}

static bool take_number(struct span *s)
{
	size_t n = 0;
	while (n < s->n && s->p[n] >= '0' && s->p[n] <= '9')
		n++;
	*s = span_of(s->p + n, s->n - n);
	return n > 0;
}

/* "<N>", which LEVEL_... writes. */
static enum log_level take_level(struct span *line)
{
	if (line->n < 3 || line->p[0] != '<' || line->p[1] < '0' + LEVEL_CRITICAL ||
		line->p[1] > '0' + LEVEL_INFO || line->p[2] != '>')
		return LEVEL_WARNING;
	enum log_level level = (enum log_level)(line->p[1] - '0');
	*line = span_of(line->p + 3, line->n - 3);
	return level;
}

/* Is it an event that somebody else has to tell of? */
static bool is_foreign(const struct speaker *speaker, struct span text)
{
	if (!span_is(span_cut(&text, ' '), "v1"))
		return false;
	struct span event = span_cut(&text, ' ');
	for (const char *const *own = speaker->events; *own; own++)
		if (span_is(event, *own))
			return false;
	return true;
}

static bool is_own(const struct speaker *speaker, struct span line)
{
	return take(&line, speaker->program) && take(&line, "[") &&
	       take_number(&line) && take(&line, "]: ") && !is_foreign(speaker, line);
}

enum log_level line_take(unsigned who, struct span *said, struct buf *out)
{
	const struct speaker *speaker = &speakers[who];
	struct span line = span_cut(said, '\n');
	enum log_level level = take_level(&line);
	if (!is_own(speaker, line)) {
		buf_printf(out, "%s:", speaker->program);
		log_sentence(out, "says", line);
		return LEVEL_WARNING;
	}
	line = span_head(line, LOG_LINE_MAX - 1);
	for (size_t i = 0; i < line.n; i++)
		buf_putc(out, line.p[i] < 0x20 || line.p[i] >= 0x7F ? '?' : line.p[i]);
	return level;
}
