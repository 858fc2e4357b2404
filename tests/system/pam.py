"""PAM in depth through the whole server: sessions around mail sessions, modules that
block, accounts that have expired, what modules say."""

import os
import signal
import time
import unittest

from server import Server, add_unix_user, children, main, message, program_of, put_mbox, \
    run, BUILD, INSIDE, PATIENCE

MODULE = os.path.join(os.path.abspath(BUILD), "tests/dialog/pam_test.so")


def service(text):
    with open("/etc/pam.d/postern-test", "w", encoding="ascii") as f:
        f.write(text)


def setUpModule():
    global server, record
    record = os.path.join(os.environ[INSIDE], "record")
    for name in ("unixjoe", "expired"):
        add_unix_user(name, "secret")
        put_mbox(f"/var/mail/{name}", [message(1)], name)
    run("chage", "-E", "1", "expired")
    usual()
    server = Server(accounts=[], settings="pam-session on\nlimits per-source 2000")
    server.accounts = ["pam:postern-test mbox:/var/mail/%u",
                       f"sqlite:{server.database} maildir:{server.mail}/%n owner _postmail"]
    server.write_config()
    for name in ("virtual", "disabled"):
        server.add_user(name, "secret")
    server.command("user", "disable", "disabled")
    server.start()


def tearDownModule():
    server.stop()


def usual():
    service("auth required pam_unix.so\naccount required pam_unix.so\n"
            f"session required {MODULE} record={record}\n")


def until(true):
    deadline = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > deadline:
            raise AssertionError(f"it does not come true; log:\n{server.read_log()}")
        server.read_log(0.02)


class Sessions(unittest.TestCase):
    def setUp(self):
        usual()
        if os.path.exists(record):
            os.unlink(record)

    def lines(self):
        if not os.path.exists(record):
            return []
        with open(record, encoding="ascii") as f:
            return [line.split()[0] for line in f]

    def login(self, **how):
        client = server.poplib(**how)
        client.user("unixjoe")
        client.pass_("secret")
        self.assertEqual(self.lines(), ["open"])
        self.assertEqual(client.stat()[0], 1)
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
            os.unlink(record)

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
            os.unlink(record)
        until(lambda: len([pid for pid in children(server.process.pid)
                           if program_of(pid) == "postern-auth"]) == 1)


def owner(pid):
    return os.stat(f"/proc/{pid}").st_uid


class Modules(unittest.TestCase):
    def test_blocked_for_30_seconds(self):
        service(f"auth required {MODULE} password=secret block=30 record={record}2\n"
                "account required pam_permit.so\n")
        slow = server.poplib(source="127.0.2.1")
        slow.user("unixjoe")
        slow.sock.sendall(b"PASS secret\r\n")
        until(lambda: os.path.exists(record + "2"))
        usual()
        began = time.monotonic()
        client = server.poplib()
        client.user("unixjoe")
        client.pass_("secret")
        client.quit()
        self.assertLess(time.monotonic() - began, 15)
        slow.close()

    def test_refusals_take_the_same_time(self):
        """Whatever auth had to do: a hash, a module that takes its time, or both."""
        service(f"auth required {MODULE} password=secret pause=250\n"
                "account required pam_permit.so\n")
        cases = (("unixjoe", "wrong"), ("virtual", "wrong"), ("nobody-here", "wrong"),
                 ("disabled", "secret"), ("disabled", "wrong"))
        taken = dict.fromkeys(cases, float("inf"))
        # A busy machine only adds: what is left of a true difference in the fastest of
        # many turns is a true difference.
        for turn in range(15):
            for i, case in enumerate(cases):
                client = server.poplib(source=f"127.0.{3 + turn}.{i + 1}")
                client.user(case[0])
                began = time.monotonic()
                with self.assertRaisesRegex(Exception, r"\[AUTH\]"):
                    client.pass_(case[1])
                taken[case] = min(taken[case], time.monotonic() - began)
                client.close()
            if turn >= 2 and max(taken.values()) - min(taken.values()) < 0.2:
                return
        self.fail(taken)

    def test_expired(self):
        usual()
        client = server.poplib(source="127.0.2.2")
        client.user("expired")
        with self.assertRaisesRegex(Exception, r"\[AUTH\]"):
            client.pass_("secret")
        server.expect(rb'account="expired" .* reason=expired')
        client.close()

    def test_fault_and_words(self):
        service(f"auth required {MODULE} say=for_the_log fault=1\n")
        client = server.poplib(source="127.0.2.3")
        client.user("unixjoe")
        with self.assertRaisesRegex(Exception, r"\[SYS/TEMP\]") as caught:
            client.pass_("secret")
        self.assertNotIn("for_the_log", str(caught.exception))
        server.expect(rb'PAM says="for_the_log"')
        client.close()


if __name__ == "__main__":
    main()
