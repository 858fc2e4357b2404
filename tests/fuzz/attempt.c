/*
 * attempt: one claim through all of auth, against a real database: from the datagram of
 * a gate that says what it likes to the identity or the refusal. The target stands
 * where the channels are, and Argon2id, which would be all that it does, is compared in
 * the clear.
 *
 * The input's first octet chooses the facts; the rest is the datagram, or with bit 0 of
 * the first octet a mechanism's number, a path's, and the name, the secret, the state
 * and the binding, a line each, so that every input is a claim of the right form.
 */
#include "fuzz.h"

#include "accounts/edit.h"
#include "accounts/password.h"
#include "auth/attempt.h"
#include "base/die.h"
#include "base/log.h"
#include "ipc/fdpass.h"
#include "postern/abi.h"
#include "postern/fds.h"
#include "postern/report.h"

#include <errno.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define PASSWORD "correct horse"
#define ACCOUNT	 "joe@example.org"
#define ALIAS	 "post@example.org"

static struct {
	struct auth auth;
	struct span datagram;
	bool received;
	jmp_buf ended; /* with the exit code + 1 */
	unsigned identities, mores, accepted, refused;
	struct identity identity;
} run;

/* What the linker puts in the place of auth's own calls. */
ssize_t __wrap_recv(int fd, void *p, size_t n, int flags);
ssize_t __wrap_send(int fd, const void *p, size_t n, int flags);
int __wrap_fdpass_send(
	int fd, struct span message, const int *fds, size_t n, int flags);
_Noreturn void __wrap_die(enum exit_code code, const char *format, ...);
_Noreturn void __wrap__exit(int code);
void __wrap_log_text(struct span text);
void __wrap_log_line(const char *format, ...);
int __wrap_setpriority(int which, id_t who, int value);
int __wrap_crypto_pwhash(unsigned char *out, unsigned long long out_n,
	const char *password, unsigned long long password_n, const unsigned char *salt,
	unsigned long long passes, size_t memory, int algorithm);
int __wrap_crypto_pwhash_str_verify(
	const char *hash, const char *password, unsigned long long n);

ssize_t __wrap_recv(int fd, void *p, size_t n, int flags)
{
	FUZZ_CHECK(fd == FD_AUTH_VERDICT);
	if (run.received || flags & MSG_PEEK) {
		errno = EAGAIN;
		return -1;
	}
	run.received = true;
	memcpy(p, run.datagram.p, run.datagram.n < n ? run.datagram.n : n);
	return (ssize_t)run.datagram.n;
}

/* To the gate: a challenge, and nothing else. */
ssize_t __wrap_send(int fd, const void *p, size_t n, int flags)
{
	struct verdict verdict;

	(void)flags;
	FUZZ_CHECK(fd == FD_AUTH_VERDICT);
	FUZZ_CHECK(verdict_decode(span_of(p, n), &verdict) == 0);
	FUZZ_CHECK(verdict.kind == VERDICT_MORE);
	run.mores++;
	return (ssize_t)n;
}

int __wrap_fdpass_send(int fd, struct span message, const int *fds, size_t n, int flags)
{
	struct report report;

	(void)flags;
	if (fd == FD_AUTH_SESSION) {
		FUZZ_CHECK(n == IDENTITY_DESCRIPTORS && fds[0] == FD_AUTH_VERDICT);
		FUZZ_CHECK(identity_decode(message, &run.identity) == 0);
		run.identities++;
		return 0;
	}
	FUZZ_CHECK(fd == FD_CONTROL && n == 0);
	FUZZ_CHECK(report_decode(message, &report) == 0);
	run.accepted += report.kind == REPORT_ACCEPTED;
	run.refused += report.kind == REPORT_REFUSED;
	return 0;
}

_Noreturn void __wrap_die(enum exit_code code, const char *format, ...)
{
	(void)format;
	longjmp(run.ended, (int)code + 1);
}

_Noreturn void __wrap__exit(int code)
{
	longjmp(run.ended, code + 1);
}

/* A line of the log is printable, whatever a client calls itself. */
void __wrap_log_text(struct span text)
{
	for (size_t i = 0; i < text.n; i++)
		FUZZ_CHECK(text.p[i] >= ' ' && text.p[i] <= '~');
	FUZZ_CHECK(!memmem(text.p, text.n, PASSWORD, strlen(PASSWORD)));
}

void __wrap_log_line(const char *format, ...)
{
	(void)format;
}

int __wrap_setpriority(int which, id_t who, int value)
{
	(void)which, (void)who, (void)value;
	return 0;
}

int __wrap_crypto_pwhash(unsigned char *out, unsigned long long out_n,
	const char *password, unsigned long long password_n, const unsigned char *salt,
	unsigned long long passes, size_t memory, int algorithm)
{
	(void)password, (void)password_n, (void)salt, (void)passes, (void)memory;
	(void)algorithm;
	memset(out, 0, out_n);
	return 0;
}

int __wrap_crypto_pwhash_str_verify(
	const char *hash, const char *password, unsigned long long n)
{
	(void)hash;
	return n == strlen(PASSWORD) && memcmp(password, PASSWORD, n) == 0 ? 0 : -1;
}

/* --- the database */

static void add(struct store *store, const char *name, bool enabled, const char *alias)
{
	struct account account = {
		.kind = ACCOUNT_VIRTUAL, .enabled = enabled, .main_password = true
	};
	struct credentials credentials = { .sealed_n = 0 };

	FUZZ_CHECK(account_name(span_str(name), account.name) == 0);
	FUZZ_CHECK(edit_add(store, &account) == 0);
	FUZZ_CHECK(password_hash(span_str(PASSWORD), credentials.hash) == 0);
	FUZZ_CHECK(edit_credentials(store, &account, &credentials) == 0);
	if (alias)
		FUZZ_CHECK(edit_alias_add(store, &account, alias) == 0);
}

static void make_database(const char *path)
{
	struct store *store;

	FUZZ_CHECK(store_open(&store, path, STORE_CREATE) == 0);
	add(store, ACCOUNT, true, ALIAS);
	add(store, "gone@example.org", false, NULL);
	store_close(store);
}

static void prepare(void)
{
	struct auth *auth = &run.auth;
	struct source_setup *source = &auth->setup.sources[0];

	if (auth->setup.sources_n)
		return;
	FUZZ_CHECK(password_init() == 0);
	auth->setup = (struct auth_setup){
		.hostname = "fuzz", .mechanisms = LOGIN_MECHANISMS_ALL, .sources_n = 1
	};
	source->kind = SOURCE_SQLITE;
	source->maildrop = MAILDROP_MAILDIR;
	snprintf(source->template, sizeof(source->template), "/mail/%%d/%%n");
	snprintf(source->argument, sizeof(source->argument), "%s/users.db",
		fuzz_directory());
	make_database(source->argument);
	FUZZ_CHECK(remember_open(&auth->memory.remember, 0) == 0);
	FUZZ_CHECK(decide_prepare(auth) == 1);
}

/* --- a claim */

static void encode(struct span input, struct buf *out)
{
	unsigned mechanism = fuzz_octet(&input), path = fuzz_octet(&input);
	struct login login = { .mechanism = 1 + mechanism % LOGIN_MECHANISM_LAST,
		.path = 1 + path % PATH_LAST };

	login.tls = span_str(login.path == PATH_DIRECT ? "" : "TLSv1.3");
	login.name = span_head(span_cut(&input, '\n'), LOGIN_NAME_MAX);
	login.secret = span_head(span_cut(&input, '\n'), LOGIN_PASSWORD_MAX);
	login.state = span_head(span_cut(&input, '\n'), LOGIN_STATE_MAX);
	login.binding = span_head(input, LOGIN_BINDING_MAX);
	login_encode(out, &login);
}

static void choose(unsigned choice)
{
	run.auth.facts = (struct facts){ .connection = 7,
		.listener = choice & 2 ? LISTENER_POP3S : LISTENER_POP3,
		.plaintext = !(choice & 4),
		.tls = !(choice & 8),
		.peer = { .family = 4, .octets = { 192, 0, 2, 1 } },
		.mechanisms = LOGIN_MECHANISMS_ALL,
		.challenge = "<1@fuzz>" };
	run.received = false;
	run.identities = run.mores = run.accepted = run.refused = 0;
}

/* Whoever is let in has said a name and the password of it. */
static void check_accepted(void)
{
	struct login login;
	char name[ACCOUNT_NAME_MAX + 1];

	FUZZ_CHECK(login_decode(run.datagram, &login) == 0);
	FUZZ_CHECK(source_is_password(login.mechanism));
	FUZZ_CHECK(span_is(login.secret, PASSWORD));
	FUZZ_CHECK(account_name(login.name, name) == 0);
	FUZZ_CHECK(strcasecmp(name, ACCOUNT) == 0 || strcasecmp(name, ALIAS) == 0);
	FUZZ_CHECK(strcmp(run.identity.account, ACCOUNT) == 0);
	FUZZ_CHECK(strcmp(run.identity.path_name, "/mail/example.org/joe") == 0);
	FUZZ_CHECK(run.identity.connection == 7 && run.identity.path == login.path);
}

static void check(int code)
{
	FUZZ_CHECK(run.identities == (code == EXIT_DONE) &&
		   run.accepted == run.identities);
	FUZZ_CHECK(run.mores == (code == EXIT_MORE));
	FUZZ_CHECK(!run.refused || code == EXIT_REFUSED);
	FUZZ_CHECK(code == EXIT_DONE || code == EXIT_REFUSED ||
		   code == EXIT_MALFORMED || code == EXIT_MORE);
	if (code == EXIT_DONE)
		check_accepted();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static unsigned char storage[MESSAGE_MAX];
	struct span input = span_of(data, size);
	unsigned choice = fuzz_octet(&input);
	struct buf message;

	prepare();
	choose(choice);
	buf_fixed(&message, storage, sizeof(storage));
	if (choice & 1)
		encode(input, &message);
	run.datagram = choice & 1 ? buf_span(&message) : input;
	if (!buf_ok(&message) || run.datagram.n == 0)
		return 0;
	int code = setjmp(run.ended);
	if (code == 0)
		code = attempt_run(&run.auth) + 1;
	check(code - 1);
	return 0;
}
