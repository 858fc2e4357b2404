/*
 * pam: system accounts by the host's own rules (pam.conf(5)). Runs as root in an auth
 * child, once, for one claim.
 *
 * Trusts: the modules that the administrator named; they run in this process with
 * all of its rights. Distrusts: the name (only harmless ones reach a module) and a
 * success that nobody was asked a password for.
 *
 * What modules say goes to the log, never to the client. They get the password for
 * every prompt without echo and no answer to any other. pam_fail_delay(3) does not
 * wait here: the master delays refusals without a process.
 *
 * Fails: a module that cannot decide (an LDAP server that is down) is our fault, not
 * the client's: RESULT_FAULT. Known limit: a module that blocks keeps this process
 * until the master ends it; other logins go on.
 */
#include "auth/pam.h"

#include "auth/owner.h"
#include "auth/source.h"
#include "auth/template.h"
#include "base/log.h"

#include <errno.h>
#include <security/pam_appl.h>
#include <unistd.h>

enum { PAM_NAME_MAX = 64 };

struct conversation {
	struct span password;
	uint64_t connection; /* for the log */
	unsigned asked;	     /* prompts that were answered */
};

/* What PAM's codes mean to us; all others are faults. */
static const struct meaning {
	int code;
	const char *reason;
} meanings[] = {
	{ PAM_AUTH_ERR, "password" },
	{ PAM_MAXTRIES, "password" },
	{ PAM_USER_UNKNOWN, "unknown" },
	{ PAM_PERM_DENIED, "denied" },
	{ PAM_ACCT_EXPIRED, "expired" },
	{ PAM_CRED_EXPIRED, "password-expired" },
	{ PAM_AUTHTOK_EXPIRED, "password-expired" },
	{ PAM_NEW_AUTHTOK_REQD, "password-expired" },
};

static bool harmless(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || (c != '\0' && strchr("._-+@$", c)) ||
	       c >= 0x80;
}

bool pam_name_fits(struct span name)
{
	if (name.n == 0 || name.n > PAM_NAME_MAX || name.p[0] == '-' ||
		name.p[0] == '.')
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (!harmless(name.p[i]))
			return false;
	return true;
}

static void log_message(const struct conversation *talk, const char *text)
{
	char storage[LOG_LINE_MAX];
	struct buf line;
	buf_fixed(&line, storage, sizeof(storage));
	buf_printf(&line, "connection=%llu PAM", (unsigned long long)talk->connection);
	log_value(&line, "says", span_str(text ? text : ""));
	log_text(buf_span(&line));
}

/* One message of a module. The answer is the module's to free. */
static int answer(const struct pam_message *message, struct pam_response *response,
	struct conversation *talk)
{
	switch (message->msg_style) {
	case PAM_PROMPT_ECHO_OFF:
		response->resp =
			strndup((const char *)talk->password.p, talk->password.n);
		talk->asked++;
		return response->resp ? 0 : -1;
	case PAM_ERROR_MSG:
	case PAM_TEXT_INFO:
		log_message(talk, message->msg);
		return 0;
	default:
		return -1;
	}
}

static void forget(struct pam_response *responses, int n)
{
	for (int i = 0; i < n; i++) {
		if (responses[i].resp)
			explicit_bzero(responses[i].resp, strlen(responses[i].resp));
		free(responses[i].resp);
	}
	free(responses);
}

static int converse(int n, const struct pam_message **messages,
	struct pam_response **out, void *data)
{
	if (n <= 0 || n > PAM_MAX_NUM_MSG)
		return PAM_CONV_ERR;
	struct pam_response *responses = calloc((size_t)n, sizeof(*responses));
	if (!responses)
		return PAM_BUF_ERR;
	for (int i = 0; i < n; i++) {
		if (answer(messages[i], &responses[i], data) == 0)
			continue;
		forget(responses, n);
		return PAM_CONV_ERR;
	}
	*out = responses;
	return PAM_SUCCESS;
}

static void no_delay(int status, unsigned microseconds, void *data)
{
	(void)status, (void)microseconds, (void)data;
}

/* A module's pam_fail_delay(3) ends here (PAM_FAIL_DELAY of pam_set_item(3)). */
static int set_no_delay(pam_handle_t *pam)
{
	union {
		void (*function)(int, unsigned, void *);
		const void *item;
	} delay = { .function = no_delay };
	return pam_set_item(pam, PAM_FAIL_DELAY, delay.item);
}

static int set_items(pam_handle_t *pam, const struct claim *claim)
{
	char source[NETADDR_TEXT_MAX];
	netaddr_text(&claim->facts->peer, source);
	int code = pam_set_item(pam, PAM_RHOST, source);
	if (code == PAM_SUCCESS)
		code = pam_set_item(pam, PAM_TTY, "postern");
	if (code == PAM_SUCCESS)
		code = set_no_delay(pam);
	return code;
}

static enum source_result fault(
	const struct claim *claim, const char *service, const char *what)
{
	log_line("connection=%llu pam:%s: %s",
		(unsigned long long)claim->facts->connection, service, what);
	return RESULT_FAULT;
}

static enum source_result judge(
	struct claim *claim, const char *service, pam_handle_t *pam, int code)
{
	if (code == PAM_SUCCESS)
		return RESULT_ACCEPTED;
	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
		if (meanings[i].code == code)
			return source_refuse(claim, meanings[i].reason);
	return fault(claim, service, pam_strerror(pam, code));
}

/* Whom the modules say this is: they may have mapped the name. */
static enum source_result find_mapped(struct claim *claim, const char *service,
	pam_handle_t *pam, struct owner *owner)
{
	const void *name = NULL;
	if (pam_get_item(pam, PAM_USER, &name) != PAM_SUCCESS || !name)
		return fault(claim, service, "no user after authentication");
	int found = owner_find(name, owner);
	if (found < 0)
		return fault(claim, service, strerror(errno));
	if (found == 0)
		return source_refuse(claim, "unknown");
	if (!owner_is_person(owner))
		return source_refuse(claim, "system");
	return RESULT_ACCEPTED;
}

static enum source_result ask_modules(struct claim *claim, const char *service,
	pam_handle_t *pam, const struct conversation *talk)
{
	int code = set_items(pam, claim);
	/* Without the flag an account without a password is open to any. */
	if (code == PAM_SUCCESS)
		code = pam_authenticate(pam, PAM_DISALLOW_NULL_AUTHTOK);
	if (code == PAM_SUCCESS && talk->asked == 0)
		return fault(claim, service, "success without any password asked for");
	if (code == PAM_SUCCESS)
		code = pam_acct_mgmt(pam, PAM_DISALLOW_NULL_AUTHTOK);
	return judge(claim, service, pam, code);
}

static enum source_result fill(
	const struct source *source, struct claim *claim, const struct owner *owner)
{
	struct identity *identity = &claim->identity;
	struct span name = span_str(owner->name);
	identity->maildrop = source->setup->maildrop;
	if (span_to_text(name, identity->account, sizeof(identity->account)) == 0 &&
		owner_become(owner, identity) == 0 &&
		template_expand(source->setup->template, name, owner->home,
			identity->path_name) == 0)
		return RESULT_ACCEPTED;
	return fault(claim, source->setup->argument,
		"the maildrop's template does not fit this user");
}

static enum source_result verify(struct source *source, struct claim *claim)
{
	const char *service = source->setup->argument;
	struct conversation talk = { .password = claim->login->secret,
		.connection = claim->facts->connection };
	struct pam_conv conv = { .conv = converse, .appdata_ptr = &talk };
	struct owner owner;
	pam_handle_t *pam = NULL;
	if (!source_is_password(claim->login->mechanism))
		return source_refuse(claim, "mechanism");
	int code = pam_start(service, claim->name, &conv, &pam);
	if (code != PAM_SUCCESS)
		return fault(claim, service, "pam_start failed");
	enum source_result result = ask_modules(claim, service, pam, &talk);
	if (result == RESULT_ACCEPTED)
		result = find_mapped(claim, service, pam, &owner);
	(void)pam_end(pam, result == RESULT_ACCEPTED ? PAM_SUCCESS : PAM_AUTH_ERR);
	return result == RESULT_ACCEPTED ? fill(source, claim, &owner) : result;
}

static enum source_holds holds(struct source *source, struct claim *claim)
{
	struct owner owner;
	if (!source->usable || !pam_name_fits(span_str(claim->name)))
		return HOLDS_NO;
	int found = owner_find(claim->name, &owner);
	if (found < 0) {
		fault(claim, source->setup->argument, strerror(errno));
		return HOLDS_FAULT;
	}
	/* Not in the user database: modules may still map the name. */
	if (found == 0)
		return HOLDS_MAYBE;
	return owner_is_person(&owner) ? HOLDS_YES : HOLDS_NO;
}

static uint32_t offer(const struct source *source)
{
	return source->usable ? SOURCE_PASSWORDS : 0;
}

/* A handle that is never used, nor closed: it keeps the modules loaded, so that
 * children need not (they read the service's file anew, and so see it change). */
static int load_modules(const char *service)
{
	static const struct pam_conv nobody = { .conv = NULL };
	pam_handle_t *pam = NULL;
	struct owner owner;
	(void)owner_find("root", &owner); /* the same for nsswitch's */
	return pam_start(service, "root", &nobody, &pam) == PAM_SUCCESS ? 0 : -1;
}

static int prepare(struct source *source)
{
	const char *service = source->setup->argument;
	if (!source->root || geteuid() != 0) {
		log_line("pam:%s is refused: PAM needs the server to be started as "
			 "root; system accounts cannot log in",
			service);
		return -1;
	}
	if (load_modules(service) < 0) {
		log_line("pam:%s: PAM cannot start this service", service);
		return -1;
	}
	return 0;
}

const struct source_driver source_pam = {
	.kind = SOURCE_PAM,
	.prepare = prepare,
	.offer = offer,
	.holds = holds,
	.verify = verify,
};
