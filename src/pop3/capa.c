/*
 * capa: the capability list (RFC 2449; SASL: RFC 5034; AUTH-RESP-CODE: RFC 3206).
 * Runs in the gate and in the session, which say the same. Whatever carries a
 * secret that a listener on the line could use again is offered only where such
 * a secret is accepted; what needs a TLS connection, only on one.
 */
#include "pop3/capa.h"

#include "postern/login.h"

static const unsigned reusable = 1U << LOGIN_USER | 1U << LOGIN_PLAIN |
				 1U << LOGIN_LOGIN | 1U << LOGIN_OAUTHBEARER |
				 1U << LOGIN_XOAUTH2;
static const unsigned bound_to_tls = 1U << LOGIN_SCRAM_SHA_1_PLUS |
				     1U << LOGIN_SCRAM_SHA_256_PLUS |
				     1U << LOGIN_EXTERNAL;
/* Not SASL: commands of their own. */
static const unsigned commands = 1U << LOGIN_USER | 1U << LOGIN_APOP;

uint32_t capa_offered(const struct capa *capa)
{
	uint32_t set = capa->mechanisms;

	if (!capa->passwords)
		set &= ~reusable;
	if (!capa->tls)
		set &= ~bound_to_tls;
	return set;
}

static void sasl_line(struct buf *out, unsigned set)
{
	buf_puts(out, "SASL");
	for (unsigned m = 1; m <= LOGIN_MECHANISM_LAST; m++)
		if (set & 1U << m) {
			buf_putc(out, ' ');
			buf_puts(out, login_mechanism_name((enum login_mechanism)m));
		}
	buf_puts(out, "\r\n");
}

void capa_reply(struct buf *out, const struct capa *capa)
{
	unsigned set = capa_offered(capa);

	buf_puts(out, "+OK capabilities follow\r\n"
		      "TOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\n"
		      "PIPELINING\r\nEXPIRE NEVER\r\n");
	if (set & 1U << LOGIN_USER)
		buf_puts(out, "USER\r\n");
	if (set & ~commands)
		sasl_line(out, set & ~commands);
	if (capa->stls)
		buf_puts(out, "STLS\r\n");
	buf_puts(out, "IMPLEMENTATION Postern\r\n.\r\n");
}
