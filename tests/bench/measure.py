"""How it is measured: the load generator, processor time, memory, limits of the machine,
pairs.

Servers take turns within each round, so that what disturbs the machine disturbs all of
them; figures are medians over the rounds, ratios are made within a round.
"""

import functools
import json
import os
import statistics
import subprocess
import tempfile
import threading

from peers import PASSWORD
from server import BUILD, INSIDE

LOAD = os.path.join(BUILD, "tests/bench/load")
PATIENCE = 600  # seconds that one measurement may take
TICKS = os.sysconf("SC_CLK_TCK")


class Refused(Exception):
    """The load generator ended with an error: a wrong answer, or none."""


@functools.cache
def accounts_file(names):
    """One for each set of names, in the directory that goes with the namespaces."""
    f = tempfile.NamedTemporaryFile("w", prefix="accounts-", delete=False,
                                    dir=os.environ[INSIDE])
    with f:
        f.write("".join(f"{name} {PASSWORD}\n" for name in names))
    return f.name


def command_line(action, server, how, clients, count, names):
    port = server.plain_port if how in ("plain", "stls") else server.tls_port
    return [LOAD, action, "127.0.0.1", str(port), how, str(clients), str(count),
            accounts_file(tuple(names))]


def load(action, server, how, clients, count, names):
    """One run of the load generator: what it printed, and the server's CPU seconds."""
    before = cpu_seconds(server)
    done = subprocess.run(command_line(action, server, how, clients, count, names),
                          capture_output=True, text=True, timeout=PATIENCE)
    if done.returncode:
        raise Refused(f"{server.name}, {action} {how}: {done.stderr.strip()}")
    return dict(json.loads(done.stdout), cpu=cpu_seconds(server) - before)


class Held:
    """Connections that are held by a load generator in the background."""

    def __init__(self, action, server, how, count, names):
        self.process = subprocess.Popen(command_line(action, server, how, 1, count, names),
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        self.what = f"{server.name}, {action} {how}"

    def __enter__(self):
        if not self.process.stdout.readline():
            raise Refused(f"{self.what}: {self.process.stderr.read().strip()}")
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()


def cpu_seconds(server):
    """User and system time of its processes and of those that it has waited for."""
    total = 0
    for pid in server.pids():
        try:
            with open(f"/proc/{pid}/stat") as f:
                fields = f.read().rpartition(")")[2].split()
            total += sum(int(x) for x in fields[11:15])
        except OSError:
            pass
    return total / TICKS


def pss_kilobytes(server):
    total = 0
    for pid in server.pids():
        try:
            with open(f"/proc/{pid}/smaps_rollup") as f:
                total += next(int(line.split()[1]) for line in f if line.startswith("Pss:"))
        except (OSError, StopIteration):
            pass
    return total


# --- pairs ------------------------------------------------------------------------------

def rounds(servers, number, measure, complain):
    """measure(server, round) of each in turn, `number` times over: {server: [values]}.
    A server that fails is named and measured no more; Postern's failure ends the row."""
    values = {server: [] for server in servers}
    for i in range(number if servers else 0):
        order = servers[i % len(servers):] + servers[:i % len(servers)]
        for server in order:
            if server not in values:
                continue
            try:
                values[server].append(measure(server, i))
            except (Refused, subprocess.TimeoutExpired) as error:
                complain(str(error))
                del values[server]
                if server.name == "Postern":
                    return {}
    return values


def ratios(ours, theirs, less_is_better):
    pairs = [(b / a if less_is_better else a / b) for a, b in zip(ours, theirs) if a and b]
    return (statistics.median(pairs), min(pairs), max(pairs)) if pairs else (0, 0, 0)


# --- limits of the machine -------------------------------------------------------------------

def page_cache_read(path, block=256 * 1024):
    """MB/s of read(2) from the page cache, one core."""
    import time
    buffer = bytearray(block)
    best = 0
    for _ in range(3):
        with open(path, "rb", buffering=0) as f:
            start, octets = time.perf_counter(), 0
            while n := f.readinto(buffer):
                octets += n
            best = max(best, octets / (time.perf_counter() - start) / 1e6)
    return best


def loopback(octets=2_000_000_000, block=256 * 1024):
    """MB/s through one TCP connection on loopback: a process writes, one reads."""
    import socket
    import time
    listener = socket.create_server(("127.0.0.1", 0))
    child = os.fork()
    if child == 0:
        sender = socket.create_connection(listener.getsockname())
        block_of_zeros = bytes(block)
        for _ in range(octets // block):
            sender.sendall(block_of_zeros)
        os._exit(0)
    receiver, _ = listener.accept()
    buffer = bytearray(block)
    start, got = time.perf_counter(), 0
    while n := receiver.recv_into(buffer):
        got += n
    seconds = time.perf_counter() - start
    os.waitpid(child, 0)
    return got / seconds / 1e6


def aes_gcm():
    """MB/s of AES-128-GCM and AES-256-GCM over 16 KB records, one core."""
    found = {}
    for bits in (128, 256):
        said = subprocess.run(["openssl", "speed", "-seconds", "1", "-bytes", "16384", "-evp",
                               f"aes-{bits}-gcm"], capture_output=True, text=True).stdout
        found[bits] = float(said.split()[-1].rstrip("k")) / 1000
    return found


def in_background(function):
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    return thread
