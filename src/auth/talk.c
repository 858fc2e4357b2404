/*
 * talk: the calls of PAM. Runs as root in an auth child, once, for one claim.
 *
 * Trusts: the modules that the administrator named; they run in this process with
 * all of its rights. Distrusts: a success that nobody was asked a password for.
 *
 * What modules say goes to the log, never to the client. They get the password for
 * every prompt without echo and no answer to any other. pam_fail_delay(3) does not
 * wait here: the master delays refusals without a process.
 *
 * Fails: a module that cannot decide (an LDAP server that is down) is our fault, not
 * the client's: RESULT_FAULT. Known limit: a module that blocks keeps this process
 * until the master ends it; other logins go on.
 */
#include "auth/talk.h"

#include "base/log.h"

#include <errno.h>
#include <security/pam_appl.h>

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

static void log_message(const struct conversation *talk, const char *text)
{
	char storage[LOG_LINE_MAX];
	struct buf line;
	buf_fixed(&line, storage, sizeof(storage));
	buf_printf(&line, "connection=%llu PAM", (unsigned long long)talk->connection);
	log_sentence(&line, "says", span_str(text ? text : ""));
	log_text(buf_span(&line));
}

/* One message of a module. The answer is the module's to free. */
static int answer(const struct pam_message *message, struct pam_response *response,
	struct conversation *talk)
{
	switch (message->msg_style) {
	case PAM_PROMPT_ECHO_OFF:
		/* Nobody has a password here (a token, an app password): to say an
		 * empty one would be an answer. */
		if (talk->password.n == 0)
			return -1;
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

static enum source_result fault(const struct talk *talk, const char *what)
{
	log_line("connection=%llu pam:%s: %s",
		(unsigned long long)talk->conversation.connection, talk->service, what);
	return RESULT_FAULT;
}

static enum source_result judge(const struct talk *talk, int code)
{
	if (code == PAM_SUCCESS)
		return RESULT_ACCEPTED;
	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
		if (meanings[i].code == code)
			return source_refuse(talk->claim, meanings[i].reason);
	return fault(talk, pam_strerror(talk->pam, code));
}

enum source_result talk_open(struct talk *talk, const char *service,
	struct claim *claim, struct span password)
{
	*talk = (struct talk){
		.service = service,
		.claim = claim,
		.conversation = { .password = password,
			.connection = claim->facts->connection },
	};
	struct pam_conv conv = { .conv = converse, .appdata_ptr = &talk->conversation };
	int code = pam_start(service, claim->name, &conv, &talk->pam);
	if (code != PAM_SUCCESS)
		return fault(talk, "pam_start failed");
	code = set_items(talk->pam, claim);
	if (code == PAM_SUCCESS)
		return RESULT_ACCEPTED;
	talk_close(talk, RESULT_FAULT);
	return fault(talk, "pam_set_item failed");
}

void talk_close(struct talk *talk, enum source_result result)
{
	(void)pam_end(
		talk->pam, result == RESULT_ACCEPTED ? PAM_SUCCESS : PAM_AUTH_ERR);
	talk->pam = NULL;
}

enum source_result talk_authenticate(struct talk *talk)
{
	talk->claim->soiled = true;
	/* Without the flag an account without a password is open to any. */
	int code = pam_authenticate(talk->pam, PAM_DISALLOW_NULL_AUTHTOK);
	if (code == PAM_SUCCESS && talk->conversation.asked == 0)
		return fault(talk, "success without any password asked for");
	return judge(talk, code);
}

enum source_result talk_account(struct talk *talk)
{
	int code = pam_acct_mgmt(talk->pam, PAM_DISALLOW_NULL_AUTHTOK);
	/* What lets nobody in, or wanted a password, need not be understood. */
	if (code != PAM_SUCCESS || talk->conversation.asked > 0)
		talk->claim->soiled = true;
	/* Said of the account by modules like pam_nologin: no password was wrong. */
	return code == PAM_AUTH_ERR ? source_refuse(talk->claim, "denied")
				    : judge(talk, code);
}

enum source_result talk_owner(
	struct talk *talk, uint32_t first_uid, struct owner *owner)
{
	const void *name = NULL;
	if (pam_get_item(talk->pam, PAM_USER, &name) != PAM_SUCCESS || !name)
		return fault(talk, "no user after authentication");
	int found = owner_find(name, owner);
	if (found < 0)
		return fault(talk, strerror(errno));
	if (found == 0)
		return source_refuse(talk->claim, "unknown");
	if (!owner_is_person(owner, first_uid))
		return source_refuse(talk->claim, "system");
	return RESULT_ACCEPTED;
}

enum source_result talk_session_open(struct talk *talk)
{
	int code = pam_setcred(talk->pam, PAM_ESTABLISH_CRED);
	if (code == PAM_SUCCESS)
		code = pam_open_session(talk->pam, 0);
	return code == PAM_SUCCESS ? RESULT_ACCEPTED
				   : fault(talk, pam_strerror(talk->pam, code));
}

void talk_session_close(struct talk *talk)
{
	int code = pam_close_session(talk->pam, 0);
	if (code == PAM_SUCCESS)
		code = pam_setcred(talk->pam, PAM_DELETE_CRED);
	if (code != PAM_SUCCESS)
		(void)fault(talk, pam_strerror(talk->pam, code));
}

void talk_leave(struct talk *talk)
{
	(void)pam_end(talk->pam, PAM_SUCCESS | PAM_DATA_SILENT);
	talk->pam = NULL;
}

bool talk_keeps_name(const struct talk *talk)
{
	const void *name = NULL;
	return pam_get_item(talk->pam, PAM_USER, &name) == PAM_SUCCESS && name &&
	       strcmp(name, talk->claim->name) == 0;
}

/* A handle that is never used, nor closed: it keeps the modules loaded, so that
 * children need not (they read the service's file anew, and so see it change). */
int talk_preload(const char *service)
{
	static const struct pam_conv nobody = { .conv = NULL };
	pam_handle_t *pam = NULL;
	return pam_start(service, "root", &nobody, &pam) == PAM_SUCCESS ? 0 : -1;
}
