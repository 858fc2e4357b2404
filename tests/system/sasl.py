"""Every mechanism through the whole server: curl, mpop (GNU SASL), gsasl, and dialogs
for what no packaged client speaks."""

import base64
import hashlib
import hmac
import json
import os
import re
import ssl
import subprocess
import tempfile
import time
import unittest

from server import Server, main, message, run, INSIDE, PATIENCE

NAME, PASSWORD, SECRET = "joe@example.org", "pen cil,=\u00e9", "shared secret"
APOP = "ann@example.org"
MAIL = [message(1), message(2)]


def sign(key, text):
    return run("openssl", "dgst", "-sha256", "-sign", key, input=text).stdout


def token(key, **changes):
    claims = {"iss": "https://id.example.org", "aud": "mail", "email": NAME,
              "exp": int(time.time()) + 300}
    claims.update(changes)

    def part(octets):
        return base64.urlsafe_b64encode(octets).rstrip(b"=")
    text = b".".join(part(json.dumps(p).encode())
                     for p in ({"alg": "RS256", "typ": "JWT"}, claims))
    return (text + b"." + part(sign(key, text))).decode()


def setUpModule():
    global server, issuer, client_pem
    server = Server(settings="limits per-source 2000 connections 4000\nremember 5m")
    issuer = os.path.join(server.directory, "issuer.key")
    public = os.path.join(server.directory, "issuer.pem")
    run("openssl", "genpkey", "-algorithm", "RSA", "-out", issuer)
    run("openssl", "pkey", "-in", issuer, "-pubout", "-out", public)
    server.settings += f"\nissuer https://id.example.org {public} audience mail"
    server.write_config()
    server.add_user(NAME, PASSWORD, "--apop")  # CRAM-MD5: for everybody or nobody
    server.add_user(APOP, SECRET, "--apop")
    for name in (NAME, APOP):
        server.deliver(name, MAIL)
    client_pem = os.path.join(server.directory, "client")
    run("openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=joe", "-newkey",
        "rsa:2048", "-keyout", client_pem + ".key", "-out", client_pem + ".pem")
    server.command("certificate", "add", NAME, client_pem + ".pem")
    server.start()


def tearDownModule():
    server.stop()


class Dialog:
    """A client by hand, over TLS."""

    def __init__(self, context=None, source="127.0.0.1"):
        raw = server.connect(source=source)
        self.file = raw.makefile("rb")
        self.line()
        raw.sendall(b"STLS\r\n")
        self.line()
        context = context or server.tls_context()
        self.socket = context.wrap_socket(raw, server_hostname="localhost")
        self.file = self.socket.makefile("rb")

    def line(self):
        return self.file.readline().rstrip(b"\r\n")

    def say(self, text):
        self.socket.sendall(text.encode() + b"\r\n")
        return self.line()

    def auth(self, mechanism, initial=None):
        if initial is None:
            return self.say("AUTH " + mechanism)
        return self.say("AUTH %s %s" % (mechanism, b64(initial) or "="))

    def capa(self):
        self.socket.sendall(b"CAPA\r\n")
        lines = []
        while True:
            line = self.line()
            if line == b".":
                return lines
            lines.append(line.decode())

    def close(self):
        self.file.close()
        self.socket.close()


def b64(octets):
    octets = octets.encode() if isinstance(octets, str) else octets
    return base64.b64encode(octets).decode()


class Curl(unittest.TestCase):
    def curl(self, *options, name=NAME, source="127.0.0.1", check=True):
        return run("curl", "-sS", "--cacert", server.chain, "--interface", source,
                   "--user", name + ":", *options,
                   f"pop3s://localhost:{server.port('pop3s')}/1", check=check)

    def test_cram_md5(self):
        got = self.curl("--login-options", "AUTH=CRAM-MD5", "--user",
                        f"{APOP}:{SECRET}")
        self.assertIn(b"Subject: number 1", got.stdout)
        self.assertNotEqual(0, self.curl(
            "--login-options", "AUTH=CRAM-MD5", "--user", f"{APOP}:wrong", check=False,
            source="127.0.1.1").returncode)
        server.expect(rb'account="ann@example.org" mechanism=CRAM-MD5 source=127\.0\.1\.1')

    def test_tokens(self):
        for how in ("XOAUTH2", "OAUTHBEARER"):
            for initial in ([], ["--sasl-ir"]):
                got = self.curl("--login-options", "AUTH=" + how, "--oauth2-bearer",
                                token(issuer), *initial)
                self.assertIn(b"Subject: number 1", got.stdout)
            got = self.curl("--login-options", "AUTH=" + how, "--oauth2-bearer",
                            token(issuer, exp=1), "--sasl-ir", check=False,
                            source="127.0.1.2")
            self.assertNotEqual(got.returncode, 0)
            # this curl says OAUTHBEARER whatever it is asked for
            server.expect(rb'account="joe@example.org" mechanism=\w+ '
                          rb"source=127\.0\.1\.2 .* reason=token-expired")

    def test_external(self):
        got = self.curl("--login-options", "AUTH=EXTERNAL", "--cert",
                        client_pem + ".pem", "--key", client_pem + ".key")
        self.assertIn(b"Subject: number 1", got.stdout)


class Mpop(unittest.TestCase):
    """mpop speaks SCRAM by GNU SASL."""

    def mpop(self, method, *lines, user=NAME, password=PASSWORD):
        with tempfile.TemporaryDirectory(dir=os.environ[INSIDE]) as home:
            out = os.path.join(home, "out")
            with open(os.path.join(home, "rc"), "w", encoding="utf-8") as f:
                f.write("defaults\naccount x\nhost localhost\n"
                        f"port {server.port('pop3s')}\ntls on\ntls_starttls off\n"
                        f"tls_trust_file {server.chain}\nauth {method}\nuser {user}\n"
                        f"passwordeval \"cat {home}/password\"\n"
                        f"delivery mbox {out}\nkeep on\nuidls_file {home}/uidls\n"
                        "received_header off\n"
                        + "".join(line + "\n" for line in lines))
            os.chmod(os.path.join(home, "rc"), 0o600)
            with open(os.path.join(home, "password"), "w", encoding="utf-8") as f:
                f.write(password + "\n")
            run("mpop", "-q", "-C", os.path.join(home, "rc"), "x",
                env=dict(os.environ, HOME=home, LANG="C.UTF-8"))
            with open(out, "rb") as f:
                self.assertEqual(f.read().count(b"Subject: number"), len(MAIL))

    def test_methods(self):
        self.mpop("scram-sha-1")
        self.mpop("scram-sha-256")
        self.mpop("plain")
        self.mpop("login")
        self.mpop("cram-md5", user=APOP, password=SECRET)
        self.mpop("oauthbearer", password=token(issuer))
        self.mpop("xoauth2", password=token(issuer))
        self.mpop("external", f"tls_cert_file {client_pem}.pem",
                  f"tls_key_file {client_pem}.key")


class Gsasl(unittest.TestCase):
    """The gsasl command by its standard input and output."""

    def exchange(self, mechanism, password, source="127.0.0.1"):
        dialog = Dialog(source=source)
        client = subprocess.Popen(
            ["gsasl", "--client", "--mechanism", mechanism, "--no-cb", "--quiet",
             "--authentication-id", NAME, "--password", password, "--service", "pop",
             "--hostname", "localhost"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True, env=dict(os.environ, LANG="C.UTF-8"))
        self.assertEqual(client.stdout.readline().strip(), mechanism)
        line = dialog.say(f"AUTH {mechanism} {client.stdout.readline().strip()}")
        try:
            while line.startswith(b"+ "):
                client.stdin.write(line[2:].decode() + "\n")
                client.stdin.flush()
                # it has nothing to say to server-final, and ends
                line = dialog.say(client.stdout.readline().strip())
        finally:
            client.stdin.close()
            client.wait(PATIENCE)
            client.stdout.close()
        dialog.close()
        return line

    def test_scram(self):
        for mechanism in ("SCRAM-SHA-1", "SCRAM-SHA-256"):
            self.assertTrue(self.exchange(mechanism, PASSWORD).startswith(b"+OK"))
            self.assertTrue(self.exchange(mechanism, "wrong", "127.0.1.3")
                            .startswith(b"-ERR [AUTH]"))


class Scram(unittest.TestCase):
    """With channel binding, which Python can show of TLS 1.2 and openssl of 1.3."""

    def login(self, dialog, mechanism, kind, data, source=None):
        gs2 = f"p={kind},," if kind else "y,,"
        bare = f"n={NAME},r=rOprNGfwEbeRWgbNEkqO"
        line = dialog.auth(mechanism, gs2 + bare)
        if not line.startswith(b"+ "):
            return line
        first = base64.b64decode(line[2:]).decode()
        parts = dict(part.split("=", 1) for part in first.split(","))
        hashed = "sha1" if "SHA-1" in mechanism else "sha256"
        salted = hashlib.pbkdf2_hmac(hashed, PASSWORD.encode(),
                                     base64.b64decode(parts["s"]), int(parts["i"]))
        key = hmac.new(salted, b"Client Key", hashed).digest()
        without = f"c={b64(gs2.encode() + data)},r={parts['r']}"
        signed = f"{bare},{first},{without}".encode()
        signature = hmac.new(hashlib.new(hashed, key).digest(), signed, hashed).digest()
        proof = bytes(a ^ b for a, b in zip(key, signature))
        line = dialog.say(b64(f"{without},p={b64(proof)}"))
        if not line.startswith(b"+ "):
            return line
        server_key = hmac.new(salted, b"Server Key", hashed).digest()
        self.assertEqual(base64.b64decode(line[2:]).decode(),
                         "v=" + b64(hmac.new(server_key, signed, hashed).digest()))
        return dialog.say("")

    def test_tls_1_2(self):
        context = server.tls_context()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        for mechanism in ("SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS"):
            dialog = Dialog(context)
            unique = dialog.socket.get_channel_binding("tls-unique")
            self.assertRegex(self.login(dialog, mechanism, "tls-unique", unique), b"^.OK")
            dialog.close()
            dialog = Dialog(context)
            der = dialog.socket.getpeercert(binary_form=True)
            point = hashlib.sha256(der).digest()
            self.assertRegex(
                self.login(dialog, mechanism, "tls-server-end-point", point), b"^.OK")
            dialog.close()

    def test_binding_of_another_connection(self):
        context = server.tls_context()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        one = Dialog(context, "127.0.1.4")
        two = Dialog(context, "127.0.1.5")
        unique = two.socket.get_channel_binding("tls-unique")
        self.assertRegex(self.login(one, "SCRAM-SHA-256-PLUS", "tls-unique", unique),
                         rb"^-ERR \[AUTH\]")
        server.expect(rb"source=127\.0\.1\.4 .* reason=binding")
        one.close()
        two.close()

    def test_downgrade(self):
        dialog = Dialog(source="127.0.1.6")
        self.assertRegex(self.login(dialog, "SCRAM-SHA-256", None, b""),
                         rb"^-ERR \[AUTH\]")
        server.expect(rb"source=127\.0\.1\.6 .* reason=downgrade")
        dialog.close()

    def test_tls_1_3_exporter(self):
        """openssl s_client prints the exporter's value and carries the dialog."""
        dialog = Exporter()
        try:
            line = self.login(dialog, "SCRAM-SHA-256-PLUS", "tls-exporter",
                              dialog.exported)
            self.assertRegex(line, b"^.OK")
        finally:
            dialog.close()


class Exporter(Dialog):
    def __init__(self):
        self.process = subprocess.Popen(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port('pop3s')}",
             "-tls1_3", "-CAfile", server.chain, "-keymatexport",
             "EXPORTER-Channel-Binding", "-keymatexportlen", "32", "-nocommands",
             "-ign_eof"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.file = self.process.stdout
        for line in iter(self.file.readline, b""):
            found = re.search(rb"Keying material: ([0-9A-F]+)", line)
            if found:
                self.exported = bytes.fromhex(found.group(1).decode())
            if line.startswith(b"+OK"):
                break
        else:
            raise AssertionError("no greeting")

    def line(self):
        # s_client writes about session tickets in between
        for line in iter(self.file.readline, b""):
            if re.match(rb"[+-](OK|ERR| )", line):
                return line.rstrip(b"\r\n")
        raise AssertionError("the end")

    def say(self, text):
        self.process.stdin.write(text.encode() + b"\r\n")
        self.process.stdin.flush()
        return self.line()

    def close(self):
        self.process.stdin.close()
        self.process.kill()
        self.process.wait(PATIENCE)
        self.file.close()


class Dialogs(unittest.TestCase):
    def test_capa_is_the_same_in_both_states(self):
        dialog = Dialog()
        before = dialog.capa()
        sasl = next(line for line in before if line.startswith("SASL")).split()
        for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256",
                          "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS", "EXTERNAL",
                          "OAUTHBEARER", "XOAUTH2"):
            self.assertIn(mechanism, sasl)
        line = dialog.auth("XOAUTH2", f"user={NAME}\1auth=Bearer {token(issuer)}\1\1")
        self.assertRegex(line, b"^.OK")
        self.assertEqual(dialog.capa(), before)
        dialog.close()

    def test_token_on_its_own_line(self):
        """Microsoft's clients; and a token of nearly 9,000 octets."""
        long_one = token(issuer, groups=["g" * 60] * 100)
        self.assertGreater(len(long_one), 8000)
        for one in (token(issuer), long_one):
            dialog = Dialog()
            self.assertTrue(dialog.auth("XOAUTH2").startswith(b"+ "))
            line = dialog.say(b64(f"user={NAME}\1auth=Bearer {one}\1\1"))
            self.assertRegex(line, b"^.OK")
            dialog.close()

    def test_refused_token(self):
        for mechanism, form, answer in (
                ("XOAUTH2", f"user={NAME}\1auth=Bearer nonsense\1\1", ""),
                ("OAUTHBEARER", f"n,a={NAME},\1auth=Bearer nonsense\1\1", b64("\1"))):
            dialog = Dialog(source="127.0.1.7")
            line = dialog.auth(mechanism, form)
            self.assertTrue(line.startswith(b"+ "), line)
            self.assertIn("status", json.loads(base64.b64decode(line[2:])))
            self.assertRegex(dialog.say(answer), rb"^-ERR \[AUTH\]")
            # the connection goes on
            self.assertRegex(dialog.auth("PLAIN", f"\0{NAME}\0{PASSWORD}"), b"^.OK")
            dialog.close()

    def test_cancelled_and_malformed(self):
        dialog = Dialog()
        for mechanism in ("CRAM-MD5", "SCRAM-SHA-256", "OAUTHBEARER", "XOAUTH2"):
            self.assertTrue(dialog.auth(mechanism).startswith(b"+ "))
            self.assertTrue(dialog.say("*").startswith(b"-ERR"))
        self.assertTrue(dialog.auth("SCRAM-SHA-256", "n,,x").startswith(b"-ERR"))
        self.assertTrue(dialog.auth("XOAUTH2", "user=joe\1\1").startswith(b"-ERR"))
        self.assertTrue(dialog.auth("EXTERNAL", "").startswith(b"-ERR"))
        self.assertRegex(dialog.auth("PLAIN", f"\0{NAME}\0{PASSWORD}"), b"^.OK")
        dialog.close()

    def test_plus_only_under_tls(self):
        raw = server.connect()
        lines = raw.makefile("rb")
        lines.readline()
        raw.sendall(b"AUTH SCRAM-SHA-256-PLUS\r\n")
        self.assertTrue(lines.readline().startswith(b"-ERR"))
        raw.sendall(b"AUTH EXTERNAL =\r\n")
        self.assertTrue(lines.readline().startswith(b"-ERR"))
        lines.close()
        raw.close()

    def test_no_secret_is_logged(self):
        log = server.read_log(0.2)
        for secret in (PASSWORD, SECRET, "Bearer", "eyJ"):
            self.assertNotIn(secret.encode(), log)


class Offer(unittest.TestCase):
    """What works for somebody only is not offered, unless the administrator says so: a
    client takes the strongest mechanism and tries no other."""

    def offered(self, own, *expected):
        deadline = time.monotonic() + PATIENCE
        while True:  # auth looks at the databases every two seconds
            raw = own.connect("pop3s")
            with raw, raw.makefile("rb") as lines:
                lines.readline()
                raw.sendall(b"CAPA\r\n")
                said = []
                while (line := lines.readline()) not in (b".\r\n", b""):
                    said += line.decode().split()[1:] if line.startswith(b"SASL") else []
            if set(said) == {"PLAIN", "LOGIN", *expected}:
                return
            self.assertLess(time.monotonic(), deadline, said)
            time.sleep(0.1)

    SCRAM = ("SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS")

    def test_follows_the_accounts(self):
        own = Server()
        own.add_user("all@example.org", PASSWORD, "--apop")
        with own:
            self.offered(own, "CRAM-MD5", *self.SCRAM)
            own.add_user("plain@example.org", PASSWORD)
            self.offered(own, *self.SCRAM)
            own.command("app", "add", "all@example.org", "phone")
            self.offered(own)
            own.command("app", "del", "all@example.org", "phone")
            own.command("user", "disable", "plain@example.org")
            self.offered(own, "CRAM-MD5", *self.SCRAM)

    def test_system_accounts(self):
        own = Server(accounts=["pam:login mbox:/var/mail/%u"])
        own.accounts.append(f"sqlite:{own.database} maildir:{own.mail}/%d/%n owner _postmail")
        own.write_config()
        own.add_user("all@example.org", PASSWORD, "--apop")
        with own:
            self.offered(own)
            own.settings = "mechanisms USER PLAIN LOGIN SCRAM-SHA-256 CRAM-MD5 EXTERNAL"
            own.write_config()
            own.command("reload")
            self.offered(own, "SCRAM-SHA-256", "CRAM-MD5")


if __name__ == "__main__":
    main()
