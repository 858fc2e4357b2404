/*
 * attempt: one claim from the gate to an identity or a refusal. Runs as root in a
 * process that has this one claim, and nothing left of those before.
 *
 * Trusts: the facts (the master's) and the sources. Distrusts: the one datagram that
 * it reads, which an unprivileged process that talks to strangers has written. It
 * is received once, bounded, without descriptors, decoded by code that takes only
 * what the encoder can write, and wiped.
 *
 * Unknown name, wrong password, disabled account: one password hash each, the same
 * exit code, the same silence. Only the log tells them apart.
 */
#include "auth/attempt.h"

#include "accounts/saslprep.h"
#include "base/blake2b.h"
#include "base/die.h"
#include "base/io.h"
#include "base/log.h"
#include "ipc/fdpass.h"
#include "postern/abi.h"
#include "postern/fds.h"
#include "postern/report.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { UNPROVEN_NICE = 5, CROWD_MS = 5000, CROWD_PAUSE_MS = 5 };

/* --- the log line ------------------------------------------------------------- */

static void log_event(const char *event, const struct claim *claim, const char *account)
{
	char storage[LOG_LINE_MAX], source[NETADDR_TEXT_MAX];
	struct buf line;
	const struct facts *facts = claim->facts;
	netaddr_text(&facts->peer, source);
	buf_fixed(&line, storage, sizeof(storage));
	buf_printf(&line, "v1 %s connection=%llu", event,
		(unsigned long long)facts->connection);
	log_value(&line, "account", span_str(account));
	buf_printf(&line, " mechanism=%s source=%s listener=%s",
		login_mechanism_name(claim->login->mechanism), source,
		facts->listener == LISTENER_POP3S ? "pop3s" : "pop3");
	log_value(&line, "tls", claim->login->tls);
	if (claim->reason)
		buf_printf(&line, " reason=%s", claim->reason);
	log_text(buf_span(&line));
}

/* --- receiving ------------------------------------------------------------------ */

static _Noreturn void malformed(const struct facts *facts, const char *what)
{
	errno = 0;
	die(EXIT_MALFORMED, "connection=%llu: %s",
		(unsigned long long)facts->connection, what);
}

/* recv(2) has no place for descriptors: the kernel drops what a gate attaches. */
static size_t receive(const struct facts *facts, unsigned char *to, size_t size)
{
	ssize_t n = recv(FD_AUTH_VERDICT, to, size, MSG_DONTWAIT | MSG_TRUNC);
	if (n <= 0 || (size_t)n > MESSAGE_MAX)
		malformed(facts, n <= 0 ? "no claim came" : "the claim is too long");
	return (size_t)n;
}

/* A gate has one claim at a time; nothing may be waiting behind it. A client that hung
 * up, and its gate with it, has done no wrong: its session will see that. */
static bool alone(void)
{
	char c;
	ssize_t n = recv(FD_AUTH_VERDICT, &c, 1, MSG_DONTWAIT | MSG_PEEK);
	return n == 0 || (n < 0 && errno == EAGAIN);
}

/* What no honest gate says of this connection. */
static bool contradicts(const struct login *login, const struct facts *facts)
{
	if (login->tls.n > 0 && !facts->tls)
		return true;
	return facts->listener == LISTENER_POP3S && login->path == PATH_DIRECT;
}

/* --- handing on ---------------------------------------------------------------------
 */

static void complete(struct identity *identity, const struct claim *claim)
{
	const struct facts *facts = claim->facts;
	identity->connection = facts->connection;
	identity->peer = facts->peer;
	identity->listener = facts->listener;
	identity->plaintext = facts->plaintext;
	identity->tls_possible = facts->tls;
	identity->mechanisms = facts->mechanisms;
	identity->mechanism = claim->login->mechanism;
	identity->path = claim->login->path;
	if (span_to_text(claim->login->tls, identity->tls, sizeof(identity->tls)) < 0)
		bug("a TLS description that was decoded does not fit");
}

/* The kernel counts the descriptors that are under way in all processes of one user,
 * and refuses more than RLIMIT_NOFILE to a sender without CAP_SYS_RESOURCE: without
 * root, or with the root of a container. The crowd is elsewhere (gates that have not
 * taken theirs from the master yet), and passes. */
static int send_patiently(struct span message, const int *fds, size_t n)
{
	const struct timespec pause = { .tv_nsec = 1000000L * CROWD_PAUSE_MS };
	int64_t deadline = io_now() + CROWD_MS;
	int result;
	while ((result = fdpass_send(FD_AUTH_SESSION, message, fds, n, 0)) < 0 &&
		errno == ETOOMANYREFS && io_now() < deadline)
		nanosleep(&pause, NULL);
	return result;
}

static void send_identity(const struct claim *claim)
{
	const struct identity *identity = &claim->identity;
	unsigned char storage[MESSAGE_MAX];
	struct buf message;
	int peer = identity->path == PATH_RELAY ? FD_AUTH_WIRE : FD_AUTH_CLIENT;
	const int fds[] = { FD_AUTH_VERDICT, peer, claim->lifeline };
	size_t n =
		IDENTITY_DESCRIPTORS + (claim->lifeline >= 0 ? IDENTITY_OPTIONAL : 0);
	buf_fixed(&message, storage, sizeof(storage));
	identity_encode(&message, identity);
	if (!buf_ok(&message))
		bug("an identity that does not fit");
	if (send_patiently(buf_span(&message), fds, n) < 0)
		die(EXIT_TEMPORARY, "connection=%llu: the session parent does not hear",
			(unsigned long long)identity->connection);
}

static void report(const struct report *report)
{
	unsigned char storage[LOGIN_NAME_MAX + 64];
	struct buf message;
	buf_fixed(&message, storage, sizeof(storage));
	report_encode(&message, report);
	if (!buf_ok(&message))
		bug("a report that does not fit");
	/* A master that is gone must not cost the session that has begun. */
	(void)fdpass_send(FD_CONTROL, buf_span(&message), NULL, 0, 0);
}

static void report_accepted(const struct claim *claim)
{
	report(&(struct report){ .kind = REPORT_ACCEPTED,
		.connection = claim->facts->connection,
		.account = span_str(claim->identity.account) });
}

/* A mail client that repeats one wrong password is no guesser: the master tells
 * them apart by a hash whose key it does not know. */
static void report_hash(
	const struct claim *claim, enum report_kind kind, struct span secret)
{
	struct blake2b hash;
	unsigned char digest[sizeof(uint64_t)];
	uint64_t credential = 0;
	blake2b_init(&hash, sizeof(digest));
	blake2b_update(&hash, span_of(claim->memory->step_key, STEP_KEY));
	blake2b_update(&hash, span_of(claim->name, sizeof(claim->name)));
	blake2b_update(&hash, secret);
	blake2b_final(&hash, digest);
	memcpy(&credential, digest, sizeof(credential));
	report(&(struct report){ .kind = kind,
		.connection = claim->facts->connection,
		.credential = credential });
}

static void accept_claim(struct source *source, struct claim *claim)
{
	if (!alone())
		malformed(claim->facts, "a second claim came behind the first");
	complete(&claim->identity, claim);
	/* Before the session can say that it has ended. */
	log_event("login", claim, claim->identity.account);
	send_identity(claim);
	report_accepted(claim);
	if (source->driver->accepted)
		source->driver->accepted(source, claim);
}

/* The client's answer will come in a claim of its own, with this state. */
static void send_more(const struct auth *auth, const struct claim *claim)
{
	unsigned char state[LOGIN_STATE_MAX], storage[MESSAGE_MAX];
	struct buf sealed, message;
	buf_fixed(&sealed, state, sizeof(state));
	buf_fixed(&message, storage, sizeof(storage));
	step_close(auth->memory.step_key, claim->facts, claim->login, &claim->step,
		&sealed);
	verdict_encode(&message, &(struct verdict){ .kind = VERDICT_MORE,
					 .text = buf_span(&claim->challenge),
					 .state = buf_span(&sealed) });
	if (!buf_ok(&sealed) || !buf_ok(&claim->challenge) || !buf_ok(&message))
		bug("a challenge that does not fit");
	if (send(FD_AUTH_VERDICT, buf_span(&message).p, buf_len(&message),
		    MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		die(EXIT_TEMPORARY, "connection=%llu: the gate does not hear",
			(unsigned long long)claim->facts->connection);
}

static enum exit_code conclude(struct auth *auth, struct claim *claim)
{
	struct source *source = NULL;
	enum source_result result = decide(auth, claim, &source);
	if (result == RESULT_ACCEPTED) {
		accept_claim(source, claim);
		return EXIT_DONE;
	}
	if (result == RESULT_FAULT)
		claim->reason = "temporary";
	/* With RESULT_MORE and a reason it is over, but the client is told why. */
	if (claim->reason && !claim->logged)
		log_event("refused", claim, claim->name);
	/* Before the answer: whoever has one has been counted. */
	if (result == RESULT_MORE && claim->login->state.n == 0)
		report_hash(claim, REPORT_BEGUN, span_of("", 0));
	if (result == RESULT_MORE)
		send_more(auth, claim);
	if (result == RESULT_REFUSED)
		report_hash(claim, REPORT_REFUSED, claim->login->secret);
	return result == RESULT_MORE	? EXIT_MORE
	       : result == RESULT_FAULT ? EXIT_TEMPORARY
					: EXIT_REFUSED;
}

/* A worker's next claim finds what a new process would. */
static void forget(struct auth *auth, struct claim *claim)
{
	for (uint32_t i = 0; i < auth->setup.sources_n; i++)
		record_forget(&auth->sources[i].record);
	explicit_bzero(claim, sizeof(*claim));
	explicit_bzero(&auth->facts, sizeof(auth->facts));
}

/* libidn leaves copies on the heap (saslprep.h). */
static bool password_prepared(const struct login *login)
{
	return source_is_password(login->mechanism) && saslprep_soils(login->secret);
}

int attempt_run(struct auth *auth)
{
	unsigned char storage[MESSAGE_MAX + 1];
	struct login login;
	struct claim claim = { .facts = &auth->facts,
		.login = &login,
		.memory = &auth->memory,
		.lifeline = -1 };
	buf_fixed(&claim.challenge, claim.challenge_octets,
		sizeof(claim.challenge_octets));
	/* What guessers have hashed is to cost those little who are known here. */
	if (auth->facts.unproven)
		(void)setpriority(PRIO_PROCESS, 0, UNPROVEN_NICE);
	size_t n = receive(&auth->facts, storage, sizeof(storage));
	if (login_decode(span_of(storage, n), &login) < 0)
		malformed(&auth->facts, "the claim cannot be understood");
	if (span_to_text(login.name, claim.name, sizeof(claim.name)) < 0 ||
		contradicts(&login, &auth->facts))
		malformed(&auth->facts, "the claim contradicts the facts");
	int code = (int)conclude(auth, &claim);
	if (claim.soiled || password_prepared(&login))
		_exit(code);
	explicit_bzero(storage, sizeof(storage));
	forget(auth, &claim);
	return code;
}
