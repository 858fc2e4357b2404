"""Which mechanisms the server offers, as its accounts change."""

import time
import unittest

from server import Server, main, PATIENCE

PASSWORD = "secret"


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

    SCRAM = ("SCRAM-SHA-1", "SCRAM-SHA-256")

    def test_follows_the_accounts(self):
        own = Server()
        own.add_user("all@example.org", PASSWORD, "--apop", "--scram-sha-1")
        with own:
            self.offered(own, "CRAM-MD5", *self.SCRAM)
            own.add_user("plain@example.org", PASSWORD, "--scram")
            self.offered(own, "SCRAM-SHA-256")
            own.command("app", "add", "all@example.org", "phone")
            self.offered(own)
            own.command("app", "del", "all@example.org", "phone")
            own.command("user", "disable", "plain@example.org")
            self.offered(own, "CRAM-MD5", *self.SCRAM)

    def test_by_default(self):
        """What packaged clients can finish: no keys of SCRAM that nobody asked for, and
        never a form that must be bound."""
        own = Server()
        own.add_user("joe@example.org", PASSWORD)
        with own:
            self.offered(own)
            own.command("user", "passwd", "joe@example.org", "--stdin", "--scram",
                        input=PASSWORD + "\n")
            self.offered(own, "SCRAM-SHA-256")
            own.command("user", "passwd", "joe@example.org", "--stdin", "--no-scram",
                        input=PASSWORD + "\n")
            self.offered(own)

    def test_system_accounts(self):
        own = Server(accounts=["pam:login mbox:/var/mail/%u"])
        own.accounts.append(f"sqlite:{own.database} maildir:{own.mail}/%d/%n owner _postmail")
        own.write_config()
        own.add_user("all@example.org", PASSWORD, "--apop", "--scram")
        with own:
            self.offered(own)
            own.settings = "mechanisms USER PLAIN LOGIN SCRAM-SHA-256 CRAM-MD5 EXTERNAL"
            own.write_config()
            own.command("reload")
            self.offered(own, "SCRAM-SHA-256", "CRAM-MD5")


if __name__ == "__main__":
    main()
