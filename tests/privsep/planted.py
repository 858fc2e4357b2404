"""What a mailbox owner may have planted in a maildrop and in its state directory, where
every octet is hostile input (law 8): links, FIFOs, devices, directories, sparse files,
names, caches, journals. A login must end soon, in a reply; nothing of anybody else's is
shown or harmed; good messages beside it are still served; another user is not disturbed."""

import contextlib
import os
import poplib
import pwd
import shutil
import stat
import time
import unittest

from server import (INSIDE, Server, add_unix_user, children, main, message, program_of,
                    put_maildir, put_mbox)

PASSWORD = "secret"
ALICE, BOB = "alice@example.org", "bob@example.org"
ROOT_ONLY = os.path.join(os.environ.get(INSIDE, "/nonexistent"), "root-only")
HIDDEN = b"XX-not-alices-XX"
GOOD = message(1, "this one is good\n")
SOON = 20  # seconds, on a busy machine


def sparse(path, size):
    with open(path, "wb") as f:
        f.truncate(size)


# Each gets a path that does not exist and puts something there.
PLANTS = {
    "link to a file of root's": lambda p: os.symlink(ROOT_ONLY, p),
    "link to another's mail": lambda p: os.symlink(bobs_letter(), p),
    "link to a device": lambda p: os.symlink("/dev/zero", p),
    "link to itself": lambda p: os.symlink(os.path.basename(p), p),
    "link to nothing": lambda p: os.symlink("/nonexistent", p),
    "link to /proc/self/environ": lambda p: os.symlink("/proc/self/environ", p),
    "hard link to another's mail": lambda p: os.link(bobs_letter(), p),
    "FIFO": os.mkfifo,
    "socket": lambda p: os.mknod(p, 0o600 | stat.S_IFSOCK),
    "device": lambda p: os.mknod(p, 0o600 | stat.S_IFCHR, os.makedev(1, 5)),
    "directory": os.mkdir,
    "unreadable": lambda p: os.close(os.open(p, os.O_CREAT, 0)),
    "empty": lambda p: sparse(p, 0),
    "sparse, 2 GB": lambda p: sparse(p, 2 << 30),
}
HARDLINK = "hard link to another's mail"

NAMES = ["a\nb", "\x01\x02", "é\udcff", "x" * 250, "1.2.3:2,SSSSSSSSS", ":2,", "..x", "-rf",
         "%n%s%p", "1,S=99999999999999999999999:2,", "1,W=0:2,S", "1,W=-1", "1,W=1:2,RST"]

OCTETS = {"empty": b"", "zeros": bytes(70000), "noise": os.urandom(5000),
          "text": b"postern\n" * 9000}


def bobs_letter():
    return server.maildir(BOB) + "/new/1700000000.M0P1.host"


def own(path, user="_postmail"):
    os.lchown(path, *ids(user))


def ids(user):
    import pwd
    entry = pwd.getpwnam(user)
    return entry.pw_uid, entry.pw_gid


def setUpModule():
    global server
    with open(ROOT_ONLY, "wb") as f:
        os.chmod(ROOT_ONLY, 0o600)
        f.write(HIDDEN)
    add_unix_user("unixjoe", PASSWORD)
    with open("/etc/pam.d/postern-test", "w") as f:
        f.write("auth required pam_unix.so\naccount required pam_unix.so\n")
    server = Server(accounts=[], settings="undo off\n")
    server.accounts = [
        "pam:postern-test mbox:/var/mail/%u",
        f"sqlite:{server.database} maildir:{server.mail}/%d/%n owner _postmail"]
    server.write_config()
    for name in (ALICE, BOB):
        server.add_user(name, PASSWORD)
    server.deliver(BOB, [message(1, HIDDEN.decode() + "\n")])
    server.start()


def tearDownModule():
    server.stop()
    os.unlink(ROOT_ONLY)


class Planted(unittest.TestCase):
    def tearDown(self):
        client = self.log_in(BOB)
        self.assertEqual(client.stat()[0], 1, "bob's mail was harmed")
        client.quit()

    def log_in(self, name):
        client = server.poplib()
        client.sock.settimeout(SOON)
        try:
            client.user(name)
            client.pass_(PASSWORD)
        except poplib.error_proto:
            client.close()
            raise
        return client

    def fresh(self):
        path = server.maildir(ALICE)
        shutil.rmtree(path, ignore_errors=True)
        put_maildir(path, [GOOD])
        for where, _, names in os.walk(path):
            for each in [where] + [os.path.join(where, n) for n in names]:
                own(each)
        return path

    def session(self, name, delete=False):
        """(messages served, refusal or None). Every octet served is looked at."""
        began, served = time.monotonic(), []
        try:
            client = self.log_in(name)
        except poplib.error_proto as refusal:
            self.assertRegex(str(refusal), r"-ERR \[(SYS/PERM|SYS/TEMP)\]")
            return [], str(refusal)
        count = client.stat()[0]
        client.list()
        client.uidl()
        for i in range(1, count + 1):
            try:
                if client.list(i).split()[2] and int(client.list(i).split()[2]) < 10 ** 6:
                    served.append(b"\n".join(client.retr(i)[1]))
            except poplib.error_proto:
                pass
            if delete:
                client.dele(i)
        try:
            client.quit()
        except poplib.error_proto:
            pass
        self.wait_for_end()
        self.assertLess(time.monotonic() - began, SOON + SOON)
        return served, None

    def wait_for_end(self):
        """Sizes are kept after the client has had its answer; what a test plants next
        is to stay as planted."""
        deadline = time.monotonic() + SOON
        while [program_of(pid) for pid in children(server.process.pid)].count(
                "pop3-session") > 1:
            self.assertLess(time.monotonic(), deadline)
            server.read_log(0.02)

    def hidden(self, served):
        return [each for each in served if HIDDEN in each]

    def test_messages(self):
        for part in ("new", "cur"):
            for what, plant in PLANTS.items():
                with self.subTest(what, part=part):
                    where = f"{self.fresh()}/{part}/1800000000.M1P1.host"
                    plant(where)
                    if not os.path.islink(where) and what != HARDLINK:
                        own(where)
                    served, refused = self.session(ALICE)
                    if what != HARDLINK:  # that is alice's by her rights: same uid
                        self.assertEqual(self.hidden(served), [])
                    self.assertIsNone(refused)
                    self.assertIn(GOOD.rstrip(b"\n"), served)

    def test_deleting_what_is_planted(self):
        """Deletes the name, never what it leads to."""
        for what, plant in PLANTS.items():
            if what == HARDLINK:
                continue
            with self.subTest(what):
                where = f"{self.fresh()}/new/1800000000.M1P1.host"
                plant(where)
                self.session(ALICE, delete=True)
                self.assertTrue(os.path.exists(ROOT_ONLY))
                self.assertTrue(os.path.exists(bobs_letter()))
                self.assertTrue(os.path.exists("/dev/zero"))

    def test_names(self):
        path = self.fresh()
        for name in NAMES:
            where = os.fsencode(f"{path}/cur/") + name.encode("utf-8", "surrogateescape")
            with open(where, "wb") as f:
                f.write(message(2))
            own(where)
        served, refused = self.session(ALICE)
        self.assertIsNone(refused)
        self.assertGreaterEqual(len(served), 2)

    def test_the_maildrop_itself(self):
        for what, plant in PLANTS.items():
            for part in ("", "new", "cur"):
                with self.subTest(what, part=part):
                    where = os.path.join(self.fresh(), part).rstrip("/")
                    shutil.rmtree(where)
                    plant(where)
                    if not os.path.islink(where) and what != HARDLINK:
                        own(where)
                    served, _ = self.session(ALICE)
                    self.assertEqual(self.hidden(served), [])
                    if os.path.lexists(where) and not os.path.isdir(where):
                        os.unlink(where)

    def test_a_folder_that_leads_to_anothers(self):
        """alice and bob are one Unix user: only the walls are between a link in her
        Maildir and his mail."""
        parts = self.fresh()
        shutil.rmtree(parts + "/new")
        os.symlink(server.maildir(BOB) + "/new", parts + "/new")
        served, _ = self.session(ALICE)
        self.assertEqual(self.hidden(served), [])

    def state(self):
        """alice's state directory: the one that a login of hers makes."""
        states = f"{server.directory}/state"
        for name in os.listdir(states) if os.path.isdir(states) else []:
            shutil.rmtree(os.path.join(states, name))
        self.fresh()
        self.session(ALICE)
        return os.path.join(states, os.listdir(states)[0])

    def test_the_state_directory(self):
        for name in os.listdir(self.state()) or ["cache"]:
            for what, plant in PLANTS.items():
                if what == "sparse, 2 GB" or what == HARDLINK:
                    continue
                with self.subTest(what, name=name):
                    where = os.path.join(self.state(), name)
                    # A session may be taking its own file away.
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(where)
                    plant(where)
                    if not os.path.islink(where):
                        own(where)
                    served, refused = self.session(ALICE)
                    self.assertIsNone(refused)
                    self.assertEqual(served, [GOOD.rstrip(b"\n")])

    def test_hostile_octets_in_the_state_directory(self):
        for what, octets in OCTETS.items():
            with self.subTest(what):
                state = self.state()
                for name in os.listdir(state) or ["cache"]:
                    with open(os.path.join(state, name), "wb") as f:
                        f.write(octets)
                served, refused = self.session(ALICE)
                self.assertIsNone(refused)
                self.assertEqual(served, [GOOD.rstrip(b"\n")])

    def test_the_state_directory_as_a_link(self):
        """Its parent is root's; but if it were: it is not followed."""
        state = self.state()
        shutil.rmtree(state)
        os.symlink("/home", state)
        self.session(ALICE)
        self.assertEqual(os.listdir("/home"), ["unixjoe"])
        os.unlink(state)

    def test_mbox(self):
        for what, plant in PLANTS.items():
            with self.subTest(what):
                where = "/var/mail/unixjoe"
                if os.path.lexists(where):
                    (shutil.rmtree if os.path.isdir(where) and not os.path.islink(where)
                     else os.unlink)(where)
                if what in (HARDLINK, "sparse, 2 GB"):
                    continue
                plant(where)
                if not os.path.islink(where):
                    own(where, "unixjoe")
                served, _ = self.session("unixjoe")
                self.assertEqual(self.hidden(served), [])
                (shutil.rmtree if os.path.isdir(where) and not os.path.islink(where)
                 else os.unlink)(where)
        put_mbox(where, [GOOD], "unixjoe")
        self.assertEqual(len(self.session("unixjoe")[0]), 1)

    def test_mbox_dotlock(self):
        """A dotlock that nobody will ever take away holds a login up, not the server."""
        put_mbox("/var/mail/unixjoe", [], "unixjoe")
        os.symlink(ROOT_ONLY, "/var/mail/unixjoe.lock")
        try:
            self.session("unixjoe")
        except (TimeoutError, OSError):
            pass
        finally:
            os.unlink("/var/mail/unixjoe.lock")
        with open(ROOT_ONLY, "rb") as f:
            self.assertEqual(f.read(), HIDDEN)


if __name__ == "__main__":
    main()
