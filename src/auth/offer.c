/*
 * offer: follows the account databases by stat(2): only when one has changed is it
 * opened and asked. Runs as root in the warm parent, which forks no child meanwhile: no
 * handle of SQLite's crosses a fork. Trusts the databases, which are root's.
 */
#include "auth/offer.h"

#include "ipc/fdpass.h"
#include "postern/fds.h"
#include "postern/report.h"

#include <sys/stat.h>

static int report(uint32_t mechanisms)
{
	unsigned char storage[64];
	struct buf message;
	buf_fixed(&message, storage, sizeof(storage));
	report_encode(&message,
		&(struct report){ .kind = REPORT_OFFER, .mechanisms = mechanisms });
	return buf_ok(&message)
		       ? fdpass_send(FD_CONTROL, buf_span(&message), NULL, 0, 0)
		       : -1;
}

static struct offer_file look(const char *path, const char *suffix)
{
	char name[SETUP_PATH_MAX + 8];
	struct stat st;
	int n = snprintf(name, sizeof(name), "%s%s", path, suffix);
	if (n < 0 || (size_t)n >= sizeof(name) || stat(name, &st) < 0)
		return (struct offer_file){ 0 };
	return (struct offer_file){
		.inode = st.st_ino, .size = st.st_size, .changed = st.st_mtim
	};
}

static bool same(const struct offer_file *a, const struct offer_file *b)
{
	return a->inode == b->inode && a->size == b->size &&
	       a->changed.tv_sec == b->changed.tv_sec &&
	       a->changed.tv_nsec == b->changed.tv_nsec;
}

/* Has one of them changed since it was last looked at? */
static bool changed(struct offer *offer, const struct auth *auth)
{
	static const char *const suffixes[2] = { "", "-wal" };
	bool any = false;
	for (uint32_t i = 0; i < auth->setup.sources_n; i++) {
		const struct source_setup *source = &auth->setup.sources[i];
		for (int f = 0; source->kind == SOURCE_SQLITE && f < 2; f++) {
			struct offer_file now = look(source->argument, suffixes[f]);
			any = any || !same(&now, &offer->files[i][f]);
			offer->files[i][f] = now;
		}
	}
	return any;
}

int offer_begin(struct offer *offer, struct auth *auth)
{
	/* Looked at first: what changes while it is asked is seen again. */
	(void)changed(offer, auth);
	offer->mechanisms = decide_offer(auth);
	return report(offer->mechanisms);
}

/* Who writes now and then (each login is noted) leaves a log behind; once it is quiet
 * for a tick it goes back. A log that somebody reads is tried again. */
static void settle(const struct offer *offer, struct auth *auth)
{
	for (uint32_t i = 0; i < auth->setup.sources_n; i++) {
		struct source *source = &auth->sources[i];
		if (source->usable && source->driver->settle &&
			offer->files[i][1].size > 0)
			source->driver->settle(source);
	}
}

void offer_end(struct offer *offer, struct auth *auth)
{
	(void)changed(offer, auth);
	settle(offer, auth);
}

void offer_follow(struct offer *offer, struct auth *auth)
{
	if (!changed(offer, auth)) {
		settle(offer, auth);
		return;
	}
	uint32_t mechanisms = decide_offer(auth);
	/* A master that is gone hears nothing; the sessions need none. */
	if (mechanisms != offer->mechanisms && report(mechanisms) == 0)
		offer->mechanisms = mechanisms;
}
