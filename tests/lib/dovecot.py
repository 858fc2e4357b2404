"""A real Dovecot of Debian beside a session: its imap, pop3 and dovecot-lda, each alone
on its standard input and output, as a mail user, on one mbox or Maildir. No daemon, no
port, no user of Dovecot's, no configuration: settings are given with -o.

    dovecot.need()                                  # else the test is skipped
    box = Dovecot("mbox:/tmp/x/folders:INBOX=/tmp/x/joe", user="joe")
    client = box.imap(); client.select(); ...; client.logout()

contrib/check unpacks the packages, because installing them would start a server. By
hand: contrib/unpack-dovecot DIRECTORY, and POSTERN_DOVECOT=DIRECTORY.
"""

import atexit
import functools
import glob
import imaplib
import os
import poplib
import pwd
import shutil
import socket
import subprocess
import tempfile

PATIENCE = 120  # seconds, for one answer
SOURCE = os.environ.get("POSTERN_SOURCE", os.getcwd())
PLACES = [os.environ.get("POSTERN_DOVECOT"), os.path.join(SOURCE, "build-check/dovecot"), "/"]


@functools.cache
def directory():
    """Where Dovecot's programs and libraries are, or None."""
    for place in filter(None, PLACES):
        found = os.path.join(place, "usr/lib/dovecot")
        if os.access(os.path.join(found, "imap"), os.X_OK):
            return found
    return None


@functools.cache
def for_mail_users():
    """That, or a copy: a mail user may not be let into the tree where it was unpacked."""
    found = directory()
    if found == "/usr/lib/dovecot" or os.geteuid():
        return found
    copy = tempfile.mkdtemp(prefix="postern-dovecot-", dir=os.environ.get("POSTERN_TEST_INSIDE"))
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    os.chmod(copy, 0o755)
    for part in ("imap", "pop3", "dovecot-lda", "libdovecot*.so.0"):
        for each in glob.glob(os.path.join(found, part)):
            shutil.copy(each, copy)
    return copy


def why_none():
    """Why there is no Dovecot; None when there is one."""
    if not directory():
        return "there is no Dovecot (dovecot-core, dovecot-imapd, dovecot-pop3d)"
    try:
        done = subprocess.run([os.path.join(directory(), "imap"), "-?"], timeout=PATIENCE,
                              stdin=subprocess.DEVNULL, capture_output=True, check=False,
                              env={"LD_LIBRARY_PATH": directory()})
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"Dovecot does not run here: {error}"
    return None if done.returncode != 127 else f"Dovecot does not run here: {done.stderr!r}"


def need():
    """Skips the whole test file where there is none."""
    if why_none():
        print("skipped:", why_none())
        raise SystemExit(77)


class Dovecot:
    """One user's. location is Dovecot's mail_location; its indexes are in memory unless
    it says otherwise. groups: of the processes besides the user's own, "mail" where the
    mailbox is in /var/mail. What they log is in .log (a path)."""

    def __init__(self, location, user=None, groups=(), home=None, **settings):
        entry = pwd.getpwnam(user) if user else pwd.getpwuid(os.geteuid())
        self.user, self.home = entry.pw_name, home or entry.pw_dir
        if "INDEX=" not in location:
            location += ":INDEX=MEMORY"
        self.settings = dict(mail_location=location, **settings)
        self.identity = {}
        if os.geteuid() == 0 and entry.pw_uid:
            self.identity = dict(user=entry.pw_uid, group=entry.pw_gid,
                                 extra_groups=list(groups))

    def command(self, program):
        """(the command, its environment): for who starts it in another way."""
        words = [os.path.join(for_mail_users(), program), "-O"]
        for name, value in self.settings.items():
            words += ["-o", f"{name}={value}"]
        return words, {"LD_LIBRARY_PATH": for_mail_users(), "USER": self.user, "HOME": self.home,
                       "PATH": "/usr/bin:/bin", "TZ": "UTC"}

    def start(self, program, stdin, stdout, *arguments):
        words, environment = self.command(program)
        return subprocess.Popen(words + list(arguments), stdin=stdin, stdout=stdout,
                                stderr=subprocess.PIPE, env=environment, cwd="/",
                                **self.identity)

    def _connect(self, program):
        ours, theirs = socket.socketpair()
        with theirs:
            child = self.start(program, theirs, theirs)
        ours.settimeout(PATIENCE)
        return ours, child

    def imap(self):
        """An imaplib client that is logged in. .child is the process."""
        return _Imap(*self._connect("imap"))

    def pop3(self):
        """A poplib client that is logged in. .child is the process."""
        return _Pop(*self._connect("pop3"))

    def deliver(self, octets):
        """Delivers with dovecot-lda: its exit code, and what it said."""
        child = self.start("dovecot-lda", subprocess.PIPE, subprocess.DEVNULL)
        said = child.communicate(octets, PATIENCE)[1]
        return child.returncode, said


def _end(child):
    """Waits for its end and takes what it had to say."""
    try:
        child.said = child.communicate(timeout=PATIENCE)[1]
    except subprocess.TimeoutExpired:
        child.kill()
        child.said = child.communicate()[1]
        raise


class _Imap(imaplib.IMAP4):
    def __init__(self, connection, child):
        self._connection, self.child = connection, child
        super().__init__()

    def open(self, host="", port=0, timeout=None):
        self.host, self.port = host, port
        self.sock = self._connection
        self.file = self.sock.makefile("rb")

    def shutdown(self):
        self.file.close()
        self.sock.close()
        _end(self.child)


class _Pop(poplib.POP3):
    def __init__(self, connection, child):
        self._connection, self.child = connection, child
        self._greeted = False
        super().__init__("dovecot")

    def _create_socket(self, timeout):
        return self._connection

    def _getresp(self):
        if self._greeted:
            return super()._getresp()
        self._greeted = True  # by a login process; this one says nothing
        return b"+OK", 3

    def close(self):
        super().close()
        _end(self.child)
