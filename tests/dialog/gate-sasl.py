#!/usr/bin/env python3
"""SASL mechanisms of several steps, channel binding and client certificates: what the gate
claims, and how it carries challenges and sealed states between client and auth."""
import hashlib
import ssl

import hold
from gates import CERTIFICATES, Connection, b64, client_context, implicit, parent, with_tls

ALL = hold.mechanisms(*hold.MECHANISMS)
SCRAM = ("SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS")


def tls(gate, context=None, **arguments):
    """A connection under TLS that offers everything."""
    c = Connection(gate, listener=hold.LISTENER_POP3S, tls=True, plaintext=False,
                   offered=ALL)
    c.start_tls(context, **arguments)
    c.greeting = c.line()
    return c


def test_cram_md5():
    challenge, digest = "<1.2@mail.example.org>", "b913a602c7eda7a495b4e6e7334d3890"
    with parent(bad_commands=100) as gate, \
            Connection(gate, challenge=challenge, plaintext=False, offered=ALL) as c:
        c.ask("AUTH CRAM-MD5 " + b64("joe " + digest), r"-ERR .*initial.*")
        for bad in ("", "joe", digest, " " + digest, "joe " + digest.upper(),
                    "joe " + digest + " ", "joe\0 " + digest):
            c.ask("AUTH CRAM-MD5", r"\+ " + b64(challenge).replace("+", r"\+"))
            c.ask(b64(bad), r"-ERR .*")
        c.no_claim()
        c.ask("AUTH CRAM-MD5", r"\+ .*")
        c.send(b64("joe smith " + digest) + "\r\nSTAT\r\n")
        login = c.claim()
        assert (login.mechanism, login.name, login.secret) \
            == ("CRAM-MD5", b"joe smith", digest.encode())
        c.answer(hold.ready())
        c.expect(r"\+OK .*")
        c.expect_baton()
        assert c.rest() == b"STAT\r\n"


def steps(c, how, first, name, binding=b"", two_lines=False):
    """The three claims of SCRAM, with challenges and states of the test's own."""
    if two_lines:
        c.ask("AUTH " + how, r"\+ ")
        c.send(b64(first) + "\r\n")
    else:
        c.send("AUTH %s %s\r\n" % (how, b64(first)))
    for secret, state, challenge in ((first, b"", b"r=server-first"),
                                     (b"c=biws,r=x,p=proof", b"one\0", b"v=server-final"),
                                     (b"", b"two" * 300, None)):
        if state:
            c.send(b64(secret) + "\r\n")
        login = c.claim()
        secret = secret if isinstance(secret, bytes) else secret.encode()
        assert login.mechanism == how and login.name == name and login.secret == secret \
            and login.state == state and login.binding == binding, login
        if challenge:
            c.answer(hold.more(challenge, b"one\0" if not state else b"two" * 300))
            c.expect(r"\+ " + b64(challenge))


def test_scram():
    with parent(attempts=100) as gate, Connection(gate, plaintext=False, offered=ALL) as c:
        for how in SCRAM[:2]:
            for first, name in (("n,,n=joe,r=abc", b"joe"), ("y,,n=a=2Cb=3Dc,r=x", b"a,b=c"),
                                ("n,a=joe,n=joe,r=abc,ext=1", b"joe")):
                for two_lines in (False, True):
                    steps(c, how, first, name, two_lines=two_lines)
                    c.refuse()
                    c.expect(r"-ERR \[AUTH\] .*")
        steps(c, "SCRAM-SHA-256", "n,,n=joe,r=abc", b"joe")
        c.answer(hold.ready())
        c.expect(r"\+OK 0 messages .*")
        c.expect_baton()


def test_scram_malformed():
    with parent(bad_commands=100) as gate, Connection(gate, offered=ALL) as c:
        for first in ("", "n", "n,", "n,,", "n,,r=x", "x,,n=joe,r=x", "p,,n=joe,r=x",
                      "n,x,n=joe,r=x", "n,,n=,r=x", "n,,n=a=b,r=x", "n,,n=a=2c,r=x",
                      "n,,n=" + "x" * 256 + ",r=x", "n,,n=a\0b,r=x"):
            c.ask("AUTH SCRAM-SHA-256", r"\+ ")
            c.ask(b64(first), r"-ERR .*")
        c.no_claim()
        c.ask("AUTH SCRAM-SHA-256-PLUS " + b64("p=tls-exporter,,n=joe,r=x"), r"-ERR .*")
        c.no_claim()


def test_scram_cancelled():
    with parent() as gate, Connection(gate, offered=ALL) as c:
        c.send("AUTH SCRAM-SHA-256 %s\r\n" % b64("n,,n=joe,r=x"))
        c.claim()
        c.answer(hold.more(b"challenge", b"state"))
        c.ask("*", r"\+ .*", r"-ERR cancelled")
        c.no_claim()
        c.log_in()


def test_more_without_end():
    with parent() as gate, Connection(gate, offered=ALL) as c:
        c.send("AUTH SCRAM-SHA-256 %s\r\n" % b64("n,,n=joe,r=x"))
        for _ in range(3):
            c.claim()
            c.answer(hold.more(b"", b"state"))
            c.expect(r"\+ ")
            c.send("\r\n")
        c.claim()
        c.answer(hold.more(b"", b"state"))
        c.expect(r"-ERR \[SYS/TEMP\] .*")
        c.expect_end()


def test_channel_binding():
    chain, _ = CERTIFICATES.pair("ec")
    with open(chain, encoding="ascii") as pem:
        der = ssl.PEM_cert_to_DER_cert(pem.read())
    end_point = hashlib.sha256(der).digest()
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        with with_tls(attempts=100) as gate, tls(gate, client_context(version)) as c:
            is_13 = version == ssl.TLSVersion.TLSv1_3
            unique = b"" if is_13 else c.client.get_channel_binding("tls-unique")
            for kind, data in (("tls-server-end-point", end_point), ("tls-unique", unique),
                               ("tls-nonsense", b"")):
                steps(c, "SCRAM-SHA-256-PLUS", "p=%s,,n=joe,r=x" % kind, b"joe", data)
                c.refuse()
                c.expect(r"-ERR \[AUTH\] .*")
            c.send("AUTH SCRAM-SHA-1-PLUS %s\r\n" % b64("p=tls-exporter,,n=joe,r=x"))
            login = c.claim()
            assert len(login.binding) == (32 if is_13 else 0)


def test_tokens():
    token = "a.b-c_d~e+/="
    x = "user=joe@example.org\1auth=Bearer %s\1\1" % token
    o = "n,a=joe@example.org,\1host=mail.example.org\1port=995\1auth=Bearer %s\1\1" % token
    with with_tls(attempts=100) as gate, tls(gate) as c:
        for how, message in (("XOAUTH2", x), ("OAUTHBEARER", o),
                             ("OAUTHBEARER", o.replace("Bearer", "bearer")),
                             ("OAUTHBEARER", o.replace("a=joe@example.org", ""))):
            for two_lines in (False, True):
                if two_lines:
                    c.ask("AUTH " + how, r"\+ ")
                    c.send(b64(message) + "\r\n")
                else:
                    c.send("AUTH %s %s\r\n" % (how, b64(message)))
                login = c.claim()
                name = b"joe@example.org" if "joe@" in message else b""
                assert (login.mechanism, login.name, login.secret) \
                    == (how, name, token.encode()), login
                c.refuse()
                c.expect(r"-ERR \[AUTH\] .*")
        c.send("AUTH XOAUTH2 %s\r\n" % b64(x))
        c.claim()
        c.answer(hold.ready())
        c.expect(r"\+OK .*")
        c.expect_baton()


def test_a_long_token():
    message = "user=joe\1auth=Bearer %s\1\1" % ("x" * 9000)
    line = b64(message)
    assert 12000 < len(line) < 12286
    with with_tls(attempts=100) as gate, tls(gate) as c:
        c.ask("AUTH XOAUTH2", r"\+ ")
        c.send(line + "\r\n")
        assert c.claim().secret == b"x" * 9000


def test_a_refused_token_is_explained_and_counted():
    """Whatever the client answers, auth gets the second claim, so that the penalty is
    paid."""
    message = b64("user=joe\1auth=Bearer x\1\1")
    for answer in ("", "AQ==", "*", "!"):
        with with_tls() as gate, tls(gate) as c:
            c.send("AUTH XOAUTH2 %s\r\n" % message)
            c.claim()
            c.answer(hold.more(b'{"status":"401"}', b"sealed"))
            c.ask(answer, r"\+ " + b64('{"status":"401"}'))
            login = c.claim()
            assert (login.secret, login.state) == (b"", b"sealed"), login
            c.refuse()
            c.expect(r"-ERR \[AUTH\] .*")
            c.ask("CAPA", r"\+OK .*")


def test_tokens_malformed():
    with with_tls(bad_commands=1000) as gate, tls(gate) as c:
        for how, messages in {
                "XOAUTH2": ("", "user=joe", "user=joe\1", "user=joe\1auth=Bearer x",
                            "user=joe\1auth=Bearer x\1", "joe\1auth=Bearer x\1\1",
                            "user=joe\1auth=Basic x\1\1", "user=joe\1auth=Bearer \1\1",
                            "user=joe\1auth=Bearer a b\1\1", "user=j\0\1auth=Bearer x\1\1",
                            "user=joe\1auth=Bearer x\1auth=Bearer y\1\1",
                            "user=" + "x" * 256 + "\1auth=Bearer x\1\1"),
                "OAUTHBEARER": ("", "n,,", "n,,\1", "n,,\1\1", "\1auth=Bearer x\1\1",
                                "p=tls-unique,,\1auth=Bearer x\1\1",
                                "n,joe,\1auth=Bearer x\1\1", "n,,auth=Bearer x\1\1",
                                "n,a=j=,\1auth=Bearer x\1\1")}.items():
            for message in messages:
                c.ask("AUTH " + how, r"\+ ")
                c.ask(b64(message), r"-ERR .*")
        c.no_claim()


def test_external():
    chain, key = CERTIFICATES.pair("rsa", "joe")
    with open(chain, encoding="ascii") as pem:
        der = ssl.PEM_cert_to_DER_cert(pem.read())
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = client_context(version)
        context.load_cert_chain(chain, key)
        with with_tls(attempts=100) as gate, tls(gate, context) as c:
            for command, name in (("AUTH EXTERNAL =", b""),
                                  ("AUTH EXTERNAL " + b64("joe smith"), b"joe smith"),
                                  ("AUTH EXTERNAL\r\n", b"")):
                c.send(command + "\r\n")
                if "\n" in command:
                    c.expect(r"\+ ")
                login = c.claim()
                assert (login.mechanism, login.name) == ("EXTERNAL", name)
                # From ClientHello to CertificateVerify, and the keeper's testimony.
                assert login.secret[0] == 1 and der in login.secret
                assert login.secret[-300:].rfind(b"\x0f\0") >= 0
                assert len(login.binding) == 32
                c.refuse()
                c.expect(r"-ERR \[AUTH\] .*")


def test_external_without_a_certificate():
    with with_tls() as gate:
        with tls(gate) as c:
            c.ask("AUTH EXTERNAL =", r"-ERR .*certificate.*")
            c.no_claim()
        # Nobody is asked for one where none means anything.
        with implicit(gate) as c:
            c.ask("AUTH EXTERNAL =", r"-ERR .*")
            c.no_claim()


def test_list_and_capa_agree():
    with with_tls() as gate, tls(gate) as c:
        c.ask("AUTH", r"\+OK .*")
        listed = c.lines()
        c.ask("CAPA", r"\+OK .*")
        sasl, = [line for line in c.lines() if line.startswith("SASL ")]
        assert listed == sasl.split()[1:] == list(hold.MECHANISMS[2:]), listed
    with parent() as gate, Connection(gate, plaintext=False, offered=ALL) as c:
        c.ask("AUTH", r"\+OK .*")
        assert c.lines() == ["CRAM-MD5", *SCRAM[:2]]
        for how in ("PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER", "EXTERNAL", *SCRAM[2:]):
            c.ask("AUTH " + how, r"-ERR \[SYS/PERM\] .*TLS.*")


if __name__ == "__main__":
    hold.run(globals())
