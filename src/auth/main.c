/*
 * postern-auth: turns a claim into an identity. The one program of Postern that is
 * root and hears (one bounded datagram of) what strangers say: audit this one.
 *
 * Runs as: root; without root as whoever started posternd (PAM is then refused).
 * Warm parent: reads no peer's octet, sees facts and descriptors from the master
 * only. The children: one claim after the other (attempt.c); a stranger's claim has a
 * child of its own, and whoever gave PAM's modules a password serves nobody else.
 * Holds: include/postern/fds.h. Files it opens as root: the account databases with
 * their key files, what PAM's modules and nsswitch.conf(5) name; nothing else.
 *
 * Fails: at start with one log line for each fault; a child's failure costs its login.
 */
#include "accounts/password.h"
#include "auth/apop.h"
#include "auth/attempt.h"
#include "auth/offer.h"
#include "base/die.h"
#include "base/fdtab.h"
#include "base/log.h"
#include "postern/fds.h"
#include "sandbox/sandbox.h"
#include "warm/warm.h"

#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

enum { STACK_USED = 256 * 1024 };

static struct auth auth;
static struct offer offer;
static pid_t parent;
static bool bound; /* this process to parent's life */

static uint64_t decode(void *self, struct span message)
{
	struct auth *a = self;
	return facts_decode(message, &a->facts) < 0 ? 0 : a->facts.connection;
}

/* The claims of those who have logged in here lately go, one after the other, to a
 * process that is there already: a fork of this address space costs more than the rest
 * of a remembered login. A stranger's claim never meets another's. */
static bool may_share(void *self)
{
	const struct auth *a = self;
	return !a->facts.unproven;
}

/* The master tells the claims of a parent that died undecided: nobody may decide them
 * behind its back. Once in each process that serves: no child inherits it. */
static void die_with_parent(void)
{
	if (bound)
		return;
	bound = true;
#ifdef __linux__
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != parent)
		die(EXIT_TEMPORARY, "the parent has gone");
#endif
}

static void lay_table(const int *fds)
{
	if (fdtab_place(FD_AUTH_CLIENT, fds, FACTS_DESCRIPTORS) < 0)
		die(EXIT_TEMPORARY, "the child's descriptors");
}

/* A worker's table is laid once: what comes takes the lowest numbers, which are those
 * that the claim before had. Behind its channel are the databases that it keeps open.
 */
static bool is_laid(const int *fds)
{
	for (int i = 0; i <= FACTS_DESCRIPTORS; i++)
		if (fds[i] != FD_AUTH_CLIENT + i)
			return false;
	return true;
}

static int serve(void *self, const int *fds)
{
	die_with_parent();
	if (fds[FACTS_DESCRIPTORS] < 0)
		lay_table(fds);
	else if (!is_laid(fds))
		die(EXIT_TEMPORARY, "a worker's descriptors");
	int code = attempt_run(self);
	/* Only a worker comes to the next claim: what this one left below. */
	sodium_stackzero(STACK_USED);
	return code;
}

static void read_setup(void)
{
	struct buf message;
	buf_init(&message, MESSAGE_MAX + 1);
	warm_begin("postern-auth", FD_AUTH_LAST, &message);
	if (auth_setup_decode(buf_span(&message), &auth.setup) < 0)
		die(EXIT_MALFORMED, "the set-up cannot be understood");
	buf_free(&message);
}

static void follow(void *self)
{
	offer_follow(&offer, self);
}

static void end(void *self)
{
	offer_end(&offer, self);
}

/* The keepers of PAM sessions (vigil.c) outlive the children that forked them; the
 * warm parent reaps them wherever there is no init that does. */
static void adopt(void)
{
#ifdef __linux__
	if (auth.setup.pam_session && prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		log_line("prctl: %s", strerror(errno));
#endif
}

static void prepare(void)
{
	struct memory *memory = &auth.memory;
	if (password_init() < 0 || apop_init() < 0)
		die(EXIT_TEMPORARY, "the libraries do not start");
	randombytes_buf(memory->step_key, sizeof(memory->step_key));
	if (remember_open(&memory->remember, auth.setup.remember_seconds) < 0)
		die(EXIT_TEMPORARY, "memory for remembered logins");
	bool keys = token_open(&memory->issuers, &auth.setup) == 0;
	uint32_t usable = decide_prepare(&auth);
	errno = 0;
	/* A trial finds every fault; a service works with what it has. */
	if (auth.setup.check && (usable < auth.setup.sources_n || !keys))
		die(EXIT_TEMPORARY, "not all that the configuration names can be used");
	if (auth.setup.sources_n && usable == 0)
		log_line("no source of accounts can be used: nobody can log in");
	adopt();
	if (sandbox_auth(auth.setup.pam_session) < 0)
		die(EXIT_TEMPORARY, "the sandbox");
	if (offer_begin(&offer, &auth) < 0)
		warm_unheard();
}

int main(void)
{
	read_setup();
	parent = getpid();
	prepare();
	warm_ready();
	warm_run(&(struct warm_work){
		.intake = FD_CONTROL,
		.descriptors = FACTS_DESCRIPTORS,
		.decode = decode,
		.worker = FD_AUTH_PARENT,
		.may_share = may_share,
		.child = serve,
		.tick = follow,
		.tick_ms = OFFER_TICK_MS,
		.end = end,
		.self = &auth,
	});
}
