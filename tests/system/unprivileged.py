"""A server that is started without root: SQLite accounts, every sandbox, no change of
user; system accounts and owners are refused, and the log says why."""

import encodings.idna  # before nobody may read the interpreter's own files
import os
import poplib
import re
import unittest

from server import INSIDE, SANITIZED, Server, children, main, message, put_maildir, run

PASSWORD = "secret"
JOE = "joe@example.org"
SOMEBODY = 65534


def become_somebody():
    """Whoever runs the tests as root becomes nobody, for good."""
    if os.geteuid() == 0:
        os.chmod(os.environ[INSIDE], 0o1777)
        os.setgroups([])
        os.setgid(SOMEBODY)
        os.setuid(SOMEBODY)


class Unprivileged(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        become_somebody()

    def test_serves_sqlite_accounts(self):
        server = Server()
        server.add_user(JOE, PASSWORD)
        put_maildir(server.maildir(JOE), [message(1), message(2)])
        with server:
            for kind in ("pop3", "pop3s"):
                client = server.poplib(kind)
                client.user(JOE)
                client.pass_(PASSWORD)
                self.assertEqual(client.stat()[0], 2)
                self.assertIn(b"Subject: number 1", client.retr(1)[1])
                self.assert_walls(server)
                client.quit()
            client = server.poplib("pop3s")
            client.user(JOE)
            client.pass_(PASSWORD)
            client.dele(1)
            client.quit()
        self.assertEqual(sum(len(os.listdir(f"{server.maildir(JOE)}/{part}"))
                             for part in ("new", "cur")), 1)

    def assert_walls(self, server):
        """Everybody is who started it; whoever hears a peer is behind a filter."""
        filtered = set()
        for pid in children(server.process.pid):
            try:
                with open(f"/proc/{pid}/status") as f:
                    status = f.read()
            except (FileNotFoundError, ProcessLookupError):
                continue  # a gate that has done its work
            self.assertEqual(re.search(r"^Uid:(.*)$", status, re.M).group(1).split(),
                             [str(os.getuid())] * 4)
            self.assertIn("CapEff:\t0000000000000000", status)
            # The link to the program is not readable: none of them is dumpable.
            name = re.match(r"Name:\t(.*)", status).group(1)
            self.assertIn("NoNewPrivs:\t1", status, name)
            if "Seccomp:\t2" in status:
                filtered.add(name)
        if not SANITIZED:
            self.assertLessEqual({"pop3-session", "postern-keeper"}, filtered)

    def test_system_accounts_are_refused(self):
        server = Server()
        server.accounts.append("pam:login mbox:/var/mail/%u")
        server.write_config()
        server.add_user(JOE, PASSWORD)
        put_maildir(server.maildir(JOE), [message(1)])
        with server:
            server.expect(rb"pam:login is refused: PAM needs the server to be started as root")
            client = server.poplib()
            client.user("root")
            with self.assertRaisesRegex(poplib.error_proto, r"\[AUTH\]"):
                client.pass_(PASSWORD)
            client.user(JOE)
            client.pass_(PASSWORD)
            client.quit()

    def test_check_says_so(self):
        server = Server()
        server.accounts.append("pam:login mbox:/var/mail/%u")
        server.write_config()
        server.add_user(JOE, PASSWORD)
        done = server.command("check", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, rb"problem +/etc/pam.d/login: system accounts need a "
                                      rb"server that is started as root")

    def test_port_below_1024(self):
        server = Server(listeners=["pop3 127.0.0.1:110"])
        with open("/proc/sys/net/ipv4/ip_unprivileged_port_start") as f:
            if int(f.read()) <= 110:
                self.skipTest("everybody may have port 110 here")
        done = run(os.path.join(server.programs, "posternd"), "-F", "-c", server.config,
                   check=False)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, rb"cannot listen on pop3 127\.0\.0\.1 port 110: Permission denied")


if __name__ == "__main__":
    main(root=False)
