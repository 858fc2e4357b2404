/*
 * print: the effective configuration, as postern.conf would say it.
 */
#include "config/config.h"

#include "postern/login.h"

static void put_word(struct buf *out, const char *text)
{
	bool quote = text[0] == '\0' || text[0] == '#' || strpbrk(text, " \t");
	buf_printf(out, quote ? " \"%s\"" : " %s", text);
}

static void put_time(struct buf *out, const char *name, uint32_t seconds)
{
	static const struct {
		uint32_t seconds;
		char letter;
	} units[] = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' } };
	size_t i = 0;
	while (seconds % units[i].seconds)
		i++;
	buf_printf(out, " %s%s%u%c", name, *name ? " " : "", seconds / units[i].seconds,
		units[i].letter);
}

static void put_listener(struct buf *out, const struct config_listener *listener)
{
	bool brackets = strchr(listener->host, ':') != NULL;
	buf_printf(out, "listen %s %s%s%s:%u\n",
		listener->kind == LISTENER_POP3S ? "pop3s" : "pop3",
		brackets ? "[" : "", listener->host, brackets ? "]" : "",
		listener->port);
}

/* A word made of "kind:" and a value: quoted as a whole. */
static void put_colon_word(struct buf *out, const char *kind, const char *value)
{
	char word[SETUP_PATH_MAX + 16];
	snprintf(word, sizeof(word), "%s:%s", kind, value);
	put_word(out, word);
}

static void put_source(struct buf *out, const struct source_setup *source)
{
	buf_puts(out, "accounts");
	put_colon_word(
		out, source->kind == SOURCE_PAM ? "pam" : "sqlite", source->argument);
	put_colon_word(out, maildrop_kind_name(source->maildrop), source->template);
	if (source->owner[0])
		buf_printf(out, " owner %s", source->owner);
	buf_putc(out, '\n');
}

static void put_path(struct buf *out, const char *name, const char *path)
{
	buf_puts(out, name);
	put_word(out, path);
	buf_putc(out, '\n');
}

static void put_time_or_off(struct buf *out, const char *name, uint32_t seconds)
{
	buf_puts(out, name);
	if (seconds)
		put_time(out, "", seconds);
	else
		buf_puts(out, " off");
	buf_putc(out, '\n');
}

static void put_times(struct buf *out, const struct config *config)
{
	buf_puts(out, "timeouts");
	put_time(out, "login", config->login_seconds);
	put_time(out, "idle", config->idle_seconds);
	put_time(out, "takeover", config->takeover_seconds);
	buf_putc(out, '\n');
	put_time_or_off(out, "undo", config->undo_seconds);
	put_time_or_off(out, "remember", config->remember_seconds);
}

static void put_issuer(struct buf *out, const struct issuer_setup *issuer)
{
	buf_puts(out, "issuer");
	put_word(out, issuer->issuer);
	put_word(out, issuer->key);
	buf_puts(out, " audience");
	put_word(out, issuer->audience[0] ? issuer->audience : "*");
	buf_puts(out, issuer->for_system ? " system" : "");
	if (issuer->domains[0])
		buf_printf(out, " domain %s", issuer->domains);
	buf_putc(out, '\n');
}

static void put_mechanisms(struct buf *out, uint32_t set)
{
	buf_puts(out, set ? "mechanisms" : "mechanisms auto");
	for (unsigned m = 1; m <= LOGIN_MECHANISM_LAST; m++)
		if (set & 1U << m)
			buf_printf(out, " %s",
				login_mechanism_name((enum login_mechanism)m));
	buf_putc(out, '\n');
}

static void put_names(struct buf *out, const struct names_setup *names)
{
	buf_puts(out, "names");
	if (names->domain[0])
		buf_printf(out, " default-domain %s", names->domain);
	if (names->strip[0])
		buf_printf(out, " strip-domain %s", names->strip);
	buf_printf(out, " fold-case %s\nfirst-uid %u\n", names->fold ? "on" : "off",
		names->first_uid);
}

void config_print(const struct config *config, struct buf *out)
{
	static const char *const policies[] = { "never", "loopback", "always" };
	for (size_t i = 0; i < config->listeners_n; i++)
		put_listener(out, &config->listeners[i]);
	if (config->certificate[0]) {
		buf_puts(out, "certificate");
		put_word(out, config->certificate);
		put_word(out, config->key);
		buf_putc(out, '\n');
	}
	for (size_t i = 0; i < config->sources_n; i++)
		put_source(out, &config->sources[i]);
	for (size_t i = 0; i < config->issuers_n; i++)
		put_issuer(out, &config->issuers[i]);
	put_names(out, &config->names);
	put_mechanisms(out, config->mechanisms);
	buf_printf(out, "pam-session %s\n", config->pam_session ? "on" : "off");
	buf_printf(out, "client-certificates %s\n",
		config->client_certificates ? "on" : "off");
	buf_printf(out, "kernel-tls %s\n", config->kernel_tls ? "on" : "off");
	buf_printf(out, "plaintext %s\n", policies[config->plaintext]);
	buf_printf(out,
		"limits connections %u per-source %u attempts %u bad-commands %u "
		"logins %u\n",
		config->connections, config->per_source, config->attempts,
		config->bad_commands, config->logins);
	put_times(out, config);
	buf_printf(out, "hostname %s\nuser %s %s\n", config->hostname, config->user,
		config->keeper_user);
	put_path(out, "runtime", config->runtime);
	put_path(out, "state", config->state);
	put_path(out, "programs", config->programs);
}
