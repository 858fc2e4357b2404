/*
 * pam: what a PAM module may ask: the conversation that auth gives to modules, with any
 * number of messages of any style and text. The password goes to prompts without echo
 * and nowhere else: not to another prompt, not to the log.
 *
 * The input is lines, a message each; the first octet is its style.
 */
#include "fuzz.h"

#include "auth/talk.h"
#include "base/log.h"

#include <security/pam_appl.h>
#include <stdarg.h>

#define PASSWORD "correct horse"

enum { MESSAGES_MAX = 40 };

static struct pam_conv module; /* what a module has */

/* What the linker puts in the place of PAM and of the log. */
int __wrap_pam_start(const char *service, const char *user,
	const struct pam_conv *conversation, pam_handle_t **pam);
void __wrap_log_text(struct span text);
void __wrap_log_line(const char *format, ...);

int __wrap_pam_start(const char *service, const char *user,
	const struct pam_conv *conversation, pam_handle_t **pam)
{
	(void)service, (void)user;
	module = *conversation;
	*pam = NULL;
	return PAM_SYSTEM_ERR;
}

void __wrap_log_text(struct span text)
{
	for (size_t i = 0; i < text.n; i++)
		FUZZ_CHECK(text.p[i] >= ' ' && text.p[i] <= '~');
}

void __wrap_log_line(const char *format, ...)
{
	(void)format;
}

static int read_messages(
	struct span input, struct pam_message *messages, char (*texts)[512])
{
	int n = 0;

	while (input.n && n < MESSAGES_MAX) {
		struct span line = span_cut(&input, '\n');
		unsigned style = fuzz_octet(&line);
		size_t length = line.n < 511 ? line.n : 511;
		memcpy(texts[n], line.p, length);
		texts[n][length] = '\0';
		messages[n].msg_style = style <= '9' ? (int)style - '0' : (int)style;
		/* Modules have been seen to give none. */
		messages[n].msg = length ? texts[n] : NULL;
		n++;
	}
	return n;
}

static void check_answer(
	const struct pam_message *message, const struct pam_response *response)
{
	bool secret = message->msg_style == PAM_PROMPT_ECHO_OFF;

	FUZZ_CHECK(secret || message->msg_style == PAM_TEXT_INFO ||
		   message->msg_style == PAM_ERROR_MSG);
	FUZZ_CHECK((response->resp != NULL) == secret);
	if (secret)
		FUZZ_CHECK(strcmp(response->resp, PASSWORD) == 0);
	FUZZ_CHECK(response->resp_retcode == 0);
	free(response->resp);
}

static void converse(int n, const struct pam_message *messages)
{
	const struct pam_message *list[MESSAGES_MAX];
	struct pam_response *responses = NULL;

	for (int i = 0; i < n; i++)
		list[i] = &messages[i];
	if (module.conv(n, list, &responses, module.appdata_ptr) != PAM_SUCCESS) {
		FUZZ_CHECK(responses == NULL);
		return;
	}
	FUZZ_CHECK(n > 0 && responses);
	for (int i = 0; i < n; i++)
		check_answer(&messages[i], &responses[i]);
	free(responses);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char texts[MESSAGES_MAX][512];
	struct pam_message messages[MESSAGES_MAX];
	static const struct facts facts = { .connection = 1, .peer = { .family = 4 } };
	struct claim claim = { .facts = &facts, .name = "joe" };
	struct talk talk;

	(void)talk_open(&talk, "fuzz", &claim, span_str(PASSWORD));
	FUZZ_CHECK(module.conv);
	converse(read_messages(span_of(data, size), messages, texts), messages);
	return 0;
}
