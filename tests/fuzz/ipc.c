/*
 * ipc: every decoder on every message. What one accepts its encoder must write, octet
 * for octet: a decoder that accepts more would be a second, unwritten format.
 */
#include "fuzz.h"

#include "ipc/msg.h"
#include "postern/control.h"
#include "postern/facts.h"
#include "postern/identity.h"
#include "postern/keeper.h"
#include "postern/login.h"
#include "postern/report.h"
#include "postern/setup.h"
#include "postern/verdict.h"

static void expect_same(struct span message, const struct buf *again)
{
	FUZZ_CHECK(buf_ok(again));
	FUZZ_CHECK(span_eq(message, buf_span(again)));
}

#define ROUND_TRIP(name, type)                                   \
	static void name(struct span message, struct buf *again) \
	{                                                        \
		static type value;                               \
		if (name##_decode(message, &value) == 0) {       \
			name##_encode(again, &value);            \
			expect_same(message, again);             \
		}                                                \
		buf_reset(again);                                \
	}

ROUND_TRIP(facts, struct facts)
ROUND_TRIP(identity, struct identity)
ROUND_TRIP(login, struct login)
ROUND_TRIP(report, struct report)
ROUND_TRIP(verdict, struct verdict)
ROUND_TRIP(gate_setup, struct gate_setup)
ROUND_TRIP(auth_setup, struct auth_setup)
ROUND_TRIP(session_setup, struct session_setup)

ROUND_TRIP(keeper_setup, struct keeper_setup)
ROUND_TRIP(keeper_sign, struct keeper_sign)
ROUND_TRIP(keeper_signature, struct keeper_signature)
ROUND_TRIP(keeper_opened, struct keeper_opened)

ROUND_TRIP(control, struct control)
ROUND_TRIP(control_row, struct control_row)
ROUND_TRIP(control_stats, struct control_stats)
ROUND_TRIP(control_end, struct control_end)

static void channels(struct span message, struct buf *again)
{
	uint64_t connection;
	if (keeper_channel_decode(message, &connection) == 0) {
		keeper_channel_encode(again, connection);
		expect_same(message, again);
	}
	buf_reset(again);
}

static void opens(struct span message, struct buf *again)
{
	unsigned char name[KEEPER_TICKET_NAME];
	if (keeper_open_decode(message, name) == 0) {
		keeper_open_encode(again, name);
		expect_same(message, again);
	}
	buf_reset(again);
}

static void kills(struct span message, struct buf *again)
{
	uint64_t connection;
	if (kill_decode(message, &connection) == 0) {
		kill_encode(again, connection);
		expect_same(message, again);
	}
	buf_reset(again);
}

static void batons(struct span message, struct buf *again)
{
	if (baton_decode(message) == 0) {
		baton_encode(again);
		expect_same(message, again);
	}
	buf_reset(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span message = span_of(data, size);
	struct buf again;

	if (size > MESSAGE_MAX)
		return 0;
	buf_init(&again, MESSAGE_MAX);
	facts(message, &again);
	identity(message, &again);
	login(message, &again);
	report(message, &again);
	verdict(message, &again);
	gate_setup(message, &again);
	auth_setup(message, &again);
	session_setup(message, &again);
	keeper_setup(message, &again);
	keeper_sign(message, &again);
	keeper_signature(message, &again);
	keeper_opened(message, &again);
	control(message, &again);
	control_row(message, &again);
	control_stats(message, &again);
	control_end(message, &again);
	channels(message, &again);
	opens(message, &again);
	kills(message, &again);
	batons(message, &again);
	buf_free(&again);
	return 0;
}
