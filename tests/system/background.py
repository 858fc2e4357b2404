"""posternd in the background: lines go to syslog, with a priority; a start that fails says
why where it was started, and no line is lost when it ends or its logger dies."""

import contextlib
import ctypes
import errno
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time
import unittest

from server import INSIDE, PATIENCE, SANITIZED, Server, children, main, message, program_of, run

JOE = "joe@example.org"
INFO, WARNING, ERROR = 6, 4, 3
MAIL = 2 << 3


def private_dev():
    """A /dev of our own, so that /dev/log is ours."""
    dev = os.path.join(os.environ[INSIDE], "dev")
    os.mkdir(dev)
    run("mount", "-t", "tmpfs", "tmpfs", dev)
    for name in ("null", "zero", "full", "random", "urandom"):
        open(os.path.join(dev, name), "w").close()
        run("mount", "--bind", f"/dev/{name}", os.path.join(dev, name))
    run("mount", "--move", dev, "/dev")


FORBIDDEN = {"seccomp": {"x86_64": 317, "aarch64": 277},
             "landlock_create_ruleset": {"x86_64": 444, "aarch64": 444}}
PR_SET_SECCOMP, SECCOMP_MODE_FILTER, PR_SET_NO_NEW_PRIVS = 22, 2, 38


def forbid(number):
    """From here on the system call fails with EPERM (a filter of four instructions)."""
    program = b"".join(struct.pack("HBBI", *each) for each in (
        (0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x00050000 | errno.EPERM),
        (0x06, 0, 0, 0x7FFF0000)))
    held = ctypes.create_string_buffer(program)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
            PR_SET_SECCOMP, SECCOMP_MODE_FILTER,
            struct.pack("HP", 4, ctypes.addressof(held)), 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


class Syslog:
    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("/dev/log")
        os.chmod("/dev/log", 0o666)
        self.socket.settimeout(0.2)
        self.lines = []
        self.changed = threading.Condition()
        self.goes_on = True
        self.thread = threading.Thread(target=self._take, daemon=True)
        self.thread.start()

    def _take(self):
        while self.goes_on:
            with contextlib.suppress(TimeoutError):
                octets = self.socket.recv(65536)
                with self.changed:
                    self.lines.append(octets.decode())
                    self.changed.notify_all()

    def expect(self, pattern):
        def found():
            return next((line for line in self.lines if re.search(pattern, line)), None)
        with self.changed:
            self.changed.wait_for(found, PATIENCE)
            assert found(), (pattern, self.lines)
            return found()

    def close(self):
        self.goes_on = False
        self.thread.join()
        self.socket.close()
        os.unlink("/dev/log")


def priority(line):
    return int(re.match(r"<(\d+)>", line)[1]) - MAIL


class Background(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        private_dev()

    def setUp(self):
        self.server = Server(certificate=False)
        self.server.add_user(JOE, "secret")
        self.server.deliver(JOE, [message(1)])
        self.syslog = Syslog()
        self.addCleanup(lambda: self.syslog.close())

    def start(self, code=0):
        done = subprocess.run([os.path.join(self.server.programs, "posternd"), "-c",
                               self.server.config], stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=PATIENCE)
        self.assertEqual(done.returncode, code, done)
        return done.stderr.decode()

    def pid(self):
        with open(f"{self.server.directory}/run/posternd.pid") as f:
            return int(f.read())

    def stop(self, pid):
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + PATIENCE
        while os.path.exists(f"/proc/{pid}"):
            self.assertLess(time.monotonic(), deadline)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)

    def login(self, port, password="secret"):
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
            client.sendall(b"USER %s\r\nPASS %s\r\nQUIT\r\n" % (
                JOE.encode(), password.encode()))
            while client.recv(4096):
                pass

    def test_a_start_that_fails_says_why(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            self.server.listeners = [f"pop3 127.0.0.1:{port}"]
            self.server.write_config()
            said = self.start(code=1)
        self.assertRegex(said, f"cannot listen on pop3 127.0.0.1 port {port}: Address already")
        line = self.syslog.expect("cannot listen")
        self.assertEqual(priority(line), WARNING)
        self.server.write_config("user nobody-of-that-name _postkey\n")
        self.assertRegex(self.start(code=1), "the user nobody-of-that-name does not exist")

    @unittest.skipIf(SANITIZED, "a sanitized build has no seccomp")
    def test_walls_that_are_forbidden(self):
        """A unit that refuses seccomp(2) or Landlock: no start, and the line says why."""
        for name, numbers in FORBIDDEN.items():
            number = numbers.get(os.uname().machine)
            if not number:
                self.skipTest("this machine's numbers of system calls are not known here")
            done = subprocess.run(
                [os.path.join(self.server.programs, "posternd"), "-F", "-c",
                 self.server.config], stdin=subprocess.DEVNULL, capture_output=True,
                timeout=PATIENCE, check=False, preexec_fn=lambda n=number: forbid(n))
            self.assertEqual(done.returncode, 1, name)
            self.assertRegex(done.stderr.decode(), "the unit or the container forbids")

    def test_a_removed_runtime_directory(self):
        """Commands name it, and a SIGHUP brings it back."""
        self.start()
        pid = self.pid()
        self.addCleanup(lambda: os.path.exists(f"/proc/{pid}") and self.stop(pid))
        run_directory = f"{self.server.directory}/run"
        shutil.rmtree(run_directory)
        said = self.server.command("who", check=False)
        self.assertEqual(said.returncode, 1)
        self.assertIn(f"{run_directory}/control".encode(), said.stdout)
        os.kill(pid, signal.SIGHUP)
        self.syslog.expect("it was removed, and is made again")
        self.syslog.expect("posternd.*reloaded")
        port = int(re.search(r"pop3 127.0.0.1:(\d+)", self.syslog.expect("listening on"))[1])
        self.login(port)
        self.syslog.expect("v1 logout ")
        self.assertEqual(self.server.command("who", check=False).returncode, 0)

    def test_lines_and_priorities(self):
        said = self.start()
        pid = self.pid()
        self.addCleanup(lambda: os.path.exists(f"/proc/{pid}") and self.stop(pid))
        port = int(re.search(r"pop3 127.0.0.1:(\d+)", self.syslog.expect("listening on"))[1])
        self.assertEqual(priority(self.syslog.expect("posternd.*ready")), INFO)
        self.assertNotIn("logout", said)
        self.login(port)
        for event in ("login", "logout"):
            line = self.syslog.expect(f"postern: .*: v1 {event} ")
            self.assertEqual(priority(line), INFO)
        # The logger dies: another one goes on, and nothing is missing.
        for number in range(3):
            logger = next(each for each in children(pid) if program_of(each) == "posternd")
            os.kill(logger, signal.SIGKILL)
            self.login(port)
            self.syslog.expect(rf"v1 logout connection={number + 2} ")
        # syslogd is started again.
        self.syslog.close()
        self.syslog = Syslog()
        self.login(port)
        self.syslog.expect("v1 logout connection=5 ")
        self.stop(pid)
        self.syslog.expect("posternd.*stopped")


if __name__ == "__main__":
    main()
