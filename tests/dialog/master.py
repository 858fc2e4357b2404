"""The master alone: stand-ins (standin.c) play the gate, auth and the session.

Each case says what the master must do when its children do this or that; nothing
sleeps, and no port is fixed.

    POSTERN_LONG=1   auth's deadline, too, which is a minute and a half"""
import fcntl
import json
import os
import re
import select
import signal
import socket
import subprocess
import tempfile
import time
import unittest

import hold

BUILD = os.environ.get("POSTERN_BUILD", ".")
PATIENCE = float(os.environ.get("POSTERN_TEST_PATIENCE", "30"))
LONG = bool(os.environ.get("POSTERN_LONG"))
AUTH_SECONDS = 90
CLAIMS, IN_FLIGHT = 40, 36  # three quarters of `limits logins 48`
PROGRAMS = ("pop3-gate", "postern-auth", "pop3-session")


class Client:
    def __init__(self, port, host="127.0.0.1"):
        self.socket = socket.create_connection((host, port), timeout=PATIENCE)
        self.file = self.socket.makefile("rb")

    def line(self):
        return self.file.readline().decode().rstrip("\r\n")

    def ask(self, text):
        self.socket.sendall(text.encode() + b"\r\n")
        return self.line()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.file.close()
        self.socket.close()


class Master:
    """A posternd in the foreground with stand-ins."""

    def __init__(self, settings="", listeners=("pop3 127.0.0.1:0",)):
        self.scratch = tempfile.TemporaryDirectory(prefix="postern-master-")
        self.directory = self.scratch.name
        os.chmod(self.directory, 0o755)
        self.programs = os.path.join(self.directory, "programs")
        os.mkdir(self.programs)
        for program in PROGRAMS:
            self.put(program)
        self.conf = os.path.join(self.directory, "postern.conf")
        self.listeners = listeners
        self.configure(settings)
        self.log, self.process = "", None

    def put(self, program):
        """A copy where the gate's user can reach it."""
        subprocess.run(["cp", os.path.join(BUILD, "standin"),
                        os.path.join(self.programs, program)], check=True)

    def configure(self, settings=""):
        with open(self.conf, "w") as f:
            f.writelines(f"listen {each}\n" for each in self.listeners)
            f.write(f"accounts sqlite:{self.directory}/u.db maildir:{self.directory}/%n\n"
                    f"runtime {self.directory}/run\nstate {self.directory}/state\n"
                    f"programs {self.programs}\nhostname mail.example.org\n"
                    f"user nobody\n{settings}\n")

    def start(self, wrapper=()):
        self.process = subprocess.Popen(
            [*wrapper, os.path.join(BUILD, "posternd"), "-F", "-c", self.conf],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        os.set_blocking(self.process.stderr.fileno(), False)
        self.expect(r"\]: ready")
        self.port = int(self.expect(r"listening on pop3 [^ ]*:(\d+)")[1])
        return self

    def expect(self, pattern, since=0):
        deadline = time.monotonic() + PATIENCE
        while not (found := re.search(pattern, self.log[since:])):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.process.stderr], [], [], left)[0]:
                raise AssertionError(f"no {pattern!r} in:\n{self.log}")
            more = os.read(self.process.stderr.fileno(), 65536).decode()
            self.log += more
            if not more:
                raise AssertionError(f"ended without {pattern!r}:\n{self.log}")
        return found

    def client(self):
        client = Client(self.port)
        client.greeting = client.line()
        return client

    def login(self, secret="good"):
        client = self.client()
        client.reply = client.ask(f"LOGIN joe {secret}")
        return client

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def settle(self, number):
        """Waits until the master has so many descriptors."""
        deadline = time.monotonic() + PATIENCE
        while self.descriptors() != number:
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.descriptors()} descriptors, not {number}")
            select.select([], [], [], 0.01)

    def parent(self, program):
        """The warm parent's pid, once it runs."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as f:
                for pid in f.read().split():
                    try:
                        with open(f"/proc/{pid}/cmdline", "rb") as c:
                            if c.read().startswith(program.encode() + b"\0"):
                                return int(pid)
                    except OSError:
                        pass
        raise AssertionError(f"{program} does not run")

    def signal(self, number):
        since = len(self.log)
        self.process.send_signal(number)
        return since

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.expect(r"stopped")
            self.process.wait(PATIENCE)
        self.process.stderr.close()
        return self.process.returncode


class Case(unittest.TestCase):
    settings = ""

    def setUp(self):
        self.master = Master(self.settings).start()
        self.addCleanup(self.master.scratch.cleanup)
        self.addCleanup(self.master.stop)


class Verdicts(Case):
    settings = "limits attempts 5"

    def test_each(self):
        for secret, reply in (("good", "+OK ready"), ("bad", "-ERR fail"),
                              ("temp", "-ERR temp"), ("crash", "-ERR temp"),
                              ("inuse", "-ERR in use"), ("dead", "-ERR temp")):
            with self.subTest(secret=secret):
                client = self.master.login(secret)
                self.assertEqual(client.reply, reply)
                if secret != "good":
                    # Whatever went wrong, this connection may try again.
                    self.assertEqual(client.ask("LOGIN joe good"), "+OK ready")
                self.assertEqual(client.ask("hello"), "hello")
                client.close()

    def test_a_refusal_costs_time_and_more_each_time(self):
        first = time.monotonic()
        client = self.master.login("bad")
        second = time.monotonic()
        self.assertEqual(client.ask("LOGIN joe worse-bad"), "+OK ready")
        client.close()
        self.assertGreaterEqual(second - first, 0.4)

    def test_an_exchange_that_is_not_finished_counts(self):
        """Left behind for another, and by a client that goes: two failures; the next
        refusal is the third and takes two seconds."""
        before = self.master.descriptors()
        client = self.master.client()
        self.assertEqual(client.ask("LOGIN ann begin"), "+ more")
        self.assertEqual(client.ask("LOGIN bob begin"), "+ more")
        client.close()
        self.master.settle(before)
        began = time.monotonic()
        client = self.master.login("bad")
        self.assertGreater(time.monotonic() - began, 1.8)
        self.assertEqual(client.reply, "-ERR fail")
        client.close()

    def test_a_hung_decision_serves_others(self):
        hung = self.master.client()
        hung.socket.sendall(b"LOGIN joe hang\r\n")
        other = self.master.login()
        self.assertEqual(other.reply, "+OK ready")
        hung.close()
        other.close()

    def test_more_claims_than_attempts_allow(self):
        client = self.master.client()
        for _ in range(200):
            if client.ask("LOGIN joe temp") != "-ERR temp":
                break
        else:
            self.fail("claims without end")
        self.master.expect(r"more claims than attempts allow")

    def test_challenges_differ(self):
        seen = {self.master.client().greeting.split()[3] for _ in range(50)}
        self.assertEqual(len(seen), 50)
        for each in seen:
            self.assertRegex(each, r"^<[0-9a-f]{32}@mail\.example\.org>$")


class Descriptors(Case):
    def test_none_stays(self):
        idle = self.master.descriptors()
        for i in range(60):
            client = self.master.client()
            if i % 3 == 0:
                self.assertEqual(client.ask("LOGIN joe good"), "+OK ready")
            elif i % 3 == 1:
                client.socket.sendall(b"LEAVE\r\n")
            client.close()
        self.master.settle(idle)

    def test_a_stranger_costs_no_process(self):
        gate = self.master.parent("pop3-gate")
        children = f"/proc/{gate}/task/{gate}/children"
        idle = self.master.descriptors()
        strangers = [self.master.client() for _ in range(30)]
        self.assertEqual(self.master.descriptors(), idle + 30)
        self.assertEqual(open(children).read(), "")
        self.assertEqual(strangers[7].ask("LOGIN joe good"), "+OK ready")
        for each in strangers:
            each.close()
        self.master.settle(idle)
        # Who leaves without a word never had a gate.
        with self.master.client() as client:
            client.socket.shutdown(socket.SHUT_WR)
            self.assertEqual(client.file.read(), b"")

    def test_a_session_costs_none(self):
        idle = self.master.descriptors()
        sessions = [self.master.login() for _ in range(10)]
        self.master.settle(idle)
        self.assertEqual(sessions[3].ask("still there"), "still there")
        for each in sessions:
            each.close()


class Limits(Case):
    settings = "limits connections 6 per-source 4"

    def test_per_source(self):
        held = [self.master.client() for _ in range(4)]
        self.assertRegex(self.master.client().greeting, r"^-ERR \[SYS/TEMP\]")
        self.assertEqual(self.master.client().file.read(), b"")
        # One line for many.
        self.master.expect(r"turned away source=127\.0\.0\.1: too many connections from")
        self.assertEqual(self.master.log.count("turned away"), 1)
        held.pop().close()
        deadline = time.monotonic() + PATIENCE
        while not self.master.client().greeting.startswith("+OK"):
            self.assertLess(time.monotonic(), deadline)


class Deaths(Case):
    def test_each_parent(self):
        for program in PROGRAMS:
            with self.subTest(program=program):
                session = self.master.login()
                since = len(self.master.log)
                os.kill(self.master.parent(program), signal.SIGKILL)
                self.master.expect(program + r"\[\d+\] was ended by signal 9", since)
                self.assertEqual(session.ask("still there"), "still there")
                session.close()
                # Work waits until the new one is ready.
                client = self.master.login()
                self.assertEqual(client.reply, "+OK ready")
                client.close()

    def expect_refused(self):
        """Of an attempt that auth could not tell of, the master does, once."""
        self.master.expect(r'\nposternd\[\d+\]: v1 refused connection=\d+ account="" '
                           r'mechanism=- source=127\.0\.0\.1 listener=pop3 tls="" '
                           r'reason=temporary\n')
        self.assertEqual(self.master.log.count("v1 refused"), 1)

    def test_auth_crashes(self):
        client = self.master.login("crash")
        self.assertEqual(client.reply, "-ERR temp")
        self.expect_refused()
        client.close()

    def test_auth_says_why_it_could_not(self):
        client = self.master.login("temp")
        self.assertEqual(client.reply, "-ERR temp")
        self.master.expect(r"postern-auth ended with code")
        self.assertNotIn("v1 refused", self.master.log)
        client.close()

    def children(self, program, number):
        """The pids of so many children of a warm parent, once they are there."""
        parent = self.master.parent(program)
        path = f"/proc/{parent}/task/{parent}/children"
        deadline = time.monotonic() + PATIENCE
        while len(found := open(path).read().split()) != number:
            self.assertLess(time.monotonic(), deadline)
        return [int(pid) for pid in found]

    @unittest.skipUnless(LONG, "POSTERN_LONG is not set")
    def test_auth_takes_too_long(self):
        """Also when nobody waits for it any more: it would hold its turn for ever."""
        with self.master.client() as gone:
            gone.socket.sendall(b"LOGIN joe hang\r\n")
            self.children("postern-auth", 1)
            os.kill(self.children("pop3-gate", 1)[0], signal.SIGKILL)
            self.children("pop3-gate", 0)
        with self.master.client() as client:
            client.socket.settimeout(AUTH_SECONDS + PATIENCE)
            self.assertEqual(client.ask("LOGIN joe hang"), "-ERR temp")
            self.assertEqual(client.ask("LOGIN joe good"), "+OK ready")
        for what in ("postern-auth takes too long", "v1 refused .* reason=temporary"):
            self.master.expect(rf"{what}\n(.*\n)*.*{what}\n")
        self.children("postern-auth", 0)

    def test_auth_dies_while_it_decides(self):
        client = self.master.client()
        client.socket.sendall(b"LOGIN joe hang\r\n")
        self.children("postern-auth", 1)
        self.assertNotIn("v1 refused", self.master.log)
        os.kill(self.master.parent("postern-auth"), signal.SIGKILL)
        self.assertEqual(client.line(), "-ERR temp")
        self.expect_refused()
        self.assertEqual(client.ask("LOGIN joe good"), "+OK ready")
        client.close()

    def test_auth_dies_when_it_has_decided(self):
        """The session that came of it is not talked into by the master."""
        for _ in range(20):
            client = self.master.login("late")
            self.assertEqual(client.reply, "+OK ready")
            self.assertEqual(client.ask("still there"), "still there")
            client.close()
        self.assertNotIn("v1 refused", self.master.log)

    def test_throttled_at_birth(self):
        os.unlink(os.path.join(self.master.programs, "pop3-session"))
        os.kill(self.master.parent("pop3-session"), signal.SIGKILL)
        self.master.expect(r"cannot start .*pop3-session")
        started = time.monotonic()
        while time.monotonic() - started < 1.5:
            select.select([], [], [], 0.1)
        self.master.signal(signal.SIGHUP)
        self.master.expect(r"not reloaded")
        self.assertLessEqual(self.master.log.count("cannot start"), 8)
        self.master.put("pop3-session")
        client = self.master.login()
        self.assertEqual(client.reply, "+OK ready")
        client.close()


class Deadlines(Case):
    """Every process of a connection has one, whatever it closes and whoever died."""
    settings = "limits logins 48 per-source 50"

    def rows(self):
        done = subprocess.run(
            [os.path.join(BUILD, "postern"), "-c", self.master.conf, "who", "--json"],
            capture_output=True, timeout=PATIENCE, text=True, check=True)
        return json.loads(done.stdout)

    def assert_no_row(self):
        deadline = time.monotonic() + 2 * PATIENCE
        while rows := self.rows():
            self.assertLess(time.monotonic(), deadline, rows)
            select.select([], [], [], 0.1)

    def test_a_gate_that_closes_its_channel_and_stays(self):
        with self.master.client() as client:
            self.assertEqual(client.ask("STAY"), "staying")
            self.assertEqual(client.file.read(), b"")
        self.master.expect("pop3-gate takes too long")
        self.assert_no_row()

    def postern(self, *arguments):
        subprocess.run([os.path.join(BUILD, "postern"), "-c", self.master.conf, *arguments],
                       check=True, capture_output=True, timeout=PATIENCE)

    def claims_that_wait_for_auth(self):
        """More claims than a loopback source may have in flight, all kicked before auth
        sees them; how many had a turn."""
        waiting = [self.master.client() for _ in range(CLAIMS)]
        for each in waiting:
            each.socket.sendall(b"LOGIN joe good\r\n")
        deadline = time.monotonic() + PATIENCE
        while (states := [row["state"] for row in self.rows()]).count("busy") < IN_FLIGHT:
            self.assertLess(time.monotonic(), deadline, states)
        for row in self.rows():
            self.postern("kick", str(row["connection"]))
        for each in waiting:
            each.close()

    def test_a_kick_before_auth_has_it(self):
        """Some wait for auth's channel: they give their turn back."""
        for _ in range(2):
            auth = self.master.parent("postern-auth")
            os.kill(auth, signal.SIGSTOP)
            try:
                self.claims_that_wait_for_auth()
            finally:
                os.kill(auth, signal.SIGCONT)
            self.assert_no_row()
        with self.master.login() as client:
            self.assertEqual(client.reply, "+OK ready")

    def test_the_session_parent_dies_before_auth_has_ended(self):
        with self.master.client() as client:
            self.assertEqual(client.ask("LOGIN joe slow"), "+OK ready")
            parent = self.master.parent("pop3-session")
            session = children(parent)[0]
            os.kill(parent, signal.SIGKILL)
            self.master.expect(r"pop3-session\[\d+\] was ended by signal 9")
            self.assertEqual(client.ask("still there"), "still there")
            # The orphan is the master's own now, and counts as any session.
            self.assertIn(session, children(self.master.process.pid))
            os.kill(children(self.master.parent("postern-auth"))[0], signal.SIGKILL)
            self.assertEqual(client.ask("still there"), "still there")
            deadline = time.monotonic() + PATIENCE
            while [row["state"] for row in self.rows()] != ["session"]:
                self.assertLess(time.monotonic(), deadline, self.rows())
        self.assert_no_row()

    def test_a_kick_reaches_an_orphan(self):
        with self.master.login() as client:
            self.assertEqual(client.reply, "+OK ready")
            os.kill(self.master.parent("pop3-session"), signal.SIGKILL)
            self.master.expect(r"pop3-session\[\d+\] was ended by signal 9")
            self.postern("kick", "joe")
            self.assertEqual(client.file.read(), b"")
        self.assert_no_row()


class Crashes(Case):
    settings = "limits attempts 9"

    def assert_renewed(self, program, crash, sessions):
        """After some crashes the program is another process; nobody else notices."""
        old, since = self.master.parent(program), len(self.master.log)
        crash()
        self.master.expect(r"processes have crashed: all are started anew", since)
        self.master.expect(r"reloaded", since)
        deadline = time.monotonic() + PATIENCE
        while self.newest(program) == old:
            self.assertLess(time.monotonic(), deadline)
        for each in sessions:
            self.assertEqual(each.ask("still there"), "still there")

    def newest(self, program):
        return max((pid for pid in children(self.master.process.pid)
                    if name_of(pid) == program), default=0)

    def crash_gate(self):
        with self.master.client() as client:
            client.socket.sendall(b"CRASH\r\n")
            self.assertEqual(client.file.read(), b"")

    def test_few(self):
        with self.master.login() as session:
            self.assert_renewed("pop3-gate", lambda: [self.crash_gate() for _ in range(4)],
                                [session])
            self.assert_renewed("postern-auth",
                                lambda: self.master.login("crash").close(), [session])

    def test_many_do_not_make_the_master_spin(self):
        began = time.monotonic()
        for _ in range(60):
            self.crash_gate()
        seconds = time.monotonic() - began
        renewals = self.master.log.count("all are started anew")
        self.assertLess(renewals, 3 + seconds / 2)
        with self.master.login() as client:
            self.assertEqual(client.reply, "+OK ready")


class Reload(Case):
    def test_places_stay(self):
        """Two generations with two places for locks would give one maildrop twice."""
        for place in ("runtime", "state"):
            with self.subTest(place):
                self.master.configure()
                with open(self.master.conf) as f:
                    text = f.read()
                now = {"runtime": "run", "state": "state"}[place]
                with open(self.master.conf, "w") as f:
                    f.write(text.replace(f"{place} {self.master.directory}/{now}\n",
                                         f"{place} {self.master.directory}/other\n"))
                since = self.master.signal(signal.SIGHUP)
                self.master.expect(rf"{place} stays {self.master.directory}/{now} until "
                                   "the next start", since)
                self.master.expect(r"reloaded", since)
                self.assertFalse(os.path.exists(f"{self.master.directory}/other"))
                with self.master.login() as client:
                    self.assertEqual(client.reply, "+OK ready")

    def test_a_second_one_takes_the_place_of_the_first(self):
        """Of two reloads that overlap the later counts, and nothing of the other stays."""
        auth = self.master.parent("postern-auth")
        for _ in range(3):
            since = self.master.signal(signal.SIGHUP)
            self.master.signal(signal.SIGHUP)
        self.master.expect(r"reloaded", since)
        with self.master.login() as client:
            self.assertEqual(client.reply, "+OK ready")
        deadline = time.monotonic() + PATIENCE
        # and the logger
        while len(children(self.master.process.pid)) != len(PROGRAMS) + 1 or \
                auth in children(self.master.process.pid):
            self.assertLess(time.monotonic(), deadline)

    def test_sessions_and_strangers_stay(self):
        session, stranger = self.master.login(), self.master.client()
        waiting = self.master.login("bad")
        old = self.master.parent("pop3-gate")
        self.master.expect(r"reloaded", self.master.signal(signal.SIGHUP))
        self.assertEqual(session.ask("still there"), "still there")
        self.assertEqual(stranger.ask("LOGIN joe good"), "+OK ready")
        self.assertEqual(stranger.ask("x"), "x")
        self.assertEqual(waiting.ask("LOGIN joe good"), "+OK ready")
        waiting.close()
        session.close()
        stranger.close()
        deadline = time.monotonic() + PATIENCE
        while os.path.exists(f"/proc/{old}"):
            self.assertLess(time.monotonic(), deadline)

    def test_a_broken_configuration_changes_nothing(self):
        self.master.configure("lisen pop3 *:110")
        self.master.expect(r"not reloaded", self.master.signal(signal.SIGHUP))
        self.assertRegex(self.master.log, r"postern\.conf:\d+: .*listen")
        client = self.master.login()
        self.assertEqual(client.reply, "+OK ready")
        client.close()

    def test_listeners_follow(self):
        self.master.listeners = ("pop3 127.0.0.1:0", "pop3 127.0.0.2:0")
        self.master.configure()
        since = self.master.signal(signal.SIGHUP)
        port = int(self.master.expect(r"pop3 127\.0\.0\.2:(\d+)", since)[1])
        self.master.expect(r"reloaded", since)
        second = Client(port, "127.0.0.2")
        self.assertTrue(second.line().startswith("+OK"))
        second.close()
        self.assertEqual(self.master.login().reply, "+OK ready")
        self.master.listeners = ("pop3 127.0.0.1:0",)
        self.master.configure()
        self.master.expect(r"reloaded", self.master.signal(signal.SIGHUP))
        with self.assertRaises(ConnectionRefusedError):
            Client(port, "127.0.0.2")


class Control(Case):
    settings = "limits attempts 5"

    def postern(self, *arguments):
        return subprocess.run(
            [os.path.join(BUILD, "postern"), "-c", self.master.conf, *arguments],
            capture_output=True, timeout=PATIENCE, text=True)

    def who(self):
        done = self.postern("who", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        return {row["connection"]: row for row in json.loads(done.stdout)}

    def test_who(self):
        session, stranger = self.master.login(), self.master.client()
        deadline = time.monotonic() + PATIENCE
        while self.who()[1]["state"] != "session":
            self.assertLess(time.monotonic(), deadline)
        rows = self.who()
        self.assertEqual(rows[1]["account"], "joe")
        self.assertEqual(rows[1]["source"], "127.0.0.1")
        self.assertTrue(os.path.exists(f"/proc/{rows[1]['pid']}"))
        self.assertEqual(rows[2]["state"], "stranger")
        self.assertIsNone(rows[2]["account"])
        self.assertIn("joe", self.postern("who").stdout)
        session.close()
        stranger.close()

    def test_many(self):
        """More rows than the socket takes at once."""
        self.master.configure("limits connections 2000 per-source 2000")
        self.master.expect(r"reloaded", self.master.signal(signal.SIGHUP))
        held = [self.master.client() for _ in range(1000)]
        self.assertEqual(len(self.who()), 1000)
        for each in held:
            each.close()

    def test_kick(self):
        one, two, other = (self.master.login() for _ in range(3))
        self.master.expect("ready")
        deadline = time.monotonic() + PATIENCE
        while any(row["state"] != "session" for row in self.who().values()):
            self.assertLess(time.monotonic(), deadline)
        self.assertEqual(self.postern("kick", "3").stdout, "1 ended\n")
        self.assertEqual(other.file.read(), b"")
        self.assertEqual(self.postern("kick", "joe").stdout, "2 ended\n")
        self.assertEqual(one.file.read() + two.file.read(), b"")
        self.assertEqual(self.postern("kick", "joe@nowhere").returncode, 1)
        with self.master.client() as stranger:
            self.assertEqual(self.postern("kick", "4").stdout, "1 ended\n")
            self.assertEqual(stranger.file.read(), b"")

    def test_stats(self):
        for secret in ("good", "bad", "temp"):
            self.master.login(secret).close()
        stats = json.loads(self.postern("stats", "--json").stdout)
        self.assertEqual([stats[key] for key in
                          ("accepted_connections", "logins", "refused", "failed")],
                         [3, 1, 1, 1])
        self.assertIn("logins", self.postern("stats").stdout)
        with self.master.login(), self.master.login(), self.master.client():
            deadline = time.monotonic() + PATIENCE
            while (stats := json.loads(self.postern("stats", "--json").stdout))[
                    "sessions"] != 2 or stats["connections"] != 3:
                self.assertLess(time.monotonic(), deadline, stats)

    def test_a_claim_that_waits_does_not_make_the_master_spin(self):
        """It stays readable while it waits for its turn; the master looks once."""
        self.master.configure("limits logins 1 attempts 5")
        self.master.expect(r"reloaded", self.master.signal(signal.SIGHUP))
        with self.master.client() as hung, self.master.client() as waiting:
            hung.socket.sendall(b"LOGIN joe hang\r\n")
            self.wait_for_state("busy")
            waiting.socket.sendall(b"LOGIN joe good\r\n")
            self.wait_for_state("queued")
            ticks = cpu(self.master.process.pid)
            select.select([], [], [], 0.5)
            self.assertLess(cpu(self.master.process.pid) - ticks, 20)

    def wait_for_state(self, state):
        deadline = time.monotonic() + PATIENCE
        while state not in {row["state"] for row in self.who().values()}:
            self.assertLess(time.monotonic(), deadline)

    def test_reload(self):
        self.assertEqual(self.postern("reload").returncode, 0)
        with open(self.master.conf, "a") as f:
            f.write("lisen pop3 *:1\n")
        # The command reads the runtime directory there, so it fails as well.
        self.assertEqual(self.postern("reload").returncode, 1)
        self.master.configure("limits attempts 5")
        os.unlink(os.path.join(self.master.programs, "postern-auth"))
        done = self.postern("reload")
        self.assertEqual(done.returncode, 1)
        self.assertIn("not reloaded", done.stderr)
        self.assertEqual(self.master.login().reply, "+OK ready")

    def test_stop(self):
        self.assertEqual(self.postern("stop").returncode, 0)
        self.assertEqual(self.master.process.wait(PATIENCE), 0)
        done = self.postern("stop")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no server runs", done.stderr)

    def test_a_lock_that_others_can_have(self):
        """Whoever may read the pid file may lock it; that must keep no server."""
        run = os.path.join(self.master.directory, "run")
        self.master.stop()
        self.master.log = ""
        with open(os.path.join(run, "posternd.pid"), "rb") as pid:
            fcntl.lockf(pid, fcntl.LOCK_SH | fcntl.LOCK_NB)
            fcntl.flock(pid, fcntl.LOCK_SH | fcntl.LOCK_NB)
            self.master.start()
            self.assertEqual(self.master.login().reply, "+OK ready")
        self.assertEqual(os.stat(os.path.join(run, "locks")).st_mode & 0o777, 0o700)
        lock = os.path.join(run, "locks", "server.lock")
        self.assertEqual(os.stat(lock).st_mode & 0o777, 0o600)

    def test_nobody_else(self):
        path = os.path.join(self.master.directory, "run", "control")
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        # Nonsense ends that client alone.
        for nonsense in (b"x", bytes((hold.ABI, 15)), bytes(2000),
                         bytes((hold.ABI, 15, 9)) + bytes(10)):
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
                s.settimeout(PATIENCE)
                s.connect(path)
                s.send(nonsense)
                try:
                    self.assertEqual(s.recv(100), b"")
                except ConnectionResetError:
                    pass
        self.assertEqual(self.master.login().reply, "+OK ready")


class Life(unittest.TestCase):
    def test_one_at_a_time(self):
        master = Master().start()
        self.addCleanup(master.scratch.cleanup)
        self.addCleanup(master.stop)
        second = subprocess.run(
            [os.path.join(BUILD, "posternd"), "-F", "-c", master.conf],
            capture_output=True, timeout=PATIENCE)
        self.assertEqual(second.returncode, 1)
        self.assertIn(b"runs already: process %d" % master.process.pid, second.stderr)

    def test_ends_with_everything(self):
        master = Master().start()
        self.addCleanup(master.scratch.cleanup)
        session = master.login()
        parents = [master.parent(program) for program in PROGRAMS]
        self.assertEqual(master.stop(), 0)
        self.assertEqual(session.file.read(), b"")
        for pid in parents:
            self.assertFalse(os.path.exists(f"/proc/{pid}"))

    def test_out_of_descriptors(self):
        master = Master().start()
        self.addCleanup(master.scratch.cleanup)
        self.addCleanup(master.stop)
        few = master.descriptors() + 7
        subprocess.run(["prlimit", f"--pid={master.process.pid}", f"--nofile={few}:"],
                       check=True)
        clients = [Client(master.port) for _ in range(8)]
        master.expect(r"nothing is accepted for a while")
        ticks = cpu(master.process.pid)
        select.select([], [], [], 0.5)
        self.assertLess(cpu(master.process.pid) - ticks, 20)
        for each in clients:
            each.close()
        self.assertEqual(master.login().reply, "+OK ready")

    def test_descriptors_as_far_as_it_may(self):
        """A hard limit that cannot be raised is used all the same, and told."""
        # Without CAP_SYS_RESOURCE, as in many containers; root or not.
        bounded = ("prlimit", "--nofile=256:900") if os.geteuid() else (
            "setpriv", "--bounding-set=-sys_resource", "--inh-caps=-sys_resource",
            "prlimit", "--nofile=256:900")
        master = Master("limits connections 4096 per-source 4096")
        self.addCleanup(master.scratch.cleanup)
        master.start(bounded)
        self.addCleanup(master.stop)
        self.assertRegex(master.log, r"900 descriptors may be open; \d+ connections need")
        with open(f"/proc/{master.process.pid}/limits") as f:
            self.assertRegex(f.read(), r"Max open files +900 +900 ")
        # As many connections as there are descriptors for, each with a gate.
        most = int(re.search(r"there will be (\d+) at most", master.log)[1])
        clients = [Client(master.port) for _ in range(most + 90)]
        for each in clients:
            try:
                each.socket.sendall(b"x")
            except OSError:
                pass  # it has made room
        with master.login() as client:
            self.assertEqual(client.reply, "+OK ready")
        self.assertNotIn("nothing is accepted", master.log)
        for each in clients:
            each.close()

    def test_check(self):
        master = Master()
        self.addCleanup(master.scratch.cleanup)
        command = [os.path.join(BUILD, "posternd"), "-n", "-c", master.conf]
        done = subprocess.run(command, capture_output=True, timeout=PATIENCE)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(b"listen pop3 127.0.0.1:0", done.stdout)
        self.assertFalse(os.path.exists(os.path.join(master.directory, "run")))
        os.unlink(os.path.join(master.programs, "postern-auth"))
        done = subprocess.run(command, capture_output=True, timeout=PATIENCE)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"postern-auth", done.stderr)

    def test_tells_a_service_manager(self):
        master = Master()
        self.addCleanup(master.scratch.cleanup)
        path = os.path.join(master.directory, "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(path)
            manager.settimeout(PATIENCE)
            os.environ["NOTIFY_SOCKET"] = path
            try:
                master.start()
            finally:
                del os.environ["NOTIFY_SOCKET"]
            self.assertEqual(manager.recv(100), b"READY=1")
            master.stop()
            self.assertEqual(manager.recv(100), b"STOPPING=1")

    def test_background(self):
        master = Master()
        self.addCleanup(master.scratch.cleanup)
        done = subprocess.run([os.path.join(BUILD, "posternd"), "-c", master.conf],
                              stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=PATIENCE)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(os.path.join(master.directory, "run", "posternd.pid")) as f:
            pid = int(f.read())
        pidfd = os.pidfd_open(pid)
        os.kill(pid, signal.SIGTERM)
        self.assertTrue(select.select([pidfd], [], [], PATIENCE)[0])
        os.close(pidfd)


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        return [int(child) for child in f.read().split()]


def name_of(pid):
    try:
        with open(f"/proc/{pid}/cmdline") as f:
            return f.read().split("\0")[0]
    except OSError:
        return None


def cpu(pid):
    """Clock ticks that the process has used."""
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


if __name__ == "__main__":
    unittest.main(verbosity=2)
