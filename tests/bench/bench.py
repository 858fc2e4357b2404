"""Postern beside Debian's other POP3 servers, in one run, in namespaces of its own.

contrib/bench builds what is measured and calls this; see its --help.
"""

import argparse
import contextlib
import fcntl
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))

import mail
import measure
import peers
import rows
import server as lib

SEED = 20261124


class Bench:
    def __init__(self, options):
        self.options = options
        self.sizes = rows.Sizes(options.quick)
        self.root = options.directory
        self.originals = os.path.join(self.root, "originals-quick" if options.quick
                                      else "originals")
        self.rows, self.complaints, self.promises = [], [], {}
        self.servers = [c for c in peers.ALL if c.is_there() and (
            not options.only or c is peers.Postern
            or any(o.lower() in c.name.lower() for o in options.only))]

    def complain(self, what):
        print(f"  ! {what}", file=sys.stderr, flush=True)
        self.complaints.append(what)

    # --- mail ---

    def original(self, what, form):
        """The generated maildrop, made when it is first asked for."""
        sizes = {"one": (1, 2000), "small": (self.sizes.small, 4096),
                 "big": (self.sizes.big, 50_000_000), "many": (self.sizes.many, 3000),
                 "huge": (self.sizes.huge, 20_000)}
        path = os.path.join(self.originals, f"{what}.{form}")
        if not os.path.exists(path):
            print(f"  making {os.path.basename(path)}", file=sys.stderr, flush=True)
            os.makedirs(self.originals, exist_ok=True)
            subprocess.run(["rm", "-rf", path + ".new"], check=True)
            make = mail.make_maildir if form == "maildir" else mail.make_mbox
            make(path + ".new", *sizes[what], SEED)
            subprocess.run(["chown", "-R", f"{peers.OWNER}:", path + ".new"], check=True)
            os.rename(path + ".new", path)
        return path

    def furnish(self, servers, users, what):
        for server in servers:
            original = self.original(what, server.form)
            for user in users:
                owner, group = server.owner(user)
                mail.place(original, server.maildrop(user), owner, group)

    # --- servers ---

    @contextlib.contextmanager
    def fleet(self, classes, kind, key, remember=True):
        started = []
        try:
            for each in classes:
                if each not in self.servers:
                    continue
                its_kind = kind if kind in each.accounts else each.accounts[0]
                place = os.path.join(self.root, "servers", each.__name__.lower() + its_kind)
                subprocess.run(["rm", "-rf", place], check=True)
                server = each(place, its_kind, *certificate(self.root, key), remember)
                try:
                    server.add_users(rows.NAMES)
                    started.append(server)
                    server.start()
                except (RuntimeError, AssertionError, subprocess.CalledProcessError) as error:
                    if each is peers.Postern:
                        raise
                    self.complain(f"{each.name}: {error}")
                    started.pop().stop() if started[-1:] == [server] else None
                self.promises[server.name] = server.promise
            yield started
        finally:
            for server in started:
                server.stop()

    def settle(self, server):
        """Waits until the processes of the connections that were held are gone."""
        deadline, before = time.monotonic() + 30, -1
        while time.monotonic() < deadline:
            now = len(server.pids())
            if now == before and now < 50:
                return
            before = now
            time.sleep(0.3)

    # --- results ---

    def row(self, name, unit, values, bar=None, less=False, secure_bar=None, cpu=None,
            cpu_unit="", note=""):
        medians = {s: statistics.median(v) for s, v in values.items() if v}
        ours = next((s for s in medians if s.name == "Postern"), None)
        others = [s for s in medians if s is not ours]
        if not ours or not others:
            self.complain(f"{name}: nothing to compare")
            return
        best = (min if less else max)(others, key=lambda s: medians[s])
        self.add(name, unit, values, medians, ours, best, bar, less, cpu, cpu_unit, note)
        secure = [s for s in others if s.secure and s.name.startswith("Dovecot")]
        if secure_bar and secure and secure[0] is not best:
            self.add(name + ", secure mode", unit, values, medians, ours, secure[0],
                     secure_bar, less, cpu, cpu_unit, "")

    def add(self, name, unit, values, medians, ours, peer, bar, less, cpu, cpu_unit, note):
        ratio, least, most = measure.ratios(values[ours], values[peer], less)
        seconds = {s.name: statistics.median(v) for s, v in (cpu or {}).items() if v}
        found = {
            "row": name, "unit": unit, "postern": medians[ours], "peer": medians[peer],
            "peer_name": peer.name, "ratio": ratio, "bar": bar, "ratio_min": least,
            "ratio_max": most, "all": {s.name: m for s, m in medians.items()},
            "cpu": seconds, "cpu_unit": cpu_unit, "note": note}
        self.rows.append(found)
        print(f"  {name}: {figure(medians[ours])} {unit}, {peer.name} "
              f"{figure(medians[peer])}, {ratio:.2f} times"
              + (f" (bar {bar})" if bar else "")
              + ", all: " + ", ".join(f"{s.name} {figure(m)}" for s, m in medians.items())
              + (", cpu: " + ", ".join(f"{n} {figure(c)}" for n, c in seconds.items())
                 + " " + cpu_unit if seconds else "")
              + (f" [{note}]" if note else ""), file=sys.stderr, flush=True)

    def limits(self):
        """What the machine can do at most, in the same run."""
        path = self.original("big", "mbox")
        gcm = measure.aes_gcm()
        copy = measure.page_cache_read(path)
        return {"page cache, read": copy, "loopback TCP": measure.loopback(),
                "AES-128-GCM, one core": gcm[128], "AES-256-GCM, one core": gcm[256],
                "AES-256-GCM and one copy, one core": 1 / (1 / gcm[256] + 1 / copy)}


def figure(x):
    return f"{x:.0f}" if x >= 100 else f"{x:.1f}" if x >= 10 else f"{x:.2f}"


def certificate(root, key):
    made = os.path.join(root, f"{key}.pem"), os.path.join(root, f"{key}.key")
    if not os.path.exists(made[0]):
        lib.make_certificate(root, key, ("rsa:2048",) if key == "rsa" else ("prime256v1",))
    return made


def machine():
    with open("/proc/cpuinfo") as f:
        model = next((line.split(":")[1].strip() for line in f
                      if line.startswith("model name")), platform.machine())
    with open("/proc/meminfo") as f:
        memory = int(f.readline().split()[1]) / 1e6
    return (f"{os.cpu_count()} cores of {model}, {memory:.0f} GB, {platform.system()} "
            f"{platform.release()}; client and servers share the cores")


def markdown(bench, limits):
    lines = [f"# Postern beside others, {time.strftime('%Y-%m-%d')}", "",
             machine() + f"; {bench.sizes.pairs} rounds, medians; ratio: above 1 Postern is "
             "better, least and most of the rounds in brackets.", "",
             "| row | unit | Postern | best peer | | ratio | asked for | CPU: Postern, peer |",
             "|---|---|--:|--:|---|--:|--:|---|"]
    for r in bench.rows:
        cpu = r["cpu"]
        spent = f"{figure(cpu['Postern'])}, {figure(cpu[r['peer_name']])} {r['cpu_unit']}" \
            if r["peer_name"] in cpu else ""
        lines.append(
            f"| {r['row']} | {r['unit']} | {figure(r['postern'])} | {figure(r['peer'])} | "
            f"{r['peer_name']} | {r['ratio']:.2f} [{r['ratio_min']:.2f} to "
            f"{r['ratio_max']:.2f}] | {r['bar'] or ''} | {spent} |")
    lines += ["", "Everyone's medians:", ""]
    lines += [f"- {r['row']} ({r['unit']}): " + ", ".join(
        f"{n} {figure(m)}" for n, m in r["all"].items())
        + (f". {r['note']}" if r["note"] else "") for r in bench.rows
        if not r["row"].endswith("secure mode")]
    lines += ["", "Limits of the machine, in the same run (MB/s):", ""]
    lines += [f"- {what}: {value:.0f}" for what, value in limits.items()]
    lines += ["", "What each promises when QUIT is answered:", ""]
    lines += [f"- {name}: {promise}" for name, promise in bench.promises.items()]
    if bench.complaints:
        lines += ["", "What went wrong:", ""] + [f"- {each}" for each in bench.complaints]
    return "\n".join(lines) + "\n"


# --- the world of the servers ----------------------------------------------------------

def furnish(options):
    """Like the system tests', with mail on a real disk, and the peers under /usr."""
    lib.furnish()
    spool = os.path.join(options.directory, "spool")
    os.makedirs(spool, exist_ok=True)
    lib.run("mount", "--bind", spool, "/var/mail")
    shutil.chown("/var/mail", "root", "mail")
    os.chmod("/var/mail", 0o2775)
    found = os.path.join(options.peers, "usr")
    if os.path.isdir(found):
        lib.run("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={found}:/usr", "/usr")
    add_people()
    import resource
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 65536), most))


def add_people():
    """The peers' users, the owner of virtual mail, and a thousand who log in."""
    secret = peers.crypted()
    people = [(name, 19000 + i, "!") for i, name in enumerate(
        ("dovecot", "dovenull", "courier", "popa3d", peers.OWNER))]
    people += [(name, 20000 + i, secret) for i, name in enumerate(rows.NAMES)]
    for path, line in (("/etc/passwd", "{0}:x:{1}:{1}::/home/{0}:/bin/sh\n"),
                       ("/etc/group", "{0}:x:{1}:\n"),
                       ("/etc/shadow", "{0}:{2}:19000:0:99999:7:::\n")):
        with open(path) as f:
            there = {each.split(":")[0] for each in f}
        with open(path, "a") as f:
            f.write("".join(line.format(*each) for each in people if each[0] not in there))


def options():
    parser = argparse.ArgumentParser(prog="contrib/bench", description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--rows", nargs="+", choices=list(rows.ROWS), default=list(rows.ROWS))
    parser.add_argument("--only", nargs="+", metavar="PEER", help="beside these alone")
    parser.add_argument("--directory", required=True, help="for mail and servers, on a disk")
    parser.add_argument("--peers", required=True, help="where the peers were unpacked")
    return parser.parse_args()


def one_at_a_time(directory):
    """Two would share mail and processor."""
    lock = os.open(os.path.join(directory, "lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"contrib/bench: another one is running in {directory}")


def main():
    chosen = options()
    if os.geteuid() != 0:
        sys.exit("contrib/bench: run it as root: servers with users, in namespaces of its own")
    if lib.INSIDE not in os.environ:
        lib.enter_namespaces()
    one_at_a_time(chosen.directory)
    furnish(chosen)
    peers.Postern.programs = os.path.join(os.environ[lib.INSIDE], "programs")
    bench = Bench(chosen)
    for each in peers.ALL:
        if each not in bench.servers:
            print(f"  not measured: {each.name}", file=sys.stderr)
    limits = bench.limits()
    for name in chosen.rows:
        print(f"==> {name}", file=sys.stderr, flush=True)
        rows.ROWS[name](bench)
    print(markdown(bench, limits), end="")
    if chosen.json:
        with open(chosen.json, "w") as f:
            json.dump(bench.rows, f, indent=1)
            f.write("\n")
    missed = [r for r in bench.rows if r["bar"] and r["ratio"] < r["bar"]]
    print(f"\n{len(bench.rows)} rows; {len(missed)} below what is asked for", file=sys.stderr)


if __name__ == "__main__":
    main()
