/*
 * pam_test: a PAM module that does what real modules do at their worst, for
 * tests/dialog/auth.py. Arguments of its line in the service's file:
 *   password=TEXT  what pam_sm_authenticate() wants to hear
 *   prompts=N      how often it asks (default 1; 0: not at all)
 *   echo           asks with echo
 *   map=NAME       PAM_USER becomes NAME
 *   delay          asks for a delay of 30 s, and fails
 *   block=SECONDS  sleeps before anything else, whichever function it is
 *   crash          dies
 *   pause=MS       the same in milliseconds
 *   say=TEXT       a message for the user
 *   fault          the service behind it is down
 *   record=FILE    each call adds a line: function, user, PAM_RHOST
 */
#include <security/pam_ext.h>
#include <security/pam_modules.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *value(int argc, const char **argv, const char *key)
{
	size_t n = strlen(key);
	for (int i = 0; i < argc; i++)
		if (strncmp(argv[i], key, n) == 0)
			return argv[i] + n;
	return NULL;
}

static void record(pam_handle_t *pam, const char *file, const char *function)
{
	const void *user = NULL, *rhost = NULL;
	FILE *out = file ? fopen(file, "a") : NULL;
	if (!out)
		return;
	pam_get_item(pam, PAM_USER, &user);
	pam_get_item(pam, PAM_RHOST, &rhost);
	fprintf(out, "%s %s %s uid=%d\n", function, user ? (const char *)user : "-",
		rhost ? (const char *)rhost : "-", (int)geteuid());
	fclose(out);
}

static int ask(pam_handle_t *pam, const char *wanted, int style)
{
	char *answer = NULL;
	if (pam_prompt(pam, style, &answer, "Password: ") != PAM_SUCCESS)
		return PAM_CONV_ERR;
	int same = answer && wanted && strcmp(answer, wanted) == 0;
	free(answer);
	return same ? PAM_SUCCESS : PAM_AUTH_ERR;
}

/* What any of the functions may be told to do first. */
static void begin(pam_handle_t *pam, int argc, const char **argv, const char *function)
{
	const char *text;
	record(pam, value(argc, argv, "record="), function);
	if ((text = value(argc, argv, "block=")))
		sleep((unsigned)atoi(text));
	if ((text = value(argc, argv, "pause=")))
		usleep((useconds_t)atoi(text) * 1000);
	if ((text = value(argc, argv, "say=")))
		pam_info(pam, "%s", text);
	if (value(argc, argv, "crash"))
		abort();
}

int pam_sm_authenticate(pam_handle_t *pam, int flags, int argc, const char **argv)
{
	const char *text;
	int result = PAM_SUCCESS;
	(void)flags;
	begin(pam, argc, argv, "authenticate");
	if (value(argc, argv, "fault"))
		return PAM_AUTHINFO_UNAVAIL;
	text = value(argc, argv, "prompts=");
	int style =
		value(argc, argv, "echo") ? PAM_PROMPT_ECHO_ON : PAM_PROMPT_ECHO_OFF;
	for (int i = 0; result == PAM_SUCCESS && i < (text ? atoi(text) : 1); i++)
		result = ask(pam, value(argc, argv, "password="), style);
	if (value(argc, argv, "delay")) {
		pam_fail_delay(pam, 30 * 1000 * 1000);
		return PAM_AUTH_ERR;
	}
	if ((text = value(argc, argv, "map=")))
		pam_set_item(pam, PAM_USER, text);
	return result;
}

int pam_sm_setcred(pam_handle_t *pam, int flags, int argc, const char **argv)
{
	(void)flags;
	record(pam, value(argc, argv, "record="), "setcred");
	return PAM_SUCCESS;
}

int pam_sm_acct_mgmt(pam_handle_t *pam, int flags, int argc, const char **argv)
{
	(void)flags;
	begin(pam, argc, argv, "account");
	/* Asks, and would take an empty answer for one. */
	if (value(argc, argv, "ask")) {
		char *answer = NULL;
		int asked = pam_prompt(pam, PAM_PROMPT_ECHO_OFF, &answer, "Password: ");
		record(pam, value(argc, argv, "record="),
			asked == PAM_SUCCESS ? "answered" : "unanswered");
		free(answer);
	}
	return value(argc, argv, "fault") ? PAM_AUTHINFO_UNAVAIL : PAM_SUCCESS;
}

int pam_sm_open_session(pam_handle_t *pam, int flags, int argc, const char **argv)
{
	(void)flags;
	begin(pam, argc, argv, "open");
	return value(argc, argv, "fault") ? PAM_SESSION_ERR : PAM_SUCCESS;
}

int pam_sm_close_session(pam_handle_t *pam, int flags, int argc, const char **argv)
{
	(void)flags;
	begin(pam, argc, argv, "close");
	return PAM_SUCCESS;
}
