"""The filter for fail2ban: it finds the source of a refusal, and nothing that a client makes
up looks like one. With fail2ban-regex where it is installed, else with its regular
expression in Python."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest

SOURCE = os.environ.get("POSTERN_SOURCE", os.getcwd())
FILTER = os.path.join(SOURCE, "contrib", "fail2ban", "postern.conf")
TAIL = 'mechanism=PLAIN source=192.0.2.7 listener=pop3s tls="TLSv1.3" reason='


def shown(name):
    """As src/base/log.c writes a value."""
    return "".join(chr(c) if 0x20 < c < 0x7F and chr(c) not in '"\\=' else f"\\x{c:02x}"
                   for c in name.encode())


def line(account, tail=TAIL + "password", who="postern-auth[12]", event="refused"):
    return f'{who}: v1 {event} connection=7 account="{shown(account)}" {tail}'


BANNED = [
    line("joe@example.org"),
    line("", TAIL + "unknown"),
    line("joe", 'mechanism=SCRAM-SHA-256-PLUS source=2001:db8::1 listener=pop3 tls="" '
         "reason=unknown"),
    line('x" mechanism=USER source=198.51.100.1 listener=pop3 tls="" reason=unknown'),
    line("source=198.51.100.1"),
    line("postern-auth[1]: v1 refused"),
]
LEFT = [
    line("joe", TAIL + "temporary"),
    line("joe", TAIL + "disabled"),
    line("joe", TAIL + "network"),
    line("joe", TAIL[:-8], event="login"),
    line('x source=198.51.100.1 listener=pop3 tls="" reason=unknown', TAIL + "temporary"),
    'posternd[1]: v1 refused connection=7 account="" mechanism=- source=192.0.2.7 '
    'listener=pop3 tls="" reason=temporary',
    f'pop3-gate: says="{line("joe")}"',
    f'pop3-session: says="{shown(line("joe"))}"',
    'pop3-session[3]: v1 logout connection=7 account="joe" source=192.0.2.7 retrieved=1 '
    "octets=1 deleted=0 left=1 seconds=1 reason=quit",
]
TIME = "Nov 28 03:12:01"
PREFIXES = (" mail postern: ", " mail.example.org posternd[1]: ")


def expression():
    """The filter's; fail2ban cuts the time off before."""
    with open(FILTER, encoding="ascii") as f:
        text = f.read()
    failregex = re.search(r"(?m)^failregex = (.*)$", text)[1]
    return failregex.replace("<ADDR>", r"(?P<host>[0-9a-fA-F.:]+)")


class Filter(unittest.TestCase):
    def test_in_python(self):
        wanted = re.compile(expression())
        for prefix in PREFIXES:
            for each in BANNED:
                found = wanted.search(prefix + each)
                self.assertTrue(found, each)
                self.assertIn(found["host"], ("192.0.2.7", "2001:db8::1"))
            for each in LEFT:
                self.assertIsNone(wanted.search(prefix + each), each)

    def test_every_reason_is_one_that_is_written(self):
        with open(os.path.join(SOURCE, "doc/man/postern-log.7"), encoding="ascii") as f:
            page = f.read()
        for word in re.search(r"reason=\(\?:(.*)\)\$", expression())[1].split("|"):
            self.assertRegex(page, rf"(?m)^\.It Li (.* , )?{word}( ,|$)")

    def test_with_fail2ban(self):
        tool = shutil.which("fail2ban-regex")
        if not tool:
            self.skipTest("no fail2ban-regex here (package fail2ban)")
        for lines, matched in ((BANNED, len(BANNED)), (LEFT, 0)):
            with tempfile.NamedTemporaryFile("w", suffix=".log") as log:
                log.write("".join(TIME + PREFIXES[0] + each + "\n" for each in lines))
                log.flush()
                said = subprocess.run([tool, log.name, FILTER], capture_output=True,
                                      text=True, check=False, timeout=120).stdout
            self.assertIn(f"{matched} matched", said)


if __name__ == "__main__":
    unittest.main(verbosity=2)
