"""deliver: `postern deliver` as a mail user, its disk and its MTA at their worst. Whatever
happens, exit 0 means that the message is there, whole and once, and anything else that
nothing of it is; no lock is left behind."""
import glob
import os
import resource
import shutil
import signal
import subprocess
import sys
import time

import hold
from sessions import OWNER, ROOT, make_mbox

OLD = b"Subject: old\n\n" + b"x" * 49 + b"\n"
BODY = b"".join(b"line %06d\n" % i for i in range(1000))
MAIL = b"Subject: new\n\n" + BODY
OK, CANNOT_CREATE, LATER = 0, 73, 75


class Place:
    """A directory of the mail user's, with an mbox in it; and the program."""

    def __enter__(self):
        self.temporary = hold.Directory()
        top = self.temporary.__enter__()
        os.chmod(top, 0o755)
        self.program = shutil.copy(os.path.join(hold.BUILD, "postern"), top)
        self.dir = os.path.join(top, "mail")
        os.mkdir(self.dir, 0o700)
        self.trace = os.path.join(self.dir, "trace")
        self.mbox = os.path.join(self.dir, "joe")
        make_mbox(self.mbox, [OLD])
        self.before = read(self.mbox)
        for each in (self.dir, self.mbox):
            os.chown(each, *OWNER)
        return self

    def __exit__(self, *why):
        self.temporary.__exit__(*why)

    def start(self, maildrop, *strace, **how):
        command = [self.program, "deliver", "joe", "--maildrop", maildrop]
        if strace:
            command = ["strace", "-f", "-o", self.trace] + list(strace) + command
        if ROOT:
            how.update(user=OWNER[0], group=OWNER[1], extra_groups=[])
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/",
            env={"PATH": os.environ["PATH"], "ASAN_OPTIONS": "detect_leaks=0"}, **how)

    def deliver(self, maildrop, *strace, mail=MAIL, **how):
        child = self.start(maildrop, *strace, **how)
        said = child.communicate(mail, hold.PATIENCE)[1]
        assert b"Sanitizer" not in said, said
        return child.returncode

    def check(self, delivered):
        """Is the message behind what there was, or nothing at all? And no lock."""
        now = read(self.mbox)
        assert now.startswith(self.before), now[:300]
        if delivered:
            assert now[len(self.before):].count(b"From ") == 1
            assert now.endswith(MAIL + b"\n"), now[-200:]
        else:
            assert now == self.before, now[len(self.before):][:200]
        left = glob.glob(self.mbox + ".lock*")
        assert left == [], left


def read(path):
    with open(path, "rb") as f:
        return f.read()


def can_trace():
    """strace, that may put errors into system calls. Else the test is not made."""
    try:
        done = subprocess.run(["strace", "-o", "/dev/null", "-e", "inject=fsync:error=EIO",
                               "true"], capture_output=True, check=False)
    except OSError:
        done = None
    if done is None or done.returncode:
        print("     (strace is missing or may not trace here)")
        return False
    return True


def wait_until(what):
    deadline = time.monotonic() + hold.PATIENCE
    while not what():
        assert time.monotonic() < deadline, "it does not begin"
        time.sleep(0.005)  # nothing tells that a file has grown


def test_a_limit_of_file_sizes():
    """SIGXFSZ would end it in the middle of the message."""
    with Place() as place:
        with open(place.mbox, "ab") as f:
            f.write(b"y" * 60000 + b"\n\n")
        place.before = read(place.mbox)
        limit = len(place.before) + len(MAIL) // 2

        def little():
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        assert place.deliver("mbox:" + place.mbox, preexec_fn=little) == LATER
        place.check(False)


def test_told_to_end_while_it_writes():
    """Once octets are in the mbox it is too late to end."""
    if not can_trace():
        return
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        with Place() as place:
            child = place.start("mbox:" + place.mbox, "-e", "trace=pwrite64,fsync", "-e",
                                "inject=pwrite64:delay_exit=300000:when=2", "-D")
            child.stdin.write(MAIL)
            child.stdin.close()
            wait_until(lambda: os.path.getsize(place.mbox) > len(place.before) + 100)
            os.kill(child.pid, number)
            assert child.wait(hold.PATIENCE) == OK, (number, child.returncode)
            child.stderr.close()
            place.check(True)


def test_a_spool_that_cannot_be_rewound():
    if can_trace():
        with Place() as place:
            code = place.deliver("mbox:" + place.mbox, "-e", "inject=lseek:error=EIO")
            assert code == LATER, code
            place.check(False)


def test_a_directory_that_cannot_be_flushed():
    """On a file system that does not do this, it is delivered; on a disk that fails,
    nothing is."""
    if not can_trace():
        return
    for error, code in (("EINVAL", OK), ("EIO", LATER)):
        with Place() as place:
            maildir = os.path.join(place.dir, "Maildir")
            assert place.deliver("maildir:" + maildir, mail=OLD) == OK
            got = place.deliver("maildir:" + maildir, "-e", f"inject=fsync:error={error}:when=2")
            assert got == code, (error, got)
            found = [read(each) for each in glob.glob(maildir + "/new/*")]
            assert sorted(found) == sorted([OLD] + [MAIL] * (code == OK)), len(found)
            assert os.listdir(maildir + "/tmp") == []


def test_new_directories_are_flushed():
    if not can_trace():
        return
    for kind, path in (("maildir", "a/b/Maildir"), ("mbox", "a/b/joe")):
        with Place() as place:
            code = place.deliver(f"{kind}:{place.dir}/{path}", "-e", "trace=mkdirat,mkdir,fsync")
            assert code == OK, code
            calls = [line.split()[1].partition("(")[0] for line in
                     read(place.trace).decode().splitlines() if "(" in line]
            made = [i for i, call in enumerate(calls) if call.startswith("mkdir")]
            assert len(made) == (6 if kind == "maildir" else 2), calls
            for i in made:
                assert calls[i + 1] == "fsync", calls


def test_names_of_locks():
    """Mailboxes that are named like joe's dotlocks: they are no maildrops, and nobody
    removes them."""
    with Place() as place:
        names = [place.mbox + end for end in (".lock", ".lock.new")]
        for each in names:
            make_mbox(each, [OLD])
            os.utime(each, (1, 1))
            os.chown(each, *OWNER)
        assert place.deliver("mbox:" + place.mbox) == OK
        assert read(place.mbox).endswith(MAIL + b"\n")
        for each in names:
            assert read(each) == place.before, each
        for end in (".lock", ".lock.new", ".lock.1.host"):
            code = place.deliver("mbox:" + os.path.join(place.dir, "jim" + end))
            assert code in (CANNOT_CREATE, 64), code
        assert not glob.glob(os.path.join(place.dir, "jim*"))


if __name__ == "__main__":
    if not os.path.exists(os.path.join(hold.BUILD, "postern")):
        print("skipped: the postern command was not built")
        sys.exit(77)
    hold.run(globals())
