/*
 * sense: see sense.h. Runs as whoever calls `postern check`. Trusts the configuration;
 * the certificate is only looked at, its key is posternd -n's affair.
 */
#include "cli/sense.h"

#include <errno.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <sys/resource.h>

enum { SOON_DAYS = 14, SPARE_DESCRIPTORS = 64 };

/* --- the certificate --------------------------------------------------------- */

static void check_time(struct findings *f, const char *path, const X509 *certificate)
{
	int days = 0, seconds = 0;
	if (X509_cmp_time(X509_get0_notBefore(certificate), NULL) > 0) {
		findings_add(f, FINDING_PROBLEM, path,
			"is not valid yet: clients refuse it; look at the clock, or "
			"get another");
		return;
	}
	if (!ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(certificate)))
		findings_add(f, FINDING_PROBLEM, path, "has no readable end");
	else if (days < 0 || seconds < 0)
		findings_add(f, FINDING_PROBLEM, path,
			"has expired: clients refuse it; renew it, then `postern "
			"reload'");
	else if (days < SOON_DAYS)
		findings_add(f, FINDING_WARNING, path,
			"ends in %d day%s; renew it, then `postern reload'", days,
			days == 1 ? "" : "s");
	else
		findings_add(f, FINDING_OK, path, "is valid for %d days", days);
}

static void check_name(
	struct findings *f, const struct config *config, X509 *certificate)
{
	if (X509_check_host(certificate, config->hostname, 0, 0, NULL) == 1)
		findings_add(f, FINDING_OK, config->certificate, "is for %s",
			config->hostname);
	else
		findings_add(f, FINDING_WARNING, config->certificate,
			"is not for %s: clients that use this name refuse it; get one "
			"for it, or say the name that clients use (hostname)",
			config->hostname);
}

static void check_certificate(struct findings *f, const struct config *config)
{
	const char *path = config->certificate;
	FILE *in = path[0] ? fopen(path, "re") : NULL;
	if (!in)
		return; /* told already */
	X509 *certificate = PEM_read_X509(in, NULL, NULL, NULL);
	fclose(in);
	if (!certificate) {
		findings_add(
			f, FINDING_PROBLEM, path, "holds no certificate in PEM form");
		return;
	}
	check_time(f, path, certificate);
	check_name(f, config, certificate);
	X509_free(certificate);
}

/* --- ways in ----------------------------------------------------------------- */

static bool is_loopback(const char *host)
{
	return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0;
}

static void check_ways(struct findings *f, const struct config *config)
{
	bool outside = false;
	for (size_t i = 0; i < config->listeners_n; i++)
		outside = outside || !is_loopback(config->listeners[i].host);
	if (!outside)
		findings_add(f, FINDING_WARNING, "listen",
			"loopback addresses only: nobody comes in from another host; "
			"listen on * or on an address of this host");
	else if (!config->certificate[0] && config->plaintext != PLAINTEXT_ALWAYS)
		findings_add(f, FINDING_PROBLEM, "certificate",
			"without one nobody can log in from another host; get one, "
			"and name it");
	if (config->plaintext == PLAINTEXT_ALWAYS)
		findings_add(f, FINDING_WARNING, "plaintext",
			"always: passwords cross the network for everybody to read; "
			"say loopback, and let clients use TLS");
}

static void check_descriptors(struct findings *f, const struct config *config)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_max == RLIM_INFINITY)
		return;
	unsigned long long most = limit.rlim_max;
	if (most >= config->connections + SPARE_DESCRIPTORS)
		findings_add(f, FINDING_OK, "limits", "descriptors for %u connections",
			config->connections);
	else
		findings_add(f, FINDING_WARNING, "limits",
			"%u connections, but a process started here has %llu "
			"descriptors; raise LimitNOFILE (ulimit -n), or lower "
			"connections",
			config->connections, most);
}

void sense_check(struct findings *f, const struct config *config)
{
	check_certificate(f, config);
	check_ways(f, config);
	check_descriptors(f, config);
}
