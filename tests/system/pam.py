"""What PAM answers and what the client hears: accounts and passwords that have expired,
modules that fail, what modules say, how long it all takes."""

import os
import time
import unittest

from pam_service import MODULE, SERVICE, service, usual
from server import SANITIZED, Server, add_unix_user, main, message, put_mbox, run


def setUpModule():
    global server
    for name in ("unixjoe", "expired"):
        add_unix_user(name, "secret")
        put_mbox(f"/var/mail/{name}", [message(1)], name)
    run("chage", "-E", "1", "expired")
    usual()
    server = Server(accounts=[], settings="pam-session on\nlimits per-source 2000")
    server.accounts = [f"pam:{SERVICE} mbox:/var/mail/%u",
                       f"sqlite:{server.database} maildir:{server.mail}/%n owner _postmail"]
    server.write_config()
    for name in ("virtual", "disabled"):
        server.add_user(name, "secret")
    server.command("user", "disable", "disabled")
    server.command("user", "import", input='{"name": "imported", "hash": "{SSHA}yI6cZwQad'
                   'OA1e+/f+T+H3eCQQhRzYWx0"}\n')
    server.start()


def tearDownModule():
    server.stop()


class Answers(unittest.TestCase):
    """What is the client's fault is [AUTH], what is ours [SYS/TEMP]; PAM's words are for
    the log."""

    number = 0

    def setUp(self):
        usual()
        Answers.number += 1
        self.source = f"127.0.9.{Answers.number}"

    def refused(self, reason, code="AUTH", name="unixjoe", password="secret"):
        client = server.poplib(source=self.source)
        client.user(name)
        with self.assertRaisesRegex(Exception, r"-ERR \[%s\]" % code) as caught:
            client.pass_(password)
        client.close()
        server.expect(rb'v1 refused [^\n]*account="%s" [^\n]*source=%s [^\n]*reason=%s\n' % (
            name.encode(), self.source.encode(), reason.encode()))
        return str(caught.exception)

    def accepted(self, name):
        client = server.poplib(source=self.source)
        client.user(name)
        client.pass_("secret")
        client.quit()

    def user(self, name, *change):
        add_unix_user(name, "secret")
        put_mbox(f"/var/mail/{name}", [message(1)], name)
        self.accepted(name)
        run(*change)

    def test_account_expired(self):
        self.refused("expired", name="expired")
        # only who knows the password learns it from the log, nobody from the reply
        self.assertEqual(self.refused("password", name="expired", password="wrong"),
                         self.refused("password", password="wrong"))

    def test_password_expired(self):
        self.user("mustchange", "chage", "-d", "0", "mustchange")
        self.refused("password-expired", name="mustchange")
        self.user("tooold", "chage", "-d", "2001-01-01", "-M", "10", "tooold")
        self.refused("password-expired", name="tooold")
        self.user("wayold", "chage", "-d", "2001-01-01", "-M", "10", "-I", "1", "wayold")
        self.refused("password-expired|expired", name="wayold")

    def test_locked(self):
        self.user("locked", "passwd", "-l", "locked")
        self.refused("password", name="locked")
        run("passwd", "-u", "locked")
        self.accepted("locked")

    def test_a_password_that_will_expire(self):
        """pam_unix tells the user: it is for the log."""
        since = len(server.read_log())
        self.user("soon", "chage", "-d", str(time.strftime(
            "%Y-%m-%d", time.gmtime(time.time() - 86400 * 5))), "-M", "10", "-W", "7", "soon")
        self.accepted("soon")
        server.expect(rb'PAM says="Warning: your password will expire in \d day', since)

    def test_nologin(self):
        service("auth required pam_unix.so\naccount requisite pam_nologin.so\n"
                "account required pam_unix.so\n")
        with open("/etc/nologin", "w", encoding="ascii") as f:
            f.write("moving to another building\n")
        try:
            self.assertNotIn("building", self.refused("denied"))
            server.expect(rb'PAM says="moving to another building')
        finally:
            os.unlink("/etc/nologin")

    def test_denied(self):
        service("auth required pam_unix.so\naccount required pam_deny.so\n")
        self.refused("denied|expired")

    def test_module_without_an_answer(self):
        for line in (f"auth required {MODULE} fault=1\n",
                     f"auth required {MODULE} crash\n",
                     "auth required /nonexistent/module.so\n",
                     "auth required pam_permit.so\n",  # asks for no password
                     f"auth required pam_unix.so\naccount required {MODULE} fault=1\n",
                     f"auth required pam_unix.so\naccount required {MODULE} crash\n",
                     "auth required pam_unix.so\naccount required pam_unix.so\n"
                     f"session required {MODULE} fault=1\n",
                     "auth required pam_unix.so\naccount required pam_unix.so\n"
                     f"session required {MODULE} crash\n"):
            with self.subTest(service=line):
                service(line)
                client = server.poplib(source=self.source)
                client.user("unixjoe")
                with self.assertRaisesRegex(Exception, r"-ERR \[SYS/TEMP\]"):
                    client.pass_("secret")
                # the connection goes on, and so does the server
                usual()
                client.user("unixjoe")
                client.pass_("secret")
                client.quit()

    def test_words(self):
        service(f"auth required {MODULE} say=for_the_log password=x\n")
        self.assertNotIn("for_the_log", self.refused("password"))
        server.expect(rb'PAM says="for_the_log"')


@unittest.skipIf(SANITIZED, "a sanitized auth takes longer than the step that it hides in")
class Times(unittest.TestCase):
    def test_refusals_take_the_same_time(self):
        """Whatever auth had to do: a hash, a module that takes its time, or both."""
        service(f"auth required {MODULE} password=secret pause=250\n"
                "account required pam_permit.so\n")
        cases = (("unixjoe", "wrong"), ("virtual", "wrong"), ("nobody-here", "wrong"),
                 ("disabled", "secret"), ("disabled", "wrong"), ("imported", "wrong"))
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


if __name__ == "__main__":
    main()
