/*
 * talk: one conversation with a PAM service (pam(3)).
 */
#ifndef POSTERN_AUTH_TALK_H
#define POSTERN_AUTH_TALK_H

#include "auth/owner.h"
#include "auth/source.h"

struct pam_handle;

/* What modules ask and say. */
struct conversation {
	struct span password; /* empty: no prompt is answered */
	uint64_t connection;  /* for the log */
	unsigned asked;	      /* prompts that were answered */
};

struct talk {
	const char *service;
	struct claim *claim;
	struct pam_handle *pam;
	struct conversation conversation;
};

/* RESULT_ACCEPTED, and talk_close() must follow; or RESULT_FAULT, logged. */
enum source_result talk_open(struct talk *talk, const char *service,
	struct claim *claim, struct span password);
void talk_close(struct talk *talk, enum source_result result);

/* Is the password right? */
enum source_result talk_authenticate(struct talk *talk);

/* May the account be used now? */
enum source_result talk_account(struct talk *talk);

/* Who is it, after the modules may have mapped the name? */
enum source_result talk_owner(
	struct talk *talk, uint32_t first_uid, struct owner *owner);

/* Credentials and session: RESULT_ACCEPTED, or RESULT_FAULT, logged. */
enum source_result talk_session_open(struct talk *talk);
void talk_session_close(struct talk *talk);

/* As talk_close(), in a process whose copy of the handle another one uses on. */
void talk_leave(struct talk *talk);

/* Is PAM's user still the one that the claim named? */
bool talk_keeps_name(const struct talk *talk);

/* Loads the service's modules into this process, for good. 0, or -1. */
int talk_preload(const char *service);

#endif
