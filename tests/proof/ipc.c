/*
 * ipc: every decoder of src/ipc on every message that can come: up to MESSAGE_MAX + 1
 * octets of any value. Analysed by Frama-C's Eva (tests/proof/run), never run.
 */
#include "postern/abi.h"
#include "postern/control.h"
#include "postern/facts.h"
#include "postern/identity.h"
#include "postern/keeper.h"
#include "postern/login.h"
#include "postern/report.h"
#include "postern/setup.h"
#include "postern/verdict.h"

#include "__fc_builtin.h"

static unsigned char storage[MESSAGE_MAX + 1];

static struct span any_message(void)
{
	size_t n = (size_t)Frama_C_interval(0, MESSAGE_MAX + 1);
	Frama_C_make_unknown((char *)storage, sizeof(storage));
	return span_of(storage, n);
}

void prove_login(void)
{
	struct login login;
	(void)login_decode(any_message(), &login);
}

void prove_verdict(void)
{
	struct verdict verdict;
	(void)verdict_decode(any_message(), &verdict);
}

void prove_identity(void)
{
	static struct identity identity;
	(void)identity_decode(any_message(), &identity);
}

void prove_facts(void)
{
	static struct facts facts;
	(void)facts_decode(any_message(), &facts);
}

void prove_report(void)
{
	struct report report;
	uint64_t connection;
	(void)report_decode(any_message(), &report);
	(void)kill_decode(any_message(), &connection);
}

void prove_setup(void)
{
	static struct gate_setup gate;
	static struct auth_setup auth;
	static struct session_setup session;
	(void)gate_setup_decode(any_message(), &gate);
	(void)auth_setup_decode(any_message(), &auth);
	(void)session_setup_decode(any_message(), &session);
}

void prove_control(void)
{
	static struct control control;
	static struct control_row row;
	static struct control_stats stats;
	static struct control_end end;
	(void)control_decode(any_message(), &control);
	(void)control_row_decode(any_message(), &row);
	(void)control_stats_decode(any_message(), &stats);
	(void)control_end_decode(any_message(), &end);
}

void prove_keeper(void)
{
	static struct keeper_setup setup;
	struct keeper_sign sign;
	struct span signature;
	uint64_t connection;
	(void)keeper_setup_decode(any_message(), &setup);
	(void)keeper_sign_decode(any_message(), &sign);
	(void)keeper_signature_decode(any_message(), &signature);
	(void)keeper_channel_decode(any_message(), &connection);
}
