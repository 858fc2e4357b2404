/*
 * setup: encoders and decoders of the three set-up messages.
 */
#include "postern/setup.h"

#include "postern/login.h"

#include "ipc/msg.h"

static void put_text(struct buf *message, const char *text, size_t max)
{
	msg_put_octets(message, span_str(text), max);
}

void gate_setup_encode(struct buf *message, const struct gate_setup *setup)
{
	msg_begin(message, MESSAGE_GATE_SETUP);
	put_text(message, setup->hostname, SETUP_HOSTNAME_MAX);
	msg_put_u32(message, setup->login_seconds);
	msg_put_u32(message, setup->attempts);
	msg_put_u32(message, setup->bad_commands);
	msg_put_u8(message, setup->certificate);
	msg_put_u32(message, setup->kernel_tls);
	put_text(message, setup->certificate_path, SETUP_PATH_MAX);
}

int gate_setup_decode(struct span message, struct gate_setup *setup)
{
	struct msg_in in = msg_open(message, MESSAGE_GATE_SETUP);
	msg_get_text(&in, 1, SETUP_HOSTNAME_MAX, setup->hostname);
	setup->login_seconds = msg_get_u32(&in, UINT32_MAX);
	setup->attempts = msg_get_u32(&in, UINT32_MAX);
	setup->bad_commands = msg_get_u32(&in, UINT32_MAX);
	setup->certificate = msg_get_bool(&in);
	setup->kernel_tls = msg_get_u32(&in, UINT32_MAX);
	msg_get_text(&in, 0, SETUP_PATH_MAX, setup->certificate_path);
	return msg_done(&in);
}

static void put_source(struct buf *message, const struct source_setup *source)
{
	msg_put_u8(message, (uint8_t)source->kind);
	put_text(message, source->argument, SETUP_PATH_MAX);
	msg_put_u8(message, (uint8_t)source->maildrop);
	put_text(message, source->template, SETUP_PATH_MAX);
	put_text(message, source->owner, SETUP_NAME_MAX);
}

static void get_source(struct msg_in *in, struct source_setup *source)
{
	source->kind = (enum source_kind)msg_get_u8(in, SOURCE_SQLITE);
	msg_get_text(in, 1, SETUP_PATH_MAX, source->argument);
	source->maildrop = (enum maildrop_kind)msg_get_u8(in, MAILDROP_MBOX);
	msg_get_text(in, 1, SETUP_PATH_MAX, source->template);
	msg_get_text(in, 0, SETUP_NAME_MAX, source->owner);
	if (source->kind == 0 || source->maildrop == 0)
		in->bad = true;
}

static void put_issuer(struct buf *message, const struct issuer_setup *issuer)
{
	put_text(message, issuer->issuer, SETUP_ISSUER_MAX);
	put_text(message, issuer->key, SETUP_PATH_MAX);
	put_text(message, issuer->audience, SETUP_ISSUER_MAX);
	put_text(message, issuer->domains, SETUP_DOMAINS_MAX);
	msg_put_u8(message, issuer->for_system);
}

static void get_issuer(struct msg_in *in, struct issuer_setup *issuer)
{
	msg_get_text(in, 1, SETUP_ISSUER_MAX, issuer->issuer);
	msg_get_text(in, 1, SETUP_PATH_MAX, issuer->key);
	msg_get_text(in, 0, SETUP_ISSUER_MAX, issuer->audience);
	msg_get_text(in, 0, SETUP_DOMAINS_MAX, issuer->domains);
	issuer->for_system = msg_get_bool(in);
}

static void put_names(struct buf *message, const struct names_setup *names)
{
	put_text(message, names->domain, SETUP_HOSTNAME_MAX);
	put_text(message, names->strip, SETUP_HOSTNAME_MAX);
	msg_put_u8(message, names->fold);
	msg_put_u32(message, names->first_uid);
}

static void get_names(struct msg_in *in, struct names_setup *names)
{
	msg_get_text(in, 0, SETUP_HOSTNAME_MAX, names->domain);
	msg_get_text(in, 0, SETUP_HOSTNAME_MAX, names->strip);
	names->fold = msg_get_bool(in);
	names->first_uid = msg_get_u32(in, UINT32_MAX);
	/* Never root. */
	if (names->first_uid == 0)
		in->bad = true;
}

void auth_setup_encode(struct buf *message, const struct auth_setup *setup)
{
	if (setup->sources_n > SETUP_SOURCES_MAX ||
		setup->issuers_n > SETUP_ISSUERS_MAX) {
		message->failed = true;
		return;
	}
	msg_begin(message, MESSAGE_AUTH_SETUP);
	put_text(message, setup->hostname, SETUP_HOSTNAME_MAX);
	msg_put_u8(message, setup->root);
	msg_put_u8(message, setup->check);
	msg_put_u8(message, setup->pam_session);
	msg_put_u32(message, setup->mechanisms);
	msg_put_u32(message, setup->remember_seconds);
	put_names(message, &setup->names);
	msg_put_u32(message, setup->issuers_n);
	for (uint32_t i = 0; i < setup->issuers_n; i++)
		put_issuer(message, &setup->issuers[i]);
	msg_put_u32(message, setup->sources_n);
	for (uint32_t i = 0; i < setup->sources_n; i++)
		put_source(message, &setup->sources[i]);
	msg_put_octets(message, span_of(setup->witness_key, WITNESS_KEY), WITNESS_KEY);
}

int auth_setup_decode(struct span message, struct auth_setup *setup)
{
	struct msg_in in = msg_open(message, MESSAGE_AUTH_SETUP);
	msg_get_text(&in, 1, SETUP_HOSTNAME_MAX, setup->hostname);
	setup->root = msg_get_bool(&in);
	setup->check = msg_get_bool(&in);
	setup->pam_session = msg_get_bool(&in);
	setup->mechanisms = msg_get_u32(&in, LOGIN_MECHANISMS_ALL);
	setup->remember_seconds = msg_get_u32(&in, UINT32_MAX);
	get_names(&in, &setup->names);
	setup->issuers_n = msg_get_u32(&in, SETUP_ISSUERS_MAX);
	for (uint32_t i = 0; i < setup->issuers_n; i++)
		get_issuer(&in, &setup->issuers[i]);
	setup->sources_n = msg_get_u32(&in, SETUP_SOURCES_MAX);
	for (uint32_t i = 0; i < setup->sources_n; i++)
		get_source(&in, &setup->sources[i]);
	msg_get_exactly(&in, setup->witness_key, WITNESS_KEY);
	return msg_done(&in);
}

void session_setup_encode(struct buf *message, const struct session_setup *setup)
{
	msg_begin(message, MESSAGE_SESSION_SETUP);
	msg_put_u8(message, setup->root);
	msg_put_u32(message, setup->idle_seconds);
	msg_put_u32(message, setup->bad_commands);
	msg_put_u32(message, setup->takeover_seconds);
	msg_put_u32(message, setup->undo_seconds);
	msg_put_u32(message, setup->login_seconds);
}

int session_setup_decode(struct span message, struct session_setup *setup)
{
	struct msg_in in = msg_open(message, MESSAGE_SESSION_SETUP);
	setup->root = msg_get_bool(&in);
	setup->idle_seconds = msg_get_u32(&in, UINT32_MAX);
	setup->bad_commands = msg_get_u32(&in, UINT32_MAX);
	setup->takeover_seconds = msg_get_u32(&in, UINT32_MAX);
	setup->undo_seconds = msg_get_u32(&in, UINT32_MAX);
	setup->login_seconds = msg_get_u32(&in, UINT32_MAX);
	return msg_done(&in);
}
