"""postern deliver behind a real Postfix, with the transport of contrib/postfix: mail goes in
by SMTP and comes out by POP; what cannot be delivered bounces, what cannot be delivered
now stays in the queue. Postfix has a configuration and a queue of its own, and the
loopback of this test's namespace."""

import contextlib
import json
import os
import re
import selectors
import shutil
import signal
import smtplib
import subprocess
import time
import unittest

from server import (PATIENCE, SOURCE, Server, add_unix_user, main, message, run, skip,
                    wire)

PASSWORD = "secret"
JOE, ANN = "joe@example.org", "ann@example.org"
GONE = "gone@example.org"  # in Postfix's map and no account
SENDER = "sender@example.net"
SAMPLES = os.path.join(SOURCE, "contrib", "postfix")


def sample(name):
    with open(os.path.join(SAMPLES, name)) as f:
        return f.read()


class Postfix:
    """A Postfix in the foreground that delivers into a Server's maildrops."""

    def __init__(self, server):
        self.postern = f"{server.programs}/postern -c {server.config}"
        self.directory = os.path.join(server.directory, "postfix")
        self.queue = os.path.join(server.directory, "queue")
        self.data = os.path.join(server.directory, "data")
        self.users = os.path.join(self.directory, "postern-users")
        for each in (self.directory, self.queue, self.data):
            os.mkdir(each, 0o755)
        shutil.chown(self.data, "postfix")
        self.log = b""
        self.process = None

    def ours(self, text, old, new):
        """A sample's text with one thing of this test's in it."""
        if old not in text:
            raise AssertionError(f"contrib/postfix no longer says {old!r}")
        return text.replace(old, new)

    def write_config(self):
        readme = re.search(r"main\.cf: +(mailbox_command = .*)", sample("README"))
        mailbox = self.ours(readme.group(1), "/usr/bin/postern", self.postern)
        main_cf = self.ours(sample("main.cf"), "/etc/postfix/postern-users", self.users)
        transport = self.ours(sample("master.cf"), "/usr/bin/postern", self.postern)
        with open("/etc/postfix/master.cf.proto") as f:
            master_cf = re.sub(r"(?m)^(smtp +inet.*|\S+ +unix .*)$", self.no_chroot,
                               f.read())
        self.write("main.cf", main_cf + mailbox + f"""
compatibility_level = 3.6
queue_directory = {self.queue}
data_directory = {self.data}
maillog_file = /dev/stdout
inet_interfaces = loopback-only
inet_protocols = ipv4
myhostname = mx.example.org
mydestination = mx.example.org
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
message_size_limit = 0
mailbox_size_limit = 0
smtpd_peername_lookup = no
smtp_dns_support_level = disabled
smtp_host_lookup = native
minimal_backoff_time = 1000s
""")
        self.write("master.cf", master_cf + transport)

    @staticmethod
    def no_chroot(line):
        fields = line.group(0).split()
        fields[4] = "n"
        return " ".join(fields)

    def write(self, name, text):
        with open(os.path.join(self.directory, name), "w") as f:
            f.write(text)

    def start(self):
        self.write_config()
        self.write("postern-users", "".join(f"{each} x\n" for each in (JOE, ANN, GONE)))
        run("postmap", "-c", self.directory, "hash:" + self.users)
        self.process = subprocess.Popen(
            ["postfix", "-c", self.directory, "start-fg"], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.expect(rb"daemon started")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE)
        self.process.stdout.close()

    def expect(self, pattern, since=0):
        """Waits until the log (from octet `since` on) matches; returns the match."""
        deadline = time.monotonic() + PATIENCE
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while not (found := re.search(pattern, self.log[since:])):
                left = deadline - time.monotonic()
                part = left > 0 and selector.select(left) and self.process.stdout.read()
                if not part:
                    raise AssertionError(f"the log has no {pattern!r}:\n"
                                         + self.log.decode(errors="replace"))
                self.log += part
        return found

    def outcome(self, recipient, since):
        """How the delivery to recipient ended: (sent|deferred|bounced, dsn)."""
        found = self.expect(rb"to=<%s>,.* dsn=([0-9.]+), status=(\w+) \((.*)\)"
                            % re.escape(recipient.encode()), since)
        dsn, state, reason = (each.decode() for each in found.groups())
        return state, dsn, reason

    def submit(self, octets, *recipients, sender=SENDER):
        """By SMTP; returns where in the log it was handed in."""
        since = len(self.log)
        with smtplib.SMTP("127.0.0.1", 25, timeout=PATIENCE) as client:
            client.sendmail(sender, recipients, wire(octets), ["BODY=8BITMIME"])
        return since

    def queued(self):
        """The recipients that wait in the queue."""
        lines = run("postqueue", "-c", self.directory, "-j").stdout.splitlines()
        return sorted(each["address"] for line in lines
                      for each in json.loads(line)["recipients"])

    def flush(self):
        since = len(self.log)
        run("postqueue", "-c", self.directory, "-f")
        return since


class Delivery(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with open("/etc/pam.d/postern-test", "w") as f:
            f.write("auth required pam_unix.so\naccount required pam_unix.so\n")
        add_unix_user("homer", PASSWORD)
        cls.server = server = Server(certificate=False)
        server.accounts += ["pam:postern-test mbox:/var/mail/%u"]
        server.write_config()
        server.add_user(JOE, PASSWORD)
        server.add_user(ANN, PASSWORD)
        server.start()
        cls.addClassCleanup(server.stop)
        cls.postfix = Postfix(server)
        cls.postfix.start()
        cls.addClassCleanup(cls.postfix.stop)

    def setUp(self):
        """Empty maildrops, an empty queue."""
        run("postsuper", "-c", self.postfix.directory, "-d", "ALL")
        shutil.rmtree(os.path.join(self.server.mail, "example.org"), ignore_errors=True)
        with open("/var/mail/homer", "wb"):
            shutil.chown("/var/mail/homer", "homer", "mail")
        os.chmod("/var/mail/homer", 0o600)

    def sent(self, recipient, since):
        state, dsn, reason = self.postfix.outcome(recipient, since)
        self.assertEqual((state, dsn), ("sent", "2.0.0"), reason)

    def fetch(self, name):
        """All of a maildrop; STAT, LIST and RETR tell the same octets."""
        client = self.server.poplib()
        client.user(name)
        client.pass_(PASSWORD)
        count, octets = client.stat()
        found = [b"\r\n".join(client.retr(i + 1)[1]) + b"\r\n" for i in range(count)]
        sizes = [int(each.split()[1]) for each in client.list()[1]]
        client.quit()
        self.assertEqual(sizes, [len(each) for each in found])
        self.assertEqual(octets, sum(sizes))
        return found

    def check(self, fetched, recipient, expected, sender=SENDER):
        """Return-Path, Delivered-To, Postfix's Received, then what was handed in."""
        fetched = re.sub(rb"\r\nX-Original-To: [^\r]*", b"", fetched, count=1)  # of local(8)
        head = b"Return-Path: <%s>\r\nDelivered-To: %s\r\nReceived: from " % (
            sender.encode(), recipient.encode())
        self.assertEqual(fetched[:len(head)], head)
        received, _, rest = fetched[len(head):].partition(b"(Postfix)")
        self.assertNotIn(b"\n\n", received)
        rest = re.sub(rb"^[^\n]*\n([ \t][^\n]*\n)*", b"", rest, count=1)
        self.assertEqual(rest, wire(expected))

    def test_maildir(self):
        bodies = ["plain\n", ".\n..\n...dots\n", "From here\n>From there\n", "",
                  "\n\n\nlines\n\n\n", "8-bit: äöü €\n", "no line end",
                  ("z" * 69 + "\n") * 30000]
        for i, body in enumerate(bodies):
            since = self.postfix.submit(message(i, body), JOE)
            self.sent(JOE, since)
        found = self.fetch(JOE)
        self.assertEqual(len(found), len(bodies))
        for i, body in enumerate(bodies):
            self.check(found[i], JOE, message(i, body))

    def test_both_recipients(self):
        """Each gets one with his own name in it, and what fails for one is kept for one."""
        since = self.postfix.submit(message(1), JOE, ANN)
        for each in (JOE, ANN):
            self.sent(each, since)
            found = self.fetch(each)
            self.assertEqual(len(found), 1)
            self.check(found[0], each, message(1))

    def test_null_sender(self):
        since = self.postfix.submit(message(1), JOE, sender="")
        self.sent(JOE, since)
        self.check(self.fetch(JOE)[0], JOE, message(1), sender="")

    def test_mbox(self):
        """A system user's mbox, by local(8) as that user."""
        homer = "homer@mx.example.org"
        bodies = ["plain\n", ".\n..\n", "From here\n>From there\n", "äöü\n\n\n"]
        for i, body in enumerate(bodies):
            since = self.postfix.submit(message(i, body), homer)
            self.sent(homer, since)
        found = self.fetch("homer")
        self.assertEqual(len(found), len(bodies))
        bodies[2] = ">From here\n>>From there\n"
        for i, body in enumerate(bodies):
            self.check(found[i], homer, message(i, body))

    def test_unknown(self):
        with self.assertRaises(smtplib.SMTPRecipientsRefused) as refused:
            self.postfix.submit(message(1), "nobody@example.org")
        code, text = refused.exception.recipients["nobody@example.org"]
        self.assertEqual(code, 550)
        self.assertIn(b"5.1.1", text)

    def test_unknown_to_postern_alone(self):
        """The map is older than the accounts, which the transport's user may read here:
        EX_NOUSER bounces, and the sender is told."""
        for each in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                shutil.chown(self.server.database + each, "root", "_postmail")
                os.chmod(self.server.database + each, 0o640)
        since = self.postfix.submit(message(1), GONE, sender=JOE)
        outcome = self.postfix.outcome(GONE, since)
        self.assertEqual(outcome[:2], ("bounced", "5.1.1"), outcome)
        self.sent(JOE, since)
        bounce = self.fetch(JOE)[0]
        self.assertTrue(bounce.startswith(b"Return-Path: <>\r\n"), bounce[:200])
        self.assertIn(b"Status: 5.1.1\r\n", bounce)
        self.assertIn(b"there is no account 'gone@example.org'", bounce)
        self.assertEqual(self.postfix.queued(), [])

    def kept_until(self, recipient, mend, octets=message(1)):
        """Delivery fails for now and mail stays in the queue; mended, it is delivered."""
        since = self.postfix.submit(octets, recipient)
        state, dsn, reason = self.postfix.outcome(recipient, since)
        self.assertEqual((state, dsn[:2]), ("deferred", "4."), reason)
        self.assertEqual(self.postfix.queued(), [recipient])
        mend()
        since = self.postfix.flush()
        self.sent(recipient, since)
        self.assertEqual(self.postfix.queued(), [])

    def test_unreadable_maildir(self):
        self.server.deliver(JOE, [])
        path = self.server.maildir(JOE)
        os.chmod(path, 0)
        self.kept_until(JOE, lambda: os.chmod(path, 0o700))
        found = self.fetch(JOE)
        self.assertEqual(len(found), 1)
        self.check(found[0], JOE, message(1))

    def test_full_maildir(self):
        domain = os.path.dirname(self.server.maildir(JOE))
        os.makedirs(domain)
        run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", domain)
        self.addCleanup(run, "umount", "-l", domain)
        shutil.chown(domain, "_postmail", "_postmail")
        large = message(1, ("x" * 70 + "\n") * 2000)
        self.kept_until(JOE, lambda: run("mount", "-o", "remount,size=1m", domain), large)
        found = self.fetch(JOE)
        self.assertEqual(len(found), 1)
        self.check(found[0], JOE, large)

    def test_unreadable_mbox(self):
        os.chmod("/var/mail/homer", 0)
        self.kept_until("homer@mx.example.org",
                        lambda: os.chmod("/var/mail/homer", 0o600))
        self.check(self.fetch("homer")[0], "homer@mx.example.org", message(1))


if __name__ == "__main__":
    if not shutil.which("postfix"):
        skip("no postfix")
    main()
