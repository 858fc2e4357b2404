"""The whole server, for the system tests.

A test file calls main(), which moves the test into namespaces of its own (mount,
network, process numbers): the machine's files, ports and processes stay
untouched, whatever the test does. /etc is a copy, /home, /var/mail, /run and
/var/lib are empty file systems, loopback is the only network.

    class Login(ServerCase):
        def test_curl(self): ...

    if __name__ == "__main__":
        main()

Without root the file is skipped (exit 77), unless it says main(root=False).
"""

import contextlib
import os
import poplib
import re
import selectors
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from place import why_no_mounts

BUILD = os.environ.get("POSTERN_BUILD", os.getcwd())
SOURCE = os.environ.get("POSTERN_SOURCE", os.getcwd())
SANITIZED = "define POSTERN_SANITIZERS" in open(os.path.join(BUILD, "config.h")).read()
INSIDE = "POSTERN_TEST_INSIDE"
PATIENCE = 180 if SANITIZED else 60  # seconds: how long a wait may take before the test gives up


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(77)


def run(*command, input=None, check=True, timeout=PATIENCE, env=None):
    """Runs a command; its output (both streams) is in .stdout, as bytes."""
    if isinstance(input, str):
        input = input.encode()
    done = subprocess.run(command, input=input, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=timeout, env=env)
    if check and done.returncode != 0:
        raise AssertionError(f"{command} exited with {done.returncode}:\n"
                             + done.stdout.decode(errors="replace"))
    return done


# --- namespaces --------------------------------------------------------------------

def enter_namespaces():
    """Runs this very program again inside; does not return."""
    with tempfile.TemporaryDirectory(prefix="postern-system-") as scratch:
        environment = dict(os.environ, **{INSIDE: scratch})
        child = subprocess.run(
            ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child",
             "--mount-proc", sys.executable] + sys.argv, env=environment)
    sys.exit(child.returncode)


def furnish():
    """Inside: private file systems, a loopback, a gate's user."""
    scratch = os.environ[INSIDE]
    run("mount", "--make-rprivate", "/")
    run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", scratch)
    etc = os.path.join(scratch, "etc")
    run("cp", "-a", "/etc", etc)
    run("mount", "--bind", etc, "/etc")
    for place, mode in (("/home", "755"), ("/var/mail", "2775"), ("/run", "755"),
                        ("/var/lib", "755")):
        os.makedirs(place, exist_ok=True)
        run("mount", "-t", "tmpfs", "-o", f"mode={mode}", "tmpfs", place)
    shutil.chown("/var/mail", "root", "mail")
    run("ip", "link", "set", "lo", "up")
    for user in ("_postern", "_postkey", "_postmail"):
        if subprocess.run(["id", user], capture_output=True).returncode:
            run("useradd", "--system", "--no-create-home", "--shell",
                "/usr/sbin/nologin", "--home-dir", "/nonexistent", user)
    programs = os.path.join(scratch, "programs")
    os.mkdir(programs)
    for program in ("posternd", "postern", "pop3-gate", "postern-auth", "pop3-session",
                    "postern-keeper"):
        built = os.path.join(BUILD, program)
        if os.path.exists(built):
            shutil.copy2(built, programs)


def main(root=True):
    """Call this at the end of a test file."""
    if os.geteuid() == 0:
        if INSIDE not in os.environ:
            if why_no_mounts():
                skip(why_no_mounts())
            enter_namespaces()
        furnish()
    elif root:
        skip("needs root: users, PAM and namespaces of its own")
    unittest.main(verbosity=2)


# --- what a server needs -------------------------------------------------------------

def add_unix_user(name, password, groups=()):
    run("useradd", "--create-home", "--shell", "/bin/sh", name,
        *(["--groups", ",".join(groups)] if groups else []))
    run("chpasswd", input=f"{name}:{password}\n")


def make_certificate(directory, name="server", key=("rsa:2048",)):
    """A self-signed certificate for localhost: (chain, key) paths."""
    chain, private = (os.path.join(directory, f"{name}.{x}") for x in ("pem", "key"))
    how = ["-newkey", key[0]] if key[0].startswith("rsa") else \
        ["-newkey", "ec", "-pkeyopt", f"ec_paramgen_curve:{key[0]}"]
    run("openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=localhost",
        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1", *how,
        "-keyout", private, "-out", chain)
    os.chmod(private, 0o600)
    return chain, private


def message(number, body=None):
    """A small message, LF line ends."""
    body = body if body is not None else f"This is message {number}.\n.\n..dots\n"
    return (f"From: sender@example.org\nTo: joe@example.org\nSubject: number {number}\n"
            f"Message-ID: <{number}@example.org>\nDate: Tue, 24 Nov 2026 10:00:00 +0000\n\n"
            + body).encode()


def wire(stored):
    """Stored octets as RETR sends them, before dot-stuffing."""
    text = re.sub(rb"(?<!\r)\n", b"\r\n", stored)
    return text if not text or text.endswith(b"\r\n") else text + b"\r\n"


def put_maildir(path, messages, owner=None):
    """Delivers messages (octets) into a Maildir; makes it where it is missing."""
    for part in ("", "new", "cur", "tmp"):
        os.makedirs(os.path.join(path, part), mode=0o700, exist_ok=True)
    for i, octets in enumerate(messages):
        with open(os.path.join(path, "new", f"1700000{i:03}.M{i}P1.host"), "wb") as f:
            f.write(octets)
    if owner:
        for where, _, names in os.walk(path):
            for each in [where] + [os.path.join(where, n) for n in names]:
                shutil.chown(each, owner, owner)


def put_mbox(path, messages, owner=None):
    with open(path, "ab") as f:
        for octets in messages:
            f.write(b"From sender@example.org Tue Nov 24 10:00:00 2026\n" + octets
                    + (b"" if octets.endswith(b"\n") else b"\n") + b"\n")
    os.chmod(path, 0o660)
    if owner:
        shutil.chown(path, owner, "mail")


def children(pid):
    """The processes below pid, all the way down."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{entry}/stat") as f:
                parents[int(entry)] = int(f.read().rpartition(")")[2].split()[1])
    below = []
    for each in sorted(parents):
        above = parents[each]
        while above not in (0, pid):
            above = parents.get(above, 0)
        if above:
            below.append(each)
    return below


def program_of(pid):
    with contextlib.suppress(OSError):
        return os.path.basename(os.readlink(f"/proc/{pid}/exe"))
    return ""


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


class Server:
    """A posternd in the foreground. Use as a context manager, or start() and stop()."""

    def __init__(self, settings="", accounts=None, certificate=True, listeners=None):
        self.directory = tempfile.mkdtemp(
            prefix="server-", dir=os.environ.get(INSIDE) or None)
        os.chmod(self.directory, 0o755)
        self.programs = os.path.join(os.environ[INSIDE], "programs") \
            if INSIDE in os.environ else BUILD
        self.root = os.geteuid() == 0
        self.database = os.path.join(self.directory, "users.db")
        self.mail = os.path.join(self.directory, "mail")
        os.mkdir(self.mail)
        owner = " owner _postmail" if self.root else ""
        if self.root:
            shutil.chown(self.mail, "_postmail", "_postmail")
        if certificate:
            self.chain, self.key = make_certificate(self.directory)
        self.listeners = listeners or (
            ["pop3 127.0.0.1:0", "pop3 [::1]:0"] +
            (["pop3s 127.0.0.1:0", "pop3s [::1]:0"] if certificate else []))
        self.accounts = accounts if accounts is not None else (
            [f"sqlite:{self.database} maildir:{self.mail}/%d/%n{owner}"])
        self.settings = settings
        self.config = os.path.join(self.directory, "postern.conf")
        self.certificate = certificate
        self.write_config()
        self.log = b""
        self.grown = threading.Condition()
        self.process = None
        self.ports = {}

    def write_config(self, extra=""):
        lines = [f"listen {each}" for each in self.listeners]
        if self.certificate:
            lines.append(f"certificate {self.chain} {self.key}")
        lines += [f"accounts {each}" for each in self.accounts]
        lines += [f"runtime {self.directory}/run", f"state {self.directory}/state",
                  f"programs {self.programs}", "hostname mail.example.org"]
        with open(self.config, "w") as f:
            f.write("\n".join(lines) + "\n" + self.settings + "\n" + extra + "\n")

    def command(self, *arguments, **how):
        return run(os.path.join(self.programs, "postern"), "-c", self.config,
                   *arguments, **how)

    def add_user(self, name, password, *options):
        self.command("user", "add", name, "--stdin", *options, input=password + "\n")

    def maildir(self, name):
        local, _, domain = name.partition("@")
        return os.path.join(self.mail, domain, local)

    def deliver(self, name, messages):
        path = self.maildir(name)
        put_maildir(path, messages)
        if self.root:
            for where, _, names in os.walk(os.path.dirname(path)):
                for each in [where] + [os.path.join(where, n) for n in names]:
                    shutil.chown(each, "_postmail", "_postmail")

    def start(self):
        self.process = subprocess.Popen(
            [os.path.join(self.programs, "posternd"), "-F", "-c", self.config],
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
        self.stderr = os.dup(self.process.stderr.fileno())
        self.process.stderr.close()
        os.set_blocking(self.stderr, False)
        self.follower = threading.Thread(target=self._follow, daemon=True)
        self.follower.start()
        for each in self.listeners:
            kind, where = each.split()
            host = where.rpartition(":")[0]
            pattern = rb"listening on %s %s:(\d+)" % (
                re.escape(kind.encode()), re.escape(host.encode()))
            self.ports[kind, host.strip("[]")] = int(self.expect(pattern).group(1))
        self.expect(rb"ready")
        return self

    def _drain(self):
        """Takes what the server has written; the lock is held. False: it has ended."""
        while True:
            try:
                octets = os.read(self.stderr, 65536)
            except BlockingIOError:
                return True
            if not octets:
                return False
            self.log += octets
            self.grown.notify_all()

    def _follow(self):
        """A thread, so that the server never waits for a test that reads no log."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.stderr, selectors.EVENT_READ)
            goes_on = True
            while goes_on:
                selector.select()
                with self.grown:
                    goes_on = self._drain()

    def read_log(self, wait=0.0):
        """All that was logged so far. wait: seconds to wait for something new."""
        with self.grown:
            before = len(self.log)
            if self.process and self._drain() and wait:
                self.grown.wait_for(lambda: len(self.log) > before, wait)
            return self.log

    def expect(self, pattern, since=0):
        """Waits until the log (from octet `since` on) matches; returns the match."""
        deadline = time.monotonic() + PATIENCE
        while True:
            ended = self.process.poll() is not None or time.monotonic() > deadline
            found = re.search(pattern, self.read_log()[since:])
            if found:
                return found
            if ended:
                raise AssertionError(f"the log has no {pattern!r}:\n"
                                     + self.log.decode(errors="replace"))
            self.read_log(0.2)

    def stop(self):
        if self.process:
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGTERM)
            code = self.process.wait(PATIENCE)
            self.follower.join(PATIENCE)
            self.process = None
            os.close(self.stderr)
            if code != 0:
                raise AssertionError(f"posternd exited with {code}:\n"
                                     + self.log.decode(errors="replace"))
        if b"Sanitizer" in self.log or b"runtime error" in self.log:
            raise AssertionError("a sanitizer spoke:\n" + self.log.decode(errors="replace"))

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    # --- clients ---

    def port(self, kind="pop3", host="127.0.0.1"):
        return self.ports[kind, host]

    def tls_context(self):
        context = ssl.create_default_context(cafile=self.chain)
        return context

    def connect(self, kind="pop3", host="127.0.0.1", source=None):
        """A socket (TLS done for pop3s), nothing read yet. Refusals slow a source
        down: whoever wants many says from which address, "127.0.1.7"."""
        raw = socket.create_connection((host, self.port(kind, host)), timeout=PATIENCE,
                                       source_address=(source, 0) if source else None)
        if kind == "pop3s":
            return self.tls_context().wrap_socket(raw, server_hostname="localhost")
        return raw

    def poplib(self, kind="pop3", host="127.0.0.1", stls=False, source=None):
        if source:
            return _From(host, self.port(kind, host), source)
        if kind == "pop3s":
            return poplib.POP3_SSL(host, self.port(kind, host), timeout=PATIENCE,
                                   context=self._loose())
        client = poplib.POP3(host, self.port(kind, host), timeout=PATIENCE)
        if stls:
            client.stls(context=self._loose())
        return client

    def _loose(self):
        context = ssl.create_default_context(cafile=self.chain)
        context.check_hostname = False
        return context


class _From(poplib.POP3):
    """poplib, from a given address."""

    def __init__(self, host, port, source):
        self._source = source
        super().__init__(host, port, timeout=PATIENCE)

    def _create_socket(self, timeout):
        return socket.create_connection((self.host, self.port), timeout,
                                        source_address=(self._source, 0))


def exchange(connection, data, until_close=True):
    """Sends data, reads until the server closes: what a pipelining client sees."""
    received = b""
    with connection:
        connection.sendall(data)
        while part := connection.recv(65536):
            received += part
    return received
