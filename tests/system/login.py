"""Logins through real processes to real mail: Unix users by PAM, virtual users in
SQLite, over plain, STLS and TLS, IPv4 and IPv6, with the clients that people use."""

import os
import poplib
import re
import subprocess
import tempfile
import unittest

import fetchers
from server import (Server, add_unix_user, exchange, main, message, put_maildir,
                    put_mbox, run, wire, INSIDE)

PASSWORD = " pass word with spaces "
MAIL = [message(1), message(2, "8 bits: Gr\u00fc\u00dfe\n"), message(3, "no line end"),
        message(4, ""), message(5, ".\n..\n.dot\r\n\r\nCR here\rand on\n")]
WIRE = [wire(each) for each in MAIL]
WAYS = [("pop3", False), ("pop3", True), ("pop3s", False)]


def setUpModule():
    global server
    add_unix_user("unixjoe", PASSWORD)
    add_unix_user("unixann", PASSWORD)
    put_mbox("/var/mail/unixjoe", MAIL, "unixjoe")
    put_maildir("/home/unixann/Maildir", MAIL, "unixann")
    with open("/etc/pam.d/postern-test", "w") as f:
        f.write("auth required pam_unix.so\naccount required pam_unix.so\n")
    server = Server(accounts=[], settings="limits per-source 2000 connections 4000\n")
    server.accounts = [
        "pam:postern-test mbox:/var/mail/%u",
        f"sqlite:{server.database} maildir:{server.mail}/%d/%n owner _postmail"]
    server.write_config()
    server.add_user("joe@example.org", PASSWORD)
    server.add_user("boxed@example.org", PASSWORD, "--maildrop",
                    f"mbox:{server.mail}/boxed.mbox")
    server.add_user("empty@example.org", PASSWORD)
    server.add_user("apop@example.org", PASSWORD, "--apop")
    for name in ("joe@example.org", "apop@example.org"):
        server.deliver(name, MAIL)
    put_mbox(f"{server.mail}/boxed.mbox", MAIL, "_postmail")
    server.start()


def tearDownModule():
    server.stop()


class Python(unittest.TestCase):
    """poplib, over every way in, for every kind of account."""

    def fetch(self, client, name, password=PASSWORD):
        client.user(name)
        client.pass_(password)
        count, octets = client.stat()
        self.assertEqual((count, octets), (len(WIRE), sum(map(len, WIRE))))
        for i, expected in enumerate(WIRE):
            lines = client.retr(i + 1)[1]
            self.assertEqual(b"\r\n".join(lines) + b"\r\n", expected)
        self.assertEqual([int(x.split()[1]) for x in client.list()[1]], list(map(len, WIRE)))
        self.assertEqual(len(set(client.uidl()[1])), len(WIRE))
        client.quit()

    def test_every_way(self):
        for host in ("127.0.0.1", "::1"):
            for kind, stls in WAYS:
                for name in ("joe@example.org", "boxed@example.org", "unixjoe"):
                    with self.subTest(host=host, kind=kind, stls=stls, name=name):
                        self.fetch(server.poplib(kind, host, stls), name)

    def test_apop(self):
        client = server.poplib()
        client.apop("apop@example.org", PASSWORD)
        self.assertEqual(client.stat()[0], len(MAIL))
        client.quit()

    def test_empty_maildrop(self):
        client = server.poplib()
        client.user("empty@example.org")
        client.pass_(PASSWORD)
        self.assertEqual(client.stat(), (0, 0))
        client.quit()

    def test_refused(self):
        for i, (name, password) in enumerate((
                ("joe@example.org", "wrong"), ("nobody@example.org", PASSWORD),
                ("unixjoe", "wrong"), ("root", PASSWORD), ("../joe", PASSWORD))):
            with self.subTest(name=name):
                client = server.poplib(source=f"127.0.1.{i + 1}")
                client.user(name)
                with self.assertRaisesRegex(poplib.error_proto, r"-ERR \[AUTH\]"):
                    client.pass_(password)
                client.close()

    def test_refusals_look_the_same(self):
        replies = set()
        for i, (name, password) in enumerate((
                ("joe@example.org", "wrong"), ("nobody@example.org", "x"),
                ("unixjoe", "wrong"), ("nounix", "x"))):
            client = server.poplib(source=f"127.0.2.{i + 1}")
            client.user(name)
            with self.assertRaises(poplib.error_proto) as caught:
                client.pass_(password)
            replies.add(str(caught.exception))
            client.close()
        self.assertEqual(len(replies), 1)

    def test_deletion(self):
        server.add_user("dele@example.org", PASSWORD)
        server.deliver("dele@example.org", MAIL)
        client = server.poplib(stls=True)
        client.user("dele@example.org")
        client.pass_(PASSWORD)
        ids = client.uidl()[1]
        client.dele(2)
        client.dele(4)
        client.quit()
        client = server.poplib("pop3s")
        client.user("dele@example.org")
        client.pass_(PASSWORD)
        self.assertEqual([x.split()[1] for x in client.uidl()[1]],
                         [ids[i].split()[1] for i in (0, 2, 4)])
        client.quit()

    def test_no_deletion_without_quit(self):
        client = server.poplib()
        client.user("boxed@example.org")
        client.pass_(PASSWORD)
        client.dele(1)
        client.close()
        server.expect(rb'v1 logout [^\n]*account="boxed@example.org"[^\n]*reason=disconnect')
        self.fetch(server.poplib(), "boxed@example.org")

    def test_one_session_per_maildrop(self):
        server.add_user("busy@example.org", PASSWORD)
        first = server.poplib()
        first.user("busy@example.org")
        first.pass_(PASSWORD)
        second = server.poplib()
        second.user("busy@example.org")
        with self.assertRaisesRegex(poplib.error_proto, r"-ERR \[IN-USE\].*second"):
            second.pass_(PASSWORD)
        second.close()
        first.quit()


class Programs(unittest.TestCase):
    """The clients in Debian."""

    def setUp(self):
        self.home = tempfile.mkdtemp(dir=os.environ[INSIDE])
        self.environment = dict(os.environ, HOME=self.home, LC_ALL="C")

    def write(self, name, text):
        path = os.path.join(self.home, name)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, 0o600)
        return path

    def test_curl(self):
        for kind, options in (("pop3", []), ("pop3", ["--ssl-reqd"]), ("pop3s", [])):
            for mechanism in ("", "AUTH=PLAIN", "AUTH=LOGIN"):
                with self.subTest(kind=kind, options=options, mechanism=mechanism):
                    login = ["--login-options", mechanism] if mechanism else []
                    got = run("curl", "-sS", "--cacert", server.chain, *options, *login,
                              "--user", f"joe@example.org:{PASSWORD}",
                              f"{kind}://localhost:{server.port(kind)}/2").stdout
                    self.assertEqual(got, WIRE[1])

    def test_curl_wrong_password(self):
        done = run("curl", "-sS", "--interface", "127.0.3.1", "--user", "joe@example.org:no",
                   f"pop3://127.0.0.1:{server.port()}/1", check=False)
        self.assertEqual(done.returncode, 67)  # CURLE_LOGIN_DENIED

    def collected(self, path):
        with open(path, "rb") as f:
            return f.read()

    def test_fetchmail(self):
        for options in ("sslproto ''", "sslproto 'auto' sslcertck sslcertfile " + server.chain,
                        "ssl sslcertck sslcertfile " + server.chain):
            with self.subTest(options=options):
                kind = "pop3s" if options.startswith("ssl ") else "pop3"
                out = os.path.join(self.home, "out")
                open(out, "w").close()
                rc = self.write("fetchmailrc", f"""
poll localhost service {server.port(kind)} protocol pop3 timeout 50
  user "joe@example.org" password "{PASSWORD}" {options} keep fetchall
  mda "cat >>{out}"
""")
                done = run("fetchmail", "-f", rc, "--nosyslog", "--idfile",
                           os.path.join(self.home, "ids"), "--pidfile",
                           os.path.join(self.home, "pid"), env=self.environment, check=False)
                self.assertEqual(done.returncode, 0, done.stdout.decode())
                got = self.collected(out)
                for number in range(1, 6):
                    self.assertIn(b"Subject: number %d\n" % number, got)

    def test_mpop(self):
        for tls, kind in (("off", "pop3"), ("on", "pop3"), ("on", "pop3s")):
            with self.subTest(tls=tls, kind=kind):
                box = os.path.join(self.home, f"box-{tls}-{kind}")
                rc = self.write("mpoprc", f"""
account default
host localhost
port {server.port(kind)}
tls {tls}
tls_starttls {'on' if kind == 'pop3' else 'off'}
tls_trust_file {server.chain}
auth user
user joe@example.org
password {PASSWORD}
keep on
uidls_file {self.home}/uidls-{tls}-{kind}
delivery mbox {box}
""".replace(f"password {PASSWORD}", f'passwordeval "printf %s \'{PASSWORD}\'"'))
                run("mpop", "-C", rc, env=self.environment)
                self.assertEqual(self.collected(box).count(b"\nSubject: number "), 5)

    def test_getmail(self):
        # Its configuration knows no spaces around a password.
        server.add_user("getmail@example.org", PASSWORD.strip())
        server.deliver("getmail@example.org", MAIL)
        got = fetchers.getmail(server, "getmail@example.org", PASSWORD.strip())
        self.assertEqual(got.count(b"\nSubject: number "), 5, got)


class Pipelined(unittest.TestCase):
    """Bytes that came early are never lost, and nothing stays behind."""

    COMMANDS = (b"USER joe@example.org\r\nPASS " + PASSWORD.encode() +
                b"\r\nSTAT\r\nLIST\r\nUIDL\r\nRETR 5\r\nTOP 1 0\r\nNOOP\r\nQUIT\r\n")

    def expected(self):
        """What the server says to COMMANDS, less the greeting."""
        connection = server.connect()
        received = b""
        stream = connection.makefile("rwb")
        greeting = stream.readline()
        for command in self.COMMANDS.split(b"\r\n")[:-1]:
            stream.write(command + b"\r\n")
            stream.flush()
            received += stream.readline()
            if command in (b"LIST", b"UIDL") or command[:4] in (b"RETR", b"TOP "):
                while not received.endswith(b"\r\n.\r\n"):
                    received += stream.readline()
        self.assertTrue(greeting.startswith(b"+OK"))
        connection.close()
        return received

    def one(self, kind):
        return exchange(server.connect(kind), self.COMMANDS).partition(b"\r\n")[2]

    def test_in_one_segment(self):
        expected = self.expected()
        dot_stuffed = WIRE[4].replace(b"\r\n.", b"\r\n..")
        self.assertIn(dot_stuffed + b".\r\n", expected)
        self.assertEqual(self.one("pop3"), expected)
        self.assertEqual(self.one("pop3s"), expected)

    def test_1600_logins(self):
        import concurrent.futures
        from server import descriptors
        names = [f"many{i}@example.org" for i in range(16)]
        for name in names:
            server.add_user(name, PASSWORD)
            server.deliver(name, MAIL)
        expected = self.expected()
        before = descriptors(server.process.pid)

        def hundred(name):
            commands = self.COMMANDS.replace(b"joe@example.org", name.encode())
            for i in range(100):
                kind = "pop3s" if i % 4 == 3 else "pop3"
                got = exchange(server.connect(kind), commands).partition(b"\r\n")[2]
                if got != expected:
                    return got
            return None
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            for wrong in pool.map(hundred, names):
                self.assertIsNone(wrong)
        deadline = __import__("time").monotonic() + 30
        while descriptors(server.process.pid) > before:
            self.assertLess(__import__("time").monotonic(), deadline)
            server.read_log(0.05)


class Policy(unittest.TestCase):
    def test_uids_of_the_processes(self):
        from server import children, program_of
        client = server.poplib()
        client.user("unixjoe")
        client.pass_(PASSWORD)
        tls = server.poplib("pop3s")
        tls.user("joe@example.org")
        tls.pass_(PASSWORD)
        uids = {}
        for pid in children(server.process.pid):
            try:
                with open(f"/proc/{pid}/status") as f:
                    status = f.read()
            except FileNotFoundError:
                continue  # one of the logins before, which has just ended
            uid = re.search(r"^Uid:\t(\d+)\t(\d+)\t(\d+)", status, re.M).groups()
            uids.setdefault(program_of(pid), set()).add(uid)
        ident = lambda name: (subprocess.check_output(["id", "-u", name], text=True).strip(),) * 3
        self.assertEqual(uids["pop3-gate"], {ident("_postern")})
        self.assertEqual(uids["pop3-session"],
                         {("0",) * 3, ident("unixjoe"), ident("_postmail")})
        client.quit()
        tls.quit()

    def test_missing_and_unreadable_maildrops(self):
        server.add_user("closed@example.org", PASSWORD)
        path = server.maildir("closed@example.org")
        server.deliver("closed@example.org", MAIL)
        os.chown(path, 0, 0)
        os.chmod(path, 0o700)
        client = server.poplib()
        client.user("closed@example.org")
        with self.assertRaisesRegex(poplib.error_proto, r"-ERR \[SYS/PERM\]"):
            client.pass_(PASSWORD)
        client.close()
        line = server.expect(rb"v1 maildrop [^\n]*closed@example.org[^\n]*").group(0)
        self.assertIn(path.encode(), line)
        self.assertIn(b"Permission denied", line)


if __name__ == "__main__":
    main()
