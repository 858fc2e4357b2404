/* What the keeper is willing to sign. */
#include "keeper/form.h"

#include <criterion/criterion.h>

static const char context[] = "TLS 1.3, server CertificateVerify";

struct octets {
	unsigned char p[256];
	size_t n;
};

static struct octets tls13(size_t hash)
{
	struct octets o = { .n = 64 + sizeof(context) + hash };
	memset(o.p, 0xA5, sizeof(o.p));
	memset(o.p, ' ', 64);
	memcpy(o.p + 64, context, sizeof(context));
	return o;
}

static struct octets tls12(unsigned curve, size_t length)
{
	struct octets o = { .n = 68 + length };
	memset(o.p, 0xA5, sizeof(o.p));
	o.p[64] = 3;
	o.p[65] = (unsigned char)(curve >> 8);
	o.p[66] = (unsigned char)curve;
	o.p[67] = (unsigned char)length;
	o.p[68] = 4;
	return o;
}

static enum form form(const struct octets *o)
{
	return form_of(span_of(o->p, o->n));
}

static const struct curve {
	unsigned number;
	size_t length;
	enum form form;
} curves[] = {
	{ 0x001D, 32, FORM_TLS12 },
	{ 0x0017, 65, FORM_TLS12 },
	{ 0x0018, 97, FORM_TLS12 },
	{ 0x0017, 33, FORM_NONE }, /* compressed */
	{ 0x0017, 97, FORM_NONE },
	{ 0x001D, 31, FORM_NONE },
	{ 0x0019, 133, FORM_NONE },
	{ 0x0000, 0, FORM_NONE },
};

Test(form, tls12)
{
	for (size_t i = 0; i < sizeof(curves) / sizeof(curves[0]); i++) {
		struct octets o = tls12(curves[i].number, curves[i].length);
		cr_assert_eq(form(&o), curves[i].form, "case %zu", i);
		o.n++;
		cr_assert_eq(form(&o), FORM_NONE, "case %zu, longer", i);
	}
	struct octets o = tls12(0x0017, 65);
	o.p[68] = 2;
	cr_assert_eq(form(&o), FORM_NONE, "no uncompressed point");
	o = tls12(0x0017, 65);
	o.p[64] = 1;
	cr_assert_eq(form(&o), FORM_NONE, "explicit curve");
}

Test(form, tls13)
{
	for (size_t hash = 0; hash < 100; hash++) {
		struct octets o = tls13(hash);
		bool good = hash == 32 || hash == 48;
		cr_assert_eq(form(&o), good ? FORM_TLS13 : FORM_NONE, "%zu", hash);
	}
}

/* Every octet in front of the hash counts: one changed, and it is not signed. */
Test(form, tls13_exact)
{
	for (size_t i = 0; i < 64 + sizeof(context); i++) {
		struct octets o = tls13(32);
		o.p[i] ^= 1;
		cr_assert_eq(form(&o), FORM_NONE, "octet %zu", i);
	}
}

/* Every prefix of what is signed is not. */
Test(form, prefixes)
{
	struct octets all[] = { tls13(48), tls12(0x0018, 97) };
	for (int k = 0; k < 2; k++)
		for (size_t n = 0; n < all[k].n; n++) {
			bool shorter_hash = k == 0 && n == all[k].n - 16;
			enum form expected = shorter_hash ? FORM_TLS13 : FORM_NONE;
			cr_assert_eq(form_of(span_of(all[k].p, n)), expected, "%zu", n);
		}
}
