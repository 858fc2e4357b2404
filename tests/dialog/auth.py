"""postern-auth, held by its descriptors: claims good, bad and hostile; and, as root,
a real PAM with users of its own in a mount namespace."""
import hashlib
import json
import os
import socket
import subprocess
import sys
import time

import hold
from hold import (EXIT_DONE, EXIT_MALFORMED, EXIT_REFUSED, EXIT_TEMPORARY, MAILDIR, MBOX,
                  PATH_DIRECT, PATH_RELAY, SOURCE_PAM, SOURCE_SQLITE, mechanisms)
from place import why_no_mounts

INSIDE = "POSTERN_TEST_PAM"
EVERYTHING = mechanisms(*hold.MECHANISMS)
CHALLENGE = "<7.8.9@mail.example.org>"


class Users:
    """A database that the postern command has filled."""

    def __init__(self, directory):
        self.directory = directory
        self.database = os.path.join(directory, "users.db")
        self.conf = os.path.join(directory, "postern.conf")
        with open(self.conf, "w", encoding="ascii") as conf:
            conf.write("listen pop3 127.0.0.1:110\n"
                       f"accounts sqlite:{self.database} maildir:/v/%d/%n"
                       + ("  owner mail\n" if os.getuid() == 0 else "\n"))
        self.postern("user", "add", "joe@example.org", "--stdin", "--scram-sha-1",
                     password="tanstaaf")

    def postern(self, *words, password=None):
        done = subprocess.run(
            [os.path.join(hold.BUILD, "postern"), "-c", self.conf, *words],
            input=None if password is None else password + "\n", text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def source(self, owner="", template="/v/%d/%n"):
        return hold.source(SOURCE_SQLITE, self.database, MAILDIR, template, owner)


class Auth(hold.Parent):
    """The warm parent, with our end of the channel to the session parent."""

    def __init__(self, sources, ready=True, **setup):
        self.session, theirs = hold.seqpacket()
        self.number = 0
        super().__init__("postern-auth", hold.auth_setup(sources, **setup), [theirs],
                         ready=ready)
        theirs.close()
        if ready:
            self.offered = self.expect(hold.REPORT_OFFER).mechanisms

    def attempt(self, *claims, **facts):
        """Sends claims as a gate would; (number, our end of the verdict channel)."""
        self.number += 1
        number = facts.pop("number", self.number)
        client, client_end = hold.stream()
        wire, wire_end = hold.stream()
        verdict, verdict_end = hold.seqpacket()
        for claim in claims:
            verdict.send(claim)
        facts.setdefault("offered", EVERYTHING)
        facts.setdefault("challenge", CHALLENGE)
        self.send(hold.connection(number, **facts),
                  [client_end, verdict_end, wire_end])
        for end in (client_end, verdict_end, wire_end):
            end.close()
        self.held = client, wire
        return number, verdict

    def decide(self, *claims, **facts):
        """The exit code of an attempt, and how it was logged if it was."""
        number, verdict = self.attempt(*claims, **facts)
        code = self.expect_end(number)
        verdict.close()
        return code

    def serve(self, claim, code=EXIT_DONE, **facts):
        """Has a claim decided; the pid of the process that did."""
        number, verdict = self.attempt(claim, **facts)
        pid = self.expect(hold.REPORT_STARTED, number).pid
        self.expect_end(number, code)
        verdict.close()
        if code == EXIT_DONE:
            _, fds = hold.receive(self.session, 4)
            for fd in fds:
                os.close(fd)
        return pid

    def refused(self, reason, *claims, **facts):
        code = self.decide(*claims, **facts)
        assert code == EXIT_REFUSED, (code, self.log())
        self.expect_log(rf"v1 refused connection={self.number} .* reason={reason}$")
        assert not hold.readable(self.session, 0)

    def accepted(self, *claims, **facts):
        """The identity that went to the session parent."""
        number, verdict = self.attempt(*claims, **facts)
        self.expect_end(number, EXIT_DONE)
        message, fds = hold.receive(self.session, 4)
        assert len(fds) == 2
        identity = hold.identity_decode(message)
        # The inner end of this very connection's verdict channel, and its peer.
        with socket.socket(fileno=fds[0]) as inner:
            inner.send(b"from the session")
            assert verdict.recv(100) == b"from the session"
        with socket.socket(fileno=fds[1]) as peer:
            peer.send(b"to the client")
            client, wire = self.held
            to = wire if identity.path == PATH_RELAY else client
            assert to.recv(100) == b"to the client"
        report = self.expect(hold.REPORT_ACCEPTED, number)
        assert report.account == identity.account
        self.expect_log(f"v1 login connection={number} ")
        verdict.close()
        return identity


def with_users(test):
    def wrapped():
        with hold.Directory() as directory:
            test(Users(directory))
    wrapped.__name__ = test.__name__
    return wrapped


# --- virtual users ---------------------------------------------------------------

@with_users
def test_accepted(users):
    with Auth([users.source()]) as auth:
        assert auth.offered & mechanisms("USER", "PLAIN", "LOGIN") \
            == mechanisms("USER", "PLAIN", "LOGIN")
        assert not auth.offered & mechanisms("APOP", "CRAM-MD5", "EXTERNAL", "XOAUTH2")
        got = auth.accepted(hold.login("joe@example.org", "tanstaaf", "PLAIN"),
                            peer=("2001:db8::7", 4711), tls=True)
        assert got.account == b"joe@example.org"
        assert got.path_name == b"/v/example.org/joe"
        assert (got.uid, got.gid, got.groups) == (os.getuid(), os.getgid(), [])
        assert got.maildrop == MAILDIR and got.mechanism == "PLAIN"
        assert got.path == PATH_DIRECT and not got.read_only
        assert got.peer == ("2001:db8::7", 4711) and got.plaintext
        assert got.mechanisms == EVERYTHING and got.tls_possible
        auth.expect_log(r'v1 login connection=1 account="joe@example.org" '
                        r'mechanism=PLAIN source=2001:db8::7 listener=pop3 tls=""$')
        got = auth.accepted(
            hold.login("joe@EXAMPLE.ORG", "tanstaaf", "USER", PATH_RELAY, "TLSv1.3"),
            listener=hold.LISTENER_POP3S, tls=True, plaintext=False)
        assert got.path == PATH_RELAY and got.tls == b"TLSv1.3"
        assert got.account == b"joe@example.org" and not got.plaintext
        got = auth.accepted(
            hold.login("joe@example.org", "tanstaaf", "USER", hold.PATH_KERNEL, "TLSv1.3"),
            listener=hold.LISTENER_POP3S, tls=True, plaintext=False)
        assert got.path == hold.PATH_KERNEL and got.tls == b"TLSv1.3"
        assert "tanstaaf" not in auth.log()


@with_users
def test_refused(users):
    users.postern("user", "add", "off@example.org", "--stdin", password="right")
    users.postern("user", "disable", "off@example.org")
    with Auth([users.source()]) as auth:
        auth.refused("password", hold.login("joe@example.org", "Tanstaaf"))
        auth.refused("password", hold.login("joe@example.org", " tanstaaf"))
        auth.refused("unknown", hold.login("jim@example.org", "tanstaaf"))
        auth.refused("unknown", hold.login("joe", "tanstaaf"))
        auth.refused("disabled", hold.login("off@example.org", "right"))
        auth.refused("disabled", hold.login("off@example.org", "wrong"))
        for name in ("../joe@example.org", "%n@example.org", "joe@example.org/..",
                     "joe:x@example.org", b"\xff\xfe", "'; DROP TABLE accounts; --",
                     "a" * 255, ".@example.org", "joe@.."):
            auth.refused("unknown", hold.login(name, "tanstaaf"))
        assert "tanstaaf" not in auth.log()


@with_users
def test_names_are_logged_safely(users):
    with Auth([users.source()]) as auth:
        auth.refused("unknown", hold.login('x" reason=none\nv1 login', "p"))
        auth.expect_log(
            r'account="x\\x22\\x20reason\\x3dnone\\x0av1\\x20login" mechanism')


@with_users
def test_seen_at_once(users):
    with Auth([users.source()]) as auth:
        auth.accepted(hold.login("joe@example.org", "tanstaaf"))
        users.postern("user", "passwd", "joe@example.org", "--stdin", "--scram-sha-1",
                     password="new")
        auth.refused("password", hold.login("joe@example.org", "tanstaaf"))
        auth.accepted(hold.login("joe@example.org", "new"))
        users.postern("user", "del", "joe@example.org")
        auth.refused("unknown", hold.login("joe@example.org", "new"))


@with_users
def test_apop(users):
    users.postern("user", "add", "ann@example.org", "--stdin", "--apop",
                  password="shared secret")

    def digest(secret, challenge=CHALLENGE):
        return hashlib.md5((challenge + secret).encode()).hexdigest()

    with Auth([users.source()]) as auth:
        assert auth.offered & mechanisms("APOP")
        good = digest("shared secret")
        got = auth.accepted(hold.login("ann@example.org", good, "APOP"))
        assert got.account == b"ann@example.org" and got.mechanism == "APOP"
        auth.refused("password", hold.login("ann@example.org", digest("x"), "APOP"))
        # replayed on another connection, which has another challenge
        auth.refused("password", hold.login("ann@example.org", good, "APOP"),
                     challenge="<7.8.10@mail.example.org>")
        # an account without a secret, and no account
        auth.refused("password", hold.login("joe@example.org", digest(""), "APOP"))
        auth.refused("unknown", hold.login("jim@example.org", good, "APOP"))
        # not offered on this connection
        auth.refused("mechanism", hold.login("ann@example.org", good, "APOP"),
                     offered=mechanisms("USER"))


@with_users
def test_no_password_over_plain(users):
    with Auth([users.source()]) as auth:
        auth.refused("plaintext", hold.login("joe@example.org", "tanstaaf"),
                     plaintext=False)


# --- what no gate of ours sends ----------------------------------------------------

@with_users
def test_malformed(users):
    good = hold.login("joe@example.org", "tanstaaf")
    with Auth([users.source()]) as auth:
        for claim in (
                good[:-1], good + b"\0", good[:2], good[:1], b"x",
                bytes((hold.ABI + 1,)) + good[1:], bytes((hold.ABI, 8)) + good[2:],
                hold.baton(),
                good + b"\0" * hold.MESSAGE_MAX, b"\1" * 100000,
                hold.login("", "tanstaaf"), hold.login("joe", ""),
                hold.login("a" * 256, "x"), hold.login("joe", "x" * 513),
                hold.login("j\0e", "x"), hold.login("joe", "x\0y"),
                hold.login("joe", "short", "APOP"), hold.login("joe", "A" * 32, "APOP"),
                hold.login("joe", "x", 13), hold.login("joe", "x", 0),
                hold.login("joe", "x", path=0), hold.login("joe", "x", path=4),
                hold.login("joe", "x", tls="TLS\n"), hold.login("joe", "x", tls="T" * 65)):
            assert auth.decide(claim, tls=True) == EXIT_MALFORMED, claim[:60]
        # no claim at all, or nobody there
        assert auth.decide() == EXIT_MALFORMED
        # TLS where there is none, a direct path where there is only TLS
        assert auth.decide(hold.login("joe@example.org", "tanstaaf", path=PATH_RELAY,
                                      tls="TLSv1.3"), tls=False) == EXIT_MALFORMED
        assert auth.decide(good, tls=True,
                           listener=hold.LISTENER_POP3S) == EXIT_MALFORMED
        assert not hold.readable(auth.session, 0)
        auth.accepted(good)


@with_users
def test_two_claims(users):
    good = hold.login("joe@example.org", "tanstaaf")
    with Auth([users.source()]) as auth:
        assert auth.decide(good, good) == EXIT_MALFORMED
        assert not hold.readable(auth.session, 0)
        auth.refused("password", hold.login("joe@example.org", "guess 1"), good)
        assert not hold.readable(auth.session, 0)


@with_users
def test_a_client_that_hangs_up_is_no_second_claim(users):
    with Auth([users.source()]) as auth:
        number, verdict = auth.attempt(hold.login("joe@example.org", "tanstaaf"))
        verdict.close()
        auth.expect_end(number, EXIT_DONE)
        auth.expect_log(f"v1 login connection={number} ")


@with_users
def test_descriptors_from_below_are_not_taken(users):
    with Auth([users.source()]) as auth:
        client, client_end = hold.stream()
        wire, wire_end = hold.stream()
        verdict, verdict_end = hold.seqpacket()
        read, write = os.pipe()
        socket.send_fds(verdict, [hold.login("joe@example.org", "tanstaaf")], [write])
        os.close(write)
        auth.send(hold.connection(1, offered=EVERYTHING),
                  [client_end, verdict_end, wire_end])
        auth.expect_end(1, EXIT_DONE)
        verdict_end.close()
        message, fds = hold.receive(auth.session, 8)
        assert hold.identity_decode(message).connection == 1 and len(fds) == 2
        assert os.read(read, 1) == b"", "the pipe's last writer is gone"
        for fd in fds:
            os.close(fd)
        os.close(read)
        for end in (client, client_end, wire, wire_end, verdict):
            end.close()


# --- faults of ours ------------------------------------------------------------------

@with_users
def test_no_name_is_answered_sooner(users):
    """Whatever hash an account has: who is refused has cost a hash of ours, at the least."""
    hashes = {"ssha": "{SSHA}yI6cZwQadOA1e+/f+T+H3eCQQhRzYWx0", "none": None,
              "sha512": subprocess.run(["openssl", "passwd", "-6", "x"], check=True, text=True,
                                       stdout=subprocess.PIPE).stdout.strip(), "ours": None}
    for name, hashed in hashes.items():
        line = {"name": name}
        line.update({"hash": hashed} if hashed else {"password": "x"} if name == "ours" else {})
        users.postern("user", "import", password=json.dumps(line))
    users.postern("user", "add", "disabled", "--stdin", password="x")
    users.postern("user", "disable", "disabled")
    cases = ["unknown", "disabled", *hashes]
    taken = dict.fromkeys(cases, float("inf"))
    with Auth([users.source(template="/v/%u")]) as auth:
        for turn in range(20):
            for name in cases:
                # Before the claim is sent: it may be answered while we are not running.
                began = time.monotonic()
                number, verdict = auth.attempt(hold.login(name, "wrong"), number=turn * 100 + 7)
                auth.expect_end(number, EXIT_REFUSED)
                taken[name] = min(taken[name], time.monotonic() - began)
                verdict.close()
            if turn >= 4 and min(taken.values()) > 0.7 * taken["unknown"]:
                return
    raise AssertionError(taken)


@with_users
def test_a_damaged_database_is_our_fault(users):
    claim = hold.login("joe@example.org", "tanstaaf")
    with Auth([users.source()]) as auth:
        auth.accepted(claim)
        for name in os.listdir(users.directory):
            if name.startswith("users.db") and not name.endswith(".key"):
                with open(os.path.join(users.directory, name), "r+b") as f:
                    f.truncate(0)
                    f.write(b"this is no database " * 1000)
        assert auth.decide(claim) == EXIT_TEMPORARY
        auth.expect_log(r"users\.db")
        auth.expect_log("v1 refused .* reason=temporary$")
        os.unlink(users.database)
        assert auth.decide(claim) == EXIT_TEMPORARY


@with_users
def test_no_listener_at_the_session(users):
    with Auth([users.source()]) as auth:
        auth.session.close()
        assert auth.decide(hold.login("joe@example.org", "tanstaaf")) == EXIT_TEMPORARY


def test_a_database_is_made():
    with hold.Directory() as directory:
        path = os.path.join(directory, "users.db")
        source = hold.source(SOURCE_SQLITE, path, MAILDIR, "/v/%d/%n", "")
        with Auth([source], check=True):
            pass
        assert not os.path.exists(path)
        with Auth([source]) as auth:
            assert os.path.exists(path)
            auth.refused("unknown", hold.login("joe@example.org", "tanstaaf"))


def test_started_by_hand():
    done = subprocess.run([os.path.join(hold.BUILD, "postern-auth")], check=False,
                          stdin=subprocess.DEVNULL, capture_output=True)
    assert done.returncode == EXIT_MALFORMED, done


def test_setup_that_is_none():
    for setup in (b"\1\2", hold.gate_setup(), hold.auth_setup([]) + b"\0",
                  hold.auth_setup([hold.source(3, "x", MAILDIR, "/x")])):
        session, theirs = hold.seqpacket()
        auth = hold.Parent("postern-auth", setup, [theirs], ready=False)
        auth.wait(EXIT_MALFORMED)
        session.close()
        theirs.close()


@with_users
def test_without_root_pam_is_refused(users):
    pam = hold.source(SOURCE_PAM, "postern", MBOX, "/var/mail/%u")
    with Auth([pam, users.source()]) as auth:
        auth.expect_log("pam:postern is refused: PAM needs")
        auth.refused("unknown", hold.login("root", "x"))
        auth.accepted(hold.login("joe@example.org", "tanstaaf"))


@with_users
def test_owner(users):
    if os.getuid() != 0:
        return
    with Auth([users.source("mail")], root=True) as auth:
        got = auth.accepted(hold.login("joe@example.org", "tanstaaf"))
        assert (got.uid, got.gid, got.groups) == (8, 8, [])
    for owner in ("root", "", "nosuchuser"):
        with Auth([users.source(owner)], root=True) as auth:
            assert auth.decide(
                hold.login("joe@example.org", "tanstaaf")) == EXIT_TEMPORARY
            auth.expect_log("owner")


# --- PAM: as root, with /etc/passwd and PAM's files of our own ------------------------

ACCOUNTS = """\
root:x:0:0:root:/root:/bin/sh
mail:x:8:8::/var/mail:/usr/sbin/nologin
oldsys:x:400:400::/home/oldsys:/bin/sh
joe:x:4001:4001::/home/joe:/bin/sh
expired:x:4002:4002::/home/expired:/bin/sh
locked:x:4003:4003::/home/locked:/bin/sh
aged:x:4004:4004::/home/aged:/bin/sh
empty:x:4005:4005::/home/empty:/bin/sh
wheel:x:4006:0::/home/wheel:/bin/sh
nobody:x:65534:65534::/nonexistent:/usr/sbin/nologin
"""
GROUPS = """\
root:x:0:
joe:x:4001:
mail:x:8:joe
users:x:100:joe,locked
"""


def shadow():
    secret = subprocess.run(["openssl", "passwd", "-6", "pass word"], check=True,
                            stdout=subprocess.PIPE, text=True).stdout.strip()
    lines = []
    for name in [line.split(":")[0] for line in ACCOUNTS.splitlines()]:
        hashed, changed, expires = secret, "19000", ""
        if name == "expired":
            expires = "1"
        elif name == "locked":
            hashed = "!" + secret
        elif name == "aged":
            changed = "0"
        elif name == "empty":
            hashed = ""
        lines.append(f"{name}:{hashed}:{changed}:0:99999:7::{expires}:\n")
    return "".join(lines)


UNIX = """\
auth [success=1 default=ignore] pam_unix.so nullok
auth requisite pam_deny.so
auth required pam_permit.so
account required pam_unix.so
"""


def module(*arguments, control="required"):
    path = os.path.join(os.path.abspath(hold.BUILD), "tests/dialog/pam_test.so")
    words = " ".join(arguments)
    return (f"auth {control} {path} {words}\n"
            "account required pam_permit.so\n")


def enter_namespace():
    """Runs this file again in a mount namespace, with INSIDE set."""
    with hold.Directory() as directory:
        environment = dict(os.environ, **{INSIDE: directory})
        done = subprocess.run(["unshare", "--mount", "--propagation", "private",
                               sys.executable, sys.argv[0]], env=environment,
                              check=False)
    return done.returncode


def furnish():
    directory = os.environ[INSIDE]
    for name, text, mode in (("passwd", ACCOUNTS, 0o644), ("shadow", shadow(), 0o600),
                             ("group", GROUPS, 0o644)):
        path = os.path.join(directory, name)
        with open(path, "w", encoding="ascii") as f:
            f.write(text)
        os.chmod(path, mode)
        subprocess.run(["mount", "--bind", path, "/etc/" + name], check=True)
    services = os.path.join(directory, "pam.d")
    os.mkdir(services, 0o755)
    subprocess.run(["mount", "--bind", services, "/etc/pam.d"], check=True)
    service("other", "auth required pam_deny.so\naccount required pam_deny.so\n")
    service("unix", UNIX)


def service(name, text):
    with open(os.path.join("/etc/pam.d", name), "w", encoding="ascii") as f:
        f.write(text)


def pam_source(name="unix", template="/var/mail/%u"):
    return hold.source(SOURCE_PAM, name, MBOX, template)


def pam_unix():
    with Auth([pam_source()], root=True) as auth:
        assert auth.offered == mechanisms("USER", "PLAIN", "LOGIN")
        got = auth.accepted(hold.login("joe", "pass word"))
        assert got.account == b"joe" and got.path_name == b"/var/mail/joe"
        assert (got.uid, got.gid) == (4001, 4001)
        assert sorted(got.groups) == [8, 100, 4001]
        assert got.maildrop == MBOX
        for name, secret, reason in (
                ("joe", "pass", "password"), ("joe", "pass word ", "password"),
                ("Joe", "pass word", "unknown"), ("jim", "pass word", "unknown"),
                ("expired", "pass word", "expired"), ("expired", "no", "password"),
                ("locked", "pass word", "password"), ("locked", "!", "password"),
                ("aged", "pass word", "password-expired"),
                ("empty", "x", "password"),
                ("root", "pass word", "unknown"), ("mail", "pass word", "unknown"),
                ("oldsys", "pass word", "unknown"),
                ("wheel", "pass word", "unknown"), ("nobody", "pass word", "unknown"),
                ("../joe", "pass word", "unknown"), ("joe:x", "pass word", "unknown"),
                ("%u", "pass word", "unknown"), ("joe\n", "pass word", "unknown"),
                ("4001", "pass word", "unknown")):
            auth.refused(reason, hold.login(name, secret))
        auth.refused("mechanism", hold.login("joe", "0" * 32, "APOP"))
        # wrong passwords did not wait for pam_unix's delay of two seconds
        began = time.monotonic()
        for _ in range(3):
            auth.refused("password", hold.login("joe", "wrong"))
        assert time.monotonic() - began < 4
        assert "pass word" not in auth.log()


def pam_home():
    with Auth([pam_source(template="%h/Mail/inbox")], root=True) as auth:
        got = auth.accepted(hold.login("joe", "pass word"))
        assert got.path_name == b"/home/joe/Mail/inbox"


def pam_talk():
    record = os.path.join(os.environ[INSIDE], "record")
    service("record", module("password=x", "record=" + record))
    service("twice", module("password=x", "prompts=2"))
    service("never", module("prompts=0"))
    service("echo", module("password=x", "echo"))
    service("say", module("password=x", "say=your_password_will_expire"))
    service("down", module("fault=1"))
    service("map", module("password=x", "map=joe"))
    service("maproot", module("password=x", "map=root"))
    service("mapnobody", module("password=x", "map=no_such_user"))
    claim = hold.login("joe", "x")
    with Auth([pam_source("record")], root=True) as auth:
        auth.accepted(claim, peer=("192.0.2.9", 1))
        with open(record, encoding="ascii") as f:
            assert f.read() == "authenticate joe 192.0.2.9 uid=0\n"
    with Auth([pam_source("twice")], root=True) as auth:
        auth.accepted(claim)
    with Auth([pam_source("never")], root=True) as auth:
        assert auth.decide(claim) == EXIT_TEMPORARY
        auth.expect_log("without any password")
    with Auth([pam_source("echo")], root=True) as auth:
        assert auth.decide(claim) != EXIT_DONE
    with Auth([pam_source("say")], root=True) as auth:
        auth.accepted(claim)
        auth.expect_log('connection=1 PAM says="your_password_will_expire"')
    with Auth([pam_source("down")], root=True) as auth:
        assert auth.decide(claim) == EXIT_TEMPORARY
    with Auth([pam_source("map")], root=True) as auth:
        got = auth.accepted(hold.login("joe@example.org", "x"))
        assert got.account == b"joe" and got.uid == 4001
    for name, reason in (("maproot", "system"), ("mapnobody", "unknown")):
        with Auth([pam_source(name)], root=True) as auth:
            auth.refused(reason, claim)


def pam_delay():
    service("delay", module("password=x", "delay"))
    with Auth([pam_source("delay")], root=True) as auth:
        began = time.monotonic()
        auth.refused("password", hold.login("joe", "x"))
        assert time.monotonic() - began < 15, "pam_fail_delay blocked"


def until(true):
    deadline = time.monotonic() + hold.PATIENCE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def pam_blocked_module_blocks_nobody_else():
    record = os.path.join(os.environ[INSIDE], "blocked")
    service("block", module("password=x", "block=30", "record=" + record))
    with Auth([pam_source("block")], root=True) as auth:
        number, verdict = auth.attempt(hold.login("joe", "x"))
        until(lambda: os.path.exists(record))
        began = time.monotonic()
        service("block", module("password=x"))
        auth.accepted(hold.login("joe", "x"))
        assert time.monotonic() - began < 15
        auth.send(hold.kill(number))
        auth.expect_end(number, -9)
        verdict.close()


def pam_and_virtual():
    with hold.Directory() as directory:
        users = Users(directory)
        users.postern("user", "add", "jane", "--stdin", password="virtual")
        virtual = users.source("mail", "/v/%u")
        for order in ([pam_source(), virtual], [virtual, pam_source()]):
            with Auth(order, root=True) as auth:
                assert auth.accepted(hold.login("joe", "pass word")).uid == 4001
                assert auth.accepted(hold.login("joe@example.org", "tanstaaf")).uid == 8
                assert auth.accepted(hold.login("jane", "virtual")).uid == 8
                auth.refused("password", hold.login("joe", "tanstaaf"))
                auth.refused("password", hold.login("joe@example.org", "pass word"))


def pam_and_tokens():
    """A system account is opened by no token, unless its issuer was told so."""
    from auth_sasl import Issuer, TLS, explained, present
    with hold.Directory() as directory:
        users = Users(directory)
        users.postern("app", "add", "joe", "phone")
        users.postern("alias", "add", "joe", "joe.doe@example.org")
        issuer = Issuer(directory, "ec")
        tokens = [issuer.token(email=name) for name in ("joe", "joe.doe@example.org")]
        sources = [pam_source(), users.source("mail")]

        def issuers(**options):
            return [hold.issuer("https://id.example.org", issuer.public, "mail", **options)]
        for options in ({}, {"domains": "example.org"}):
            with Auth(sources, root=True, issuers=issuers(**options)) as auth:
                for token in tokens:
                    explained(auth, "token-domain", token)
                auth.accepted(present(issuer.token()), **TLS)
        with Auth(sources, root=True,
                  issuers=issuers(domains="example.com", system=True)) as auth:
            for token in tokens:
                assert auth.accepted(present(token), **TLS).account == b"joe"
            explained(auth, "token-domain", issuer.token())


def pam_no_password_is_not_an_empty_one():
    """What asks for a password of somebody who came with none is not answered."""
    record = os.path.join(os.environ[INSIDE], "asked")
    path = os.path.join(os.path.abspath(hold.BUILD), "tests/dialog/pam_test.so")
    service("asks", module("password=x").split("\n")[0]
            + f"\naccount required {path} ask record={record}\n")
    with hold.Directory() as directory:
        users = Users(directory)
        app = json.loads(users.postern("app", "add", "joe", "phone", "--json"))["password"]
        with Auth([pam_source("asks"), users.source("mail")], root=True) as auth:
            for secret, said in ((app, "unanswered"), ("x", "answered")):
                auth.accepted(hold.login("joe", secret))
                with open(record, encoding="ascii") as f:
                    assert [line.split()[0] for line in f] == ["account", said]
                os.unlink(record)


def pam_with_a_record():
    """App passwords, limits and another name of a system account."""
    record = os.path.join(os.environ[INSIDE], "counted")
    service("counted", module("password=x", "record=" + record)
            + module("record=" + record).replace("auth ", "account ").split("\n")[0]
            + "\n")

    def asked():
        with open(record, encoding="ascii") as f:
            words = [line.split()[0] for line in f]
        os.unlink(record)
        return words

    with hold.Directory() as directory:
        users = Users(directory)
        app = json.loads(users.postern("app", "add", "joe", "phone", "--read-only",
                                       "--json"))["password"]
        users.postern("alias", "add", "joe", "joe.doe@example.org")
        users.postern("alias", "add", "joe", "locked")
        sources = [pam_source("counted"), users.source("mail")]
        with Auth(sources, root=True, remember_seconds=300) as auth:
            got = auth.accepted(hold.login("joe", app))
            assert got.uid == 4001 and got.read_only and got.account == b"joe"
            assert asked() == ["account"], "PAM still says whether joe may"
            got = auth.accepted(hold.login("joe", "x"))
            assert not got.read_only
            assert asked() == ["authenticate", "account"]
            # remembered: PAM is only asked whether joe may
            auth.accepted(hold.login("joe", "x"))
            assert asked() == ["account"]
            auth.refused("password", hold.login("joe", "y"))
            assert asked() == ["authenticate"]
            got = auth.accepted(hold.login("joe.doe@example.org", "x"))
            assert got.account == b"joe" and got.uid == 4001
            # no alias takes another Unix user's name
            auth.refused("password", hold.login("locked", app))
            users.postern("user", "set", "joe", "--main-password", "off")
            auth.refused("password", hold.login("joe", "x"))
            auth.accepted(hold.login("joe", app))
            users.postern("user", "set", "joe", "--net", "192.0.2.0/24")
            auth.refused("network", hold.login("joe", app))
            users.postern("user", "set", "joe", "--net", "any")
            users.postern("user", "disable", "joe")
            auth.refused("disabled", hold.login("joe", app))
            users.postern("user", "enable", "joe")
            users.postern("app", "del", "joe", "phone")
            auth.refused("password", hold.login("joe", app))


def pam_maildrop_of_its_own():
    with hold.Directory() as directory:
        users = Users(directory)
        users.postern("user", "add", "joe", "--system", "--maildrop", "maildir:/v/joes/own")
        with Auth([pam_source(), users.source("mail")], root=True) as auth:
            got = auth.accepted(hold.login("joe", "pass word"))
            assert got.uid == 4001 and got.path_name == b"/v/joes/own", got
            assert got.maildrop == MAILDIR
            users.postern("user", "set", "joe", "--maildrop", "default")
            got = auth.accepted(hold.login("joe", "pass word"))
            assert got.path_name == b"/var/mail/joe" and got.maildrop == MBOX


def pam_names():
    """Off: a name is one account's or none. On: what the statement names, and no more."""
    with hold.Directory() as directory:
        users = Users(directory)
        users.postern("user", "add", "joe@other.example", "--stdin", password="virtual")
        sources = [pam_source(), users.source("mail")]
        with Auth(sources, root=True) as auth:
            for name in ("JOE", "joe@mail.example"):
                auth.refused("unknown", hold.login(name, "pass word"))
        with Auth(sources, root=True, fold=True, strip_domain="mail.example",
                  default_domain="example.org") as auth:
            for name in ("joe", "JOE", "joe@mail.example", "Joe@MAIL.example"):
                got = auth.accepted(hold.login(name, "pass word"))
                assert got.uid == 4001 and got.account == b"joe", name
            # a name that is an account stays that account
            assert auth.accepted(hold.login("joe@other.example", "virtual")).uid == 8
            assert auth.accepted(hold.login("joe@example.org", "tanstaaf")).uid == 8
            auth.refused("unknown", hold.login("joe@elsewhere.example", "pass word"))
            auth.refused("unknown", hold.login("root@mail.example", "pass word"))
            users.postern("user", "add", "ann@example.org", "--stdin", password="virtual")
            got = auth.accepted(hold.login("ann", "virtual"))
            assert got.account == b"ann@example.org"


def pam_first_uid():
    with Auth([pam_source()], root=True, first_uid=4002) as auth:
        auth.refused("unknown", hold.login("joe", "pass word"))
    with Auth([pam_source()], root=True, first_uid=1) as auth:
        auth.accepted(hold.login("joe", "pass word"))
        auth.refused("unknown", hold.login("root", "pass word"))


def pam_remembered_until_the_password_changes():
    with Auth([pam_source()], root=True, remember_seconds=300) as auth:
        auth.accepted(hold.login("joe", "pass word"))
        auth.accepted(hold.login("joe", "pass word"))
        with open("/etc/shadow", encoding="ascii") as f:
            before = f.read()
        after = "".join(line.replace("$6$", "!$6$") if line.startswith("joe:") else line
                        for line in before.splitlines(True))
        with open("/etc/shadow", "w", encoding="ascii") as f:
            f.write(after)
        auth.refused("password", hold.login("joe", "pass word"))
        with open("/etc/shadow", "w", encoding="ascii") as f:
            f.write(before)
        auth.accepted(hold.login("joe", "pass word"))


def pam_processes():
    """Whoever gave a module a password serves nobody else; remembered logins, of which
    account management is all that PAM is asked, share a process without one in it."""
    secret = b"pass word"
    joe = hold.login("joe", secret)
    with Auth([pam_source()], root=True, remember_seconds=300) as auth:
        first = auth.serve(joe)
        worker = auth.serve(joe)
        assert worker != first and not os.path.exists(f"/proc/{first}")
        assert auth.serve(joe) == worker
        # Under sanitizers its memory is their book-keeping.
        for where, octets in [] if hold.sanitized() else hold.writable(worker):
            assert octets.find(secret) < 0, where
        assert auth.serve(hold.login("expired", secret), EXIT_REFUSED) == worker
        assert not os.path.exists(f"/proc/{worker}")
        other = auth.serve(joe)
        assert auth.serve(hold.login("joe", "wrong"), EXIT_REFUSED) == other
        assert auth.serve(joe) != other


def pam_session():
    """Opened before the identity goes off, closed when its lifeline is gone."""
    record = os.path.join(os.environ[INSIDE], "sessions")
    path = os.path.join(os.path.abspath(hold.BUILD), "tests/dialog/pam_test.so")
    service("session", module("password=x", "record=" + record)
            + f"session required {path} record={record}\n")
    service("nosession", module("password=x") + f"session required {path} fault=1\n")

    def lines():
        with open(record, encoding="ascii") as f:
            return [line.split()[0] for line in f]

    claim = hold.login("joe", "x")
    with Auth([pam_source("session")], root=True, pam_session=True,
              remember_seconds=300) as auth:
        for _ in range(2):
            number, verdict = auth.attempt(claim, peer=("192.0.2.9", 1))
            auth.expect_end(number, EXIT_DONE)
            _, fds = hold.receive(auth.session, 4)
            assert len(fds) == 3
            assert lines() == ["authenticate", "setcred", "open"], lines()
            # what ends with the session: the verdict channel's end is not it
            for fd in fds[:2]:
                os.close(fd)
            verdict.close()
            time.sleep(0.05)
            assert lines()[-1] == "open"
            os.close(fds[2])
            until(lambda: "close" in lines())
            until(lambda: lines()[3:] == ["close", "setcred"])
            os.unlink(record)
        auth.refused("password", hold.login("joe", "y"))
        assert lines() == ["authenticate"]
        os.unlink(record)
        # an identity that never goes off
        assert auth.decide(claim, claim) == EXIT_MALFORMED
        until(lambda: "close" in lines())
    with Auth([pam_source("nosession")], root=True, pam_session=True) as auth:
        assert auth.decide(claim) == EXIT_TEMPORARY
        assert not hold.readable(auth.session, 0)
    os.unlink(record)
    with Auth([pam_source("session")], root=True) as auth:
        auth.accepted(claim)
        assert lines() == ["authenticate"]


def test_pam():
    if os.getuid() != 0:
        print("not tested without root: PAM")
        return
    if why_no_mounts():
        print("not tested: PAM: " + why_no_mounts())
        return
    code = enter_namespace()
    assert code == 0, "PAM: see above"


if __name__ == "__main__":
    if INSIDE in os.environ:
        furnish()
        hold.run([pam_unix, pam_home, pam_talk, pam_delay,
                  pam_blocked_module_blocks_nobody_else, pam_and_virtual, pam_and_tokens,
                  pam_no_password_is_not_an_empty_one,
                  pam_with_a_record, pam_maildrop_of_its_own, pam_names, pam_first_uid,
                  pam_remembered_until_the_password_changes,
                  pam_processes, pam_session])
    hold.run(globals())
