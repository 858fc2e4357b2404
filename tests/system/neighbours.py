"""Sessions beside the mail programs of Debian, in a directory like Debian's /var/mail,
where the owner of an mbox may make no dotlock: whatever they do at the same time, no mail
is lost, none is torn, and nobody waits for ever.

Each real program is a skip where it is missing."""

import fcntl
import glob
import grp
import os
import pty
import pwd
import re
import shutil
import subprocess
import tempfile
import threading
import time
import unittest

import dovecot
import hold
import sessions
from server import INSIDE, PATIENCE, add_unix_user, main, message, put_mbox, run

SPOOL = "/var/mail/joe"
DOTLOCK = SPOOL + ".lock"


def missing(*programs):
    return [each for each in programs if not shutil.which(each)]


def needs(*programs):
    return unittest.skipIf(missing(*programs), f"there is no {', '.join(missing(*programs))}")


class Terminal:
    """A program of joe's on a terminal of its own, whose screen nobody sees."""

    def __init__(self, home, *command):
        joe = pwd.getpwnam("joe")
        self.terminal, theirs = pty.openpty()
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            cwd=home, user=joe.pw_uid, group=joe.pw_gid, extra_groups=[],
            env={"HOME": home, "USER": "joe", "LOGNAME": "joe", "MAIL": SPOOL,
                 "TERM": "vt100", "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"})
        os.close(theirs)
        self.screen = b""
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        while True:
            try:
                octets = os.read(self.terminal, 65536)
            except OSError:  # the other end is closed
                break
            if not octets:
                break
            self.screen += octets

    def wait(self):
        """Who was startled by a change of the mailbox has forgotten that it was to quit."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self.process.wait(1)
                break
            except subprocess.TimeoutExpired:
                os.write(self.terminal, b"q")
            if time.monotonic() > deadline:
                self.process.kill()
                self.process.wait()
                raise AssertionError(f"it does not end: {self.screen[-600:]!r}")
        self.reader.join(PATIENCE)
        os.close(self.terminal)


class Neighbours(unittest.TestCase):
    def setUp(self):
        try:
            self.joe = pwd.getpwnam("joe")
        except KeyError:
            add_unix_user("joe", "secret")
            self.joe = pwd.getpwnam("joe")
        self.home = tempfile.mkdtemp(dir=os.environ[INSIDE])
        os.chown(self.home, self.joe.pw_uid, self.joe.pw_gid)
        for each in glob.glob("/var/mail/*"):
            os.unlink(each)
        self.server = sessions.Server()
        self.addCleanup(self.server.close)

    # --- what they share ---

    def login(self):
        client = self.server.login(SPOOL, hold.MBOX, patience=PATIENCE, uid=self.joe.pw_uid,
                                   gid=self.joe.pw_gid)
        self.addCleanup(client.end.close)
        return client

    def as_joe(self, *command, input=None, groups=()):
        return subprocess.run(
            command, input=input, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=PATIENCE, cwd="/", user=self.joe.pw_uid, group=self.joe.pw_gid,
            extra_groups=list(groups), check=False,
            env={"HOME": self.home, "USER": "joe", "LOGNAME": "joe", "PATH": "/usr/bin:/bin"})

    def put(self, name, text, mode=0o600):
        path = os.path.join(self.home, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, mode)
        os.chown(path, self.joe.pw_uid, self.joe.pw_gid)
        return path

    def stored(self):
        """The mbox's messages by their subjects; each is whole."""
        with open(SPOOL, "rb") as f:
            octets = f.read()
        if not octets:
            return []
        self.assertTrue(octets.startswith(b"From "), octets[:200])
        found = []
        for part in re.split(rb"(?m)^From .*\n", octets)[1:]:
            subject = re.search(rb"(?m)^Subject: (.*)$", part).group(1).decode()
            if "INTERNAL DATA" in subject:
                continue  # Dovecot's or c-client's own
            self.assertIn(b"begins " + subject.encode() + b"\n", part)
            self.assertIn(b"ends " + subject.encode() + b"\n", part)
            found.append(subject)
        return found

    def fill(self, subjects, size=200):
        put_mbox(SPOOL, [mail(each, size) for each in subjects], "joe")

    def commit_slowly(self, client, marks, writes, delay):
        """Marks, then QUIT, with a delay somewhere (as strace wants it). Returns when so
        many writes were made: the thread that ends with the commit, and what it was
        told."""
        self.trace = os.path.join(self.home, "trace")
        for number in marks:
            client.ask(f"DELE {number}", "+OK")
        pid = self.server.pid(client)
        strace = subprocess.Popen(
            ["strace", "-f", "-p", str(pid), "-o", self.trace, "-e",
             "trace=pwrite64,ftruncate", "-e", f"inject={delay}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if b"attached" not in strace.stderr.readline():
            strace.wait()
            self.skipTest("strace may not attach here")
        said = []
        thread = threading.Thread(target=lambda: said.append(client.ask("QUIT", "")))
        thread.start()
        wait_for(lambda: said or self.writes() >= writes)
        self.addCleanup(strace.wait)
        self.addCleanup(strace.terminate)
        return thread, said

    def writes(self):
        with open(self.trace, encoding="utf-8") as f:
            return sum("pwrite64" in line and line.endswith("\n") for line in f)

    def cuts(self):
        with open(self.trace, encoding="utf-8") as f:
            return "ftruncate" in f.read()

    def check_login(self, subjects):
        client = self.login()
        self.assertEqual(client.messages, len(subjects))
        client.quit()

    # --- readers ---

    @needs("strace", "alpine")
    def test_alpine_opens_during_a_commit(self):
        """It takes flock and, with a helper, a dotlock, and no record lock."""
        self.fill([f"mail-{i}" for i in range(40)], 20000)
        self.put(".pinerc", f"inbox-path={SPOOL}\nuser-domain=example.org\n"
                 "feature-list=quit-without-confirm,expunge-without-confirm-everywhere\n"
                 "last-version-used=9.99\nnew-version-threshold=9.99\n")
        # Five writes to the journal, then two blocks: the second one comes late.
        thread, said = self.commit_slowly(self.login(), range(1, 40, 2), 6,
                                          "pwrite64:delay_enter=6000000:when=7")
        reader = Terminal(self.home, "alpine", "-i", "-I", "q")
        reader.wait()
        thread.join(PATIENCE)
        self.assertIn("+OK", said[0])
        kept = [f"mail-{i}" for i in range(1, 40, 2)]
        self.assertEqual(self.stored(), kept)
        self.check_login(kept)

    def read_beside(self, *command):
        """Sessions remove one message after the other; the program, started again and
        again, removes some as well. Nothing else is harmed."""
        self.fill([f"{kind}-{i}" for i in range(12) for kind in ("stay", "pop", "read")])
        done = threading.Event()

        def pop():
            while not done.is_set():
                client = self.login()
                for number in range(1, client.messages + 1):
                    if b"Subject: pop" in client.many(f"TOP {number} 0"):
                        client.ask(f"DELE {number}", "+OK")
                        break
                else:
                    done.set()
                client.ask("QUIT", "")
                client.gone()

        thread = threading.Thread(target=pop)
        thread.start()
        try:
            for i in range(4):
                Terminal(self.home, *[each.replace("@", f"read-{i}$") for each in command]).wait()
        finally:
            done.set()
            thread.join(PATIENCE)
        stored = self.stored()
        self.assertEqual([each for each in stored if each.startswith("stay")],
                         [f"stay-{i}" for i in range(12)])
        self.assertEqual(len(stored), len(set(stored)))
        self.check_login(stored)

    @needs("mutt")
    def test_mutt(self):
        self.read_beside("mutt", "-n", "-F", "/dev/null", "-f", SPOOL, "-e",
                         "set delete=yes quit=yes; "
                         "push '<delete-pattern>~s @<enter><quit>'")

    @needs("s-nail")
    def test_s_nail(self):
        script = self.put("commands", "delete /read-1\nquit\n")
        self.read_beside("sh", "-c", f"s-nail -n -f {SPOOL} <{script}")

    @unittest.skipIf(dovecot.why_none(), dovecot.why_none())
    def test_dovecot_expunges(self):
        self.fill([f"{kind}-{i}" for i in range(12) for kind in ("stay", "pop", "read")])
        box = dovecot.Dovecot(f"mbox:{self.home}/folders:INBOX={SPOOL}", user="joe",
                              groups=[grp.getgrnam("mail").gr_gid], home=self.home)
        for i in range(6):
            client = box.imap()
            client.select()
            pop = self.login()
            found = client.search(None, "SUBJECT", f"read-{i}")[1][0].split()
            for each in found[:1]:
                client.store(each, "+FLAGS", "\\Deleted")
            pop.ask("DELE 2", "+OK")
            thread = threading.Thread(target=client.expunge)
            thread.start()
            pop.ask("QUIT", "")
            pop.gone()
            thread.join(PATIENCE)
            client.logout()
        stored = self.stored()
        self.assertEqual(len(stored), len(set(stored)))
        self.assertGreaterEqual(len(stored), 36 - 12)

    # --- agents ---

    def agents(self):
        """name -> a function that delivers octets into the mbox."""
        place = self.put("procmailrc", f"DEFAULT={SPOOL}\nORGMAIL={SPOOL}\n")
        filters = self.put("mailfilter", f'to "{SPOOL}"\n')
        postern = os.path.join(os.environ[INSIDE], "programs/postern")
        envelope = b"From sender@example.org Tue Nov 24 10:00:00 2026\n"
        agents = {
            "postern": lambda octets: self.as_joe(
                postern, "deliver", "joe", "--maildrop", f"mbox:{SPOOL}", input=octets),
            "procmail": lambda octets: self.as_joe(
                "procmail", "-m", place, input=envelope + octets),
            "maildrop": lambda octets: self.as_joe(
                "maildrop", filters, input=envelope + octets),
        }
        for each in missing("procmail", "maildrop"):
            del agents[each]
        return agents

    def test_agents(self):
        """Every message is fetched once and removed, whoever delivered it."""
        put_mbox(SPOOL, [], "joe")
        agents = self.agents()
        print("agents:", ", ".join(agents))
        sent, failed, fetched = [], [], []

        def deliver(name, how):
            for i in range(12):
                done = how(mail(f"{name}-{i}"))
                if done.returncode == 0:
                    sent.append(f"{name}-{i}")
                else:
                    failed.append((name, done.returncode, done.stdout))

        threads = [threading.Thread(target=deliver, args=each) for each in agents.items()]
        for each in threads:
            each.start()
        while any(each.is_alive() for each in threads):
            fetched += self.drain()
        fetched += self.drain()
        self.assertEqual(failed, [])
        self.assertEqual(sorted(fetched), sorted(sent))
        self.assertEqual(self.stored(), [])

    def drain(self):
        client = self.login()
        subjects = []
        for number in range(1, client.messages + 1):
            octets = client.many(f"RETR {number}")
            subject = re.search(rb"(?m)^Subject: (.*)\r$", octets).group(1).decode()
            self.assertIn(f"ends {subject}\r\n".encode(), octets)
            subjects.append(subject)
            client.ask(f"DELE {number}", "+OK")
        client.quit()
        return subjects

    @needs("strace")
    def test_an_agent_that_knows_only_dotlocks(self):
        """It begins when the commit has begun, and delivers when that is about to cut."""
        if not any(self.deliver_late() for _ in range(5)):
            self.fail("no commit looked at the dotlock before it cut")

    def deliver_late(self):
        """False: the cut was there first. Once it may be that the busy machine gave the
        agent its turn late."""
        if os.path.exists(SPOOL):
            os.unlink(SPOOL)
        self.fill([f"mail-{i}" for i in range(20)], 20000)
        # The sixth write is the mark; what the seventh tells is that the cut will come.
        thread, said = self.commit_slowly(self.login(), range(1, 20, 2), 6,
                                          "ftruncate:delay_enter=1500000")
        os.close(os.open(DOTLOCK, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        wait_for(lambda: said or self.writes() >= 7)
        soon = time.monotonic() + 0.4
        wait_for(lambda: time.monotonic() > soon or self.cuts())
        in_time = not said and not self.cuts()
        if in_time:
            put_mbox(SPOOL, [mail("late")])
        os.unlink(DOTLOCK)
        thread.join(PATIENCE)
        self.assertIn("+OK", said[0])
        left = [f"mail-{i}" for i in range(1, 20, 2)]
        self.assertEqual(self.stored(), left + ["late"] if in_time else left)
        return in_time

    def test_replaced_while_the_lock_is_waited_for(self):
        """The walls are around the file that had the name when the session began: come
        again, and not: it is forbidden."""
        self.fill(["one"])
        with open(SPOOL, "rb") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            client, verdict = self.server.begin(SPOOL, hold.MBOX, uid=self.joe.pw_uid,
                                                gid=self.joe.pw_gid)
            self.addCleanup(client.end.close)
            verdict.settimeout(PATIENCE)
            self.assertFalse(hold.readable(verdict, 0.3))
            put_mbox(SPOOL + "~", [mail("two")], "joe")
            os.rename(SPOOL + "~", SPOOL)
        said = hold.verdict_decode(hold.receive(verdict))
        verdict.close()
        client.gone()
        if said.kind == hold.VERDICT_READY:  # no Landlock here
            self.assertEqual(said.messages, 1)
        else:
            self.assertEqual(said.kind, hold.VERDICT_TEMP)
        self.check_login(["two"])

    @unittest.skipUnless(os.path.islink("/var/spool/mail"), "/var/spool/mail is no link")
    def test_two_paths(self):
        """One mbox by two paths has one lock, and one state directory."""
        self.fill(["one"])
        client = self.login()
        other = "/var/spool/mail/joe"
        said = self.server.refused(other, hold.MBOX, uid=self.joe.pw_uid, gid=self.joe.pw_gid)
        self.assertEqual(said.kind, hold.VERDICT_IN_USE)
        client.quit()
        client = self.server.login(other, hold.MBOX, uid=self.joe.pw_uid,
                                   gid=self.joe.pw_gid)
        self.addCleanup(client.end.close)
        client.quit()
        self.assertEqual(len(os.listdir(self.server.at("states"))), 1)

    def test_a_link_of_the_owners(self):
        """It does not lead to the lock or the state of a neighbour."""
        self.fill(["one"])
        client = self.login()
        os.symlink("/var/mail", os.path.join(self.home, "mail"))
        joe = {"uid": self.joe.pw_uid, "gid": self.joe.pw_gid}
        other = self.server.login(os.path.join(self.home, "mail/joe"), hold.MBOX, **joe)
        self.addCleanup(other.end.close)
        self.assertEqual(len(os.listdir(self.server.at("states"))), 2)
        client.quit()
        other.quit()

    def test_a_dotlock_of_anothers(self):
        """It is waited for; and nothing of the mbox is touched meanwhile."""
        self.fill(["one", "two"])
        client = self.login()
        client.ask("DELE 1", "+OK")
        os.close(os.open(DOTLOCK, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        client.send(b"QUIT\r\n")
        self.assertFalse(hold.readable(client.end, 0.3))
        self.assertEqual(self.stored(), ["one", "two"])
        put_mbox(SPOOL, [mail("three")])
        os.unlink(DOTLOCK)
        self.assertIn(b"+OK", client.line())
        client.gone()
        self.assertEqual(self.stored(), ["two", "three"])


def mail(subject, size=200):
    filler = ("x" * 70 + "\n") * (size // 71)
    return message(subject, f"begins {subject}\n{filler}ends {subject}\n").replace(
        b"Subject: number ", b"Subject: ")


def wait_for(what):
    deadline = time.monotonic() + PATIENCE
    while not what():
        if time.monotonic() > deadline:
            raise AssertionError("it does not begin")
        time.sleep(0.005)  # nothing tells that a file is there


if __name__ == "__main__":
    main()
