"""PAM sessions around mail sessions, and modules that block, through the whole server."""

import os
import signal
import time
import unittest

from pam_service import MODULE, SERVICE, record, service, usual
from server import Server, add_unix_user, children, main, message, program_of, put_mbox, \
    PATIENCE


def setUpModule():
    global server
    add_unix_user("unixjoe", "secret")
    put_mbox("/var/mail/unixjoe", [message(1)], "unixjoe")
    usual()
    server = Server(accounts=[f"pam:{SERVICE} mbox:/var/mail/%u"],
                    settings="pam-session on\nlimits per-source 2000")
    server.start()


def tearDownModule():
    server.stop()


def until(true):
    deadline = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > deadline:
            raise AssertionError(f"it does not come true; log:\n{server.read_log()}")
        server.read_log(0.02)


class Sessions(unittest.TestCase):
    def setUp(self):
        usual()
        if os.path.exists(record()):
            os.unlink(record())

    def lines(self):
        if not os.path.exists(record()):
            return []
        with open(record(), encoding="ascii") as f:
            told = [line.split() for line in f]
        # as root, about the user, with the client's address
        self.assertTrue(all(line[1:] == ["unixjoe", self.source, "uid=0"] for line in told),
                        told)
        return [line[0] for line in told]

    source = "127.0.0.1"

    def login(self, **how):
        since = len(server.read_log())
        client = server.poplib(**how)
        client.user("unixjoe")
        client.pass_("secret")
        self.assertEqual(self.lines(), ["open"])
        self.assertEqual(client.stat()[0], 1)
        server.expect(rb'v1 login [^\n]*account="unixjoe"', since)
        return client

    def closed(self):
        until(lambda: self.lines() == ["open", "close"])

    def test_quit(self):
        for how in ({}, {"kind": "pop3s"}):
            client = self.login(**how)
            time.sleep(0.2)
            self.assertEqual(self.lines(), ["open"])
            client.quit()
            self.closed()
            os.unlink(record())

    def test_line_that_drops(self):
        client = self.login()
        client.close()
        self.closed()

    def test_session_that_is_killed(self):
        client = self.login()
        sessions = [pid for pid in children(server.process.pid)
                    if program_of(pid) == "pop3-session" and owner(pid) != 0]
        self.assertEqual(len(sessions), 1)
        os.kill(sessions[0], signal.SIGKILL)
        self.closed()
        client.close()

    def test_no_process_stays(self):
        for _ in range(5):
            self.login().quit()
            self.closed()
            os.unlink(record())
        until(lambda: len([pid for pid in children(server.process.pid)
                           if program_of(pid) == "postern-auth"]) == 1)


def owner(pid):
    return os.stat(f"/proc/{pid}").st_uid


class WhileOneIsBlocked(unittest.TestCase):
    def blocked(self, text, source):
        service(text)
        slow = server.poplib(source=source)
        slow.user("unixjoe")
        slow.sock.sendall(b"PASS secret\r\n")
        until(lambda: os.path.exists(record() + "2"))
        os.unlink(record() + "2")
        usual()
        began = time.monotonic()
        client = server.poplib()
        client.user("unixjoe")
        client.pass_("secret")
        client.quit()
        self.assertLess(time.monotonic() - began, 15)
        slow.close()

    def test_blocked_for_30_seconds(self):
        """Whichever of a module's functions it is."""
        block = f"{MODULE} password=secret block=30 record={record()}2\n"
        self.blocked("auth required " + block, "127.0.2.1")
        self.blocked("auth required pam_unix.so\naccount required " + block, "127.0.2.2")
        self.blocked("auth required pam_unix.so\naccount required pam_unix.so\n"
                     "session required " + block, "127.0.2.3")


if __name__ == "__main__":
    main()
