/*
 * mbox_id: the unique-id of an mbox message (RFC 1939 section 7, UIDL).
 */
#ifndef POSTERN_MAILDROP_MBOX_ID_H
#define POSTERN_MAILDROP_MBOX_ID_H

#include "base/blake2b.h"
#include "maildrop/driver.h"

enum { MBOX_SUM_LANES = 4, MBOX_SUM_STRIPE = 32 };

/* A fast hash, the same however the octets are cut; not against an adversary. */
struct mbox_sum {
	uint64_t lane[MBOX_SUM_LANES];
	uint64_t n;
	unsigned char part[MBOX_SUM_STRIPE];
};

void mbox_sum_begin(struct mbox_sum *sum);
void mbox_sum_add(struct mbox_sum *sum, struct span s);
/* The four lanes, with what is left of a stripe in them. */
void mbox_sum_end(struct mbox_sum *sum);
/* Instead: as one number. */
uint64_t mbox_sum_finish(struct mbox_sum *sum);
uint64_t mbox_sum_of(struct span s);

/* Of which form of a message the hash is. */
enum mbox_form {
	MBOX_FORM_WIRE = 1, /* as it is sent: line ends and the last one don't matter */
	MBOX_FORM_STORED, /* as it is stored, and with fewer fields left out: the ids of
			     Postern before there were forms; see mbox_known.c */
};

/* What has been seen of a part of the message. */
struct mbox_part {
	bool any, cr; /* cr: the last octet is one that may belong to a line end */
	bool lf;
};

/* The hash of one message, fed in order: header, then body. */
struct mbox_id {
	enum mbox_form form;
	struct blake2b header;
	struct mbox_sum body;
	struct mbox_part parts[2]; /* header, body */
};

void mbox_id_begin(struct mbox_id *id, enum mbox_form form);
void mbox_id_header(struct mbox_id *id, struct span s);
void mbox_id_body(struct mbox_id *id, struct span s);
void mbox_id_end(struct mbox_id *id, uint64_t out[2]);

/* Longest name below, with its colon. */
enum { MBOX_STATUS_MAX = 18 };

/* Does a line that begins like this belong to a program that keeps its notes in
 * the mbox, rather than to the message as it was delivered? */
bool mbox_id_is_status(struct span line, enum mbox_form form);

/* For each of n messages: how many before it have the same id. The caller frees
 * the array; NULL with errno when there is no memory. */
uint32_t *mbox_id_twins(const struct maildrop_message *messages, size_t n);

/* As the UIDL argument: 32 hex digits. */
void mbox_id_text(const uint64_t id[2], uint32_t twin, char uid[MAILDROP_UID_MAX + 1]);

#endif
