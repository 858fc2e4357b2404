"""The rows of the table: what is measured, and the ratio that is asked for."""

import os
import statistics
import subprocess
import time

import mail
from measure import Held, Refused, load, pss_kilobytes, rounds
from peers import (ALL, OWNER, Courier, DovecotFast, DovecotSecure, Mailutils, Popa3d,
                   Postern)

CROWD = [f"u{i}" for i in range(1000)]
MANY, SMALL, BIG, HUGE = "many", "small", "big", "huge"
NAMES = CROWD + [MANY, SMALL, BIG, HUGE]

VIRTUAL = (Postern, DovecotFast, DovecotSecure, Courier)
SYSTEM = (Postern, DovecotFast, DovecotSecure, Popa3d, Mailutils)


class Sizes:
    """What --quick makes smaller."""

    def __init__(self, quick):
        self.pairs = 3 if quick else 5
        self.seconds = 0.5 if quick else 1.0          # of one measurement of logins
        self.transfer = 2.0 if quick else 4.0         # of one measurement of transfers
        self.clients = (1, 16) if quick else (1, 16, 64)
        self.many = 10_000 if quick else 100_000      # messages of 3 KB
        self.small = 2_000 if quick else 10_000       # messages of 4 KB
        self.big = 4 if quick else 20                 # messages of 50 MB
        self.huge = 5_000 if quick else 50_000        # messages of 20 KB in an mbox
        self.held = 200 if quick else 1000            # connections that are held
        self.idle = 100 if quick else 500             # of them, while others log in
        self.latencies = 100 if quick else 400        # logins whose time is taken


def login_rows(bench):
    for key, ways in (("rsa", ("plain", "pop3s", "resumed")), ("ecdsa", ("pop3s",))):
        with bench.fleet(VIRTUAL, "virtual", key) as servers:
            bench.furnish(servers, CROWD[:64], "one")
            for how in ways:
                for clients in bench.sizes.clients:
                    logins(bench, servers, how, clients, login_name(how, key, clients),
                           1.3 if how == "plain" else 1.5)
    for remember in (True, False):
        with bench.fleet(SYSTEM, "system", "rsa", remember) as servers:
            bench.furnish(servers, CROWD[:64], "one")
            for clients in bench.sizes.clients if remember else (16,):
                name = "logins, PAM" + ("" if remember else ", nothing remembered")
                logins(bench, servers, "plain", clients, f"{name}, {count_of(clients)}", 1.5)


def count_of(clients):
    return f"{clients} client" + ("s" if clients > 1 else "")


def login_name(how, key, clients):
    what = {"plain": "plain", "pop3s": "TLS " + {"rsa": "RSA-2048", "ecdsa": "P-256"}[key],
            "resumed": "TLS resumed"}[how]
    return f"logins, {what}, {count_of(clients)}"


def logins(bench, servers, how, clients, name, bar):
    names, counts, usable = CROWD[:64], {}, []
    for server in servers:
        if how != "plain" and not server.tls:
            continue
        try:
            # Everybody once, so that what can be remembered is. Four at a time: popa3d and
            # mailutils let five wait to be accepted, and lose who comes after them.
            load("login", server, how, 4, 64, names)
            rate = load("login", server, how, clients, 4 * clients, names)["per_second"]
            counts[server] = int(min(max(rate * bench.sizes.seconds, 8, clients), 20000))
            usable.append(server)
        except (Refused, subprocess.TimeoutExpired) as error:
            bench.complain(str(error))
    resumed = {}

    def one(server, _):
        got = load("login", server, how, clients, counts[server], names)
        resumed[server.name] = round(100 * got["resumed"] / got["logins"])
        return {"rate": got["per_second"], "cpu": got["cpu"] * 1e3 / got["logins"]}

    values = rounds(usable, bench.sizes.pairs, one, bench.complain)
    note = ("resumed: " + ", ".join(f"{n} {p} %" for n, p in resumed.items())
            if how == "resumed" else "")
    bench.row(name, "logins/s", pick(values, "rate"), bar=bar, secure_bar=3,
              cpu=pick(values, "cpu"), cpu_unit="ms a login", note=note)


def pick(values, key):
    return {server: [each[key] for each in found] for server, found in values.items()}


def retrieve_rows(bench):
    servers_of = (Postern, DovecotFast, Courier, Popa3d, Mailutils)
    with bench.fleet(servers_of, "virtual", "rsa") as servers:
        bench.furnish(servers, [SMALL], "small")
        bench.furnish(servers, [BIG], "big")
        for how in ("plain", "pop3s"):
            label = "plain" if how == "plain" else "TLS"
            for action, window in (("retr", 1), ("pipeline", 64)):
                way = "one at a time" if action == "retr" else "pipelined"
                retrieve(bench, servers, SMALL, how, action, window,
                         f"RETR of 4 KB, {label}, {way}", 2)
                retrieve(bench, servers, BIG, how, action, min(window, 20),
                         f"RETR of 50 MB, {label}, {way}", 3 if how == "plain" else 4)


def retrieve(bench, servers, user, how, action, window, name, bar):
    """All messages, or, of a server that is slow at it, as many as the time allows."""
    most = bench.sizes.small if user == SMALL else bench.sizes.big
    counts, octets = {}, {}

    def one(server, _):
        got = load(action, server, how, window, counts[server], [user])
        octets[server.name] = got["octets"] / got["messages"]
        return {"rate": got["mb_per_second"], "messages": got["messages_per_second"],
                "cpu": got["cpu"] * 1e9 / got["octets"]}

    for server in (s for s in servers if how == "plain" or s.tls):
        try:
            # Caches of every kind are warm from then on.
            first = load(action, server, how, window, max(most // 20, 1), [user])
            allowed = first["messages_per_second"] * bench.sizes.transfer
            counts[server] = int(min(max(allowed, 1), most))
        except (Refused, subprocess.TimeoutExpired) as error:
            bench.complain(str(error))
    values = rounds(list(counts), bench.sizes.pairs, one, bench.complain)
    ours = octets.get("Postern", 0)
    # All messages are of one size, but for the digits of their numbers.
    strange = [f"{n} sent {x / ours:.2f} times the octets" for n, x in octets.items()
               if ours and abs(x - ours) > ours / 50]
    if strange:
        bench.complain(f"{name}: " + "; ".join(strange))
    note = ", ".join(f"{s.name} {statistics.median(v):.0f} messages/s"
                     for s, v in pick(values, "messages").items() if user == SMALL)
    bench.row(name, "MB/s", pick(values, "rate"), bar=bar, cpu=pick(values, "cpu"),
              cpu_unit="s a GB", note=note)


def open_rows(bench):
    with bench.fleet((Postern, DovecotFast, Courier), "virtual", "rsa") as servers:
        bench.furnish(servers, [MANY], "many")
        opens(bench, servers, MANY, f"{bench.sizes.many} messages (Maildir)",
              (1.5, 2, 3))
    with bench.fleet((Postern, DovecotFast, Popa3d, Mailutils), "system", "rsa") as servers:
        bench.furnish(servers, [HUGE], "huge")
        opens(bench, servers, HUGE, f"mbox of {bench.sizes.huge * 20 // 1000} MB", (4, 2, 3))


def opens(bench, servers, user, what, bars):
    number = [0]

    def one(server, _):
        found = {}
        server.forget(user)
        found["first"] = load("open", server, "plain", 1, 1, [user])
        load("open", server, "plain", 1, 1, [user])
        found["warm"] = load("open", server, "plain", 1, 1, [user])
        number[0] += 1
        if server.form == "maildir":
            mail.deliver_maildir(server.maildrop(user), number[0], 3000, OWNER)
        else:
            mail.deliver_mbox(server.maildrop(user), number[0], 3000)
        found["new"] = load("open", server, "plain", 1, 1, [user])
        return {f"{when}.{part}": took for when, each in found.items()
                for part, took in each.items()}

    values = rounds(servers, bench.sizes.pairs, one, bench.complain)
    for when, label, bar in zip(("first", "warm", "new"),
                                ("no cache", "warm", "one new message"), bars):
        parts = "; ".join(
            f"{s.name}: " + ", ".join(
                f"{p.upper()} {statistics.median(x[f'{when}.{p}_ms'] for x in v):.0f}"
                for p in ("pass", "stat", "uidl", "list"))
            for s, v in values.items() if s.name in ("Postern", "Dovecot (fast)"))
        bench.row(f"opening {what}, {label}", "ms", pick(values, f"{when}.all_ms"), bar=bar,
                  less=True, cpu=pick(values, f"{when}.cpu"), cpu_unit="s", note=parts)


def memory_rows(bench):
    every = (Postern, DovecotFast, DovecotSecure, Courier, Popa3d, Mailutils)
    bars = {("idle", "plain"): 1, ("idle", "pop3s"): 1, ("sessions", "plain"): 3,
            ("sessions", "pop3s"): 1}
    with bench.fleet(every, "virtual", "rsa") as servers:
        bench.furnish(servers, CROWD, "one")
        for (action, how), bar in bars.items():
            who = "stranger" if action == "idle" else "session"
            label = "plain" if how == "plain" else "TLS"

            def one(server, _, action=action, how=how):
                count = min(server.sessions, bench.sizes.held)
                before = pss_kilobytes(server)
                with Held(action, server, how, count, CROWD):
                    held = pss_kilobytes(server)
                bench.settle(server)
                # What costs no process is not seen in PSS: less than 0.1 KB is called so.
                return max((held - before) / count, 0.1)

            usable = [s for s in servers if how == "plain" or s.tls]
            values = rounds(usable, 3, one, bench.complain)
            bench.row(f"memory, {who}, {label}", "KB (PSS)", values, bar=bar, less=True,
                      secure_bar=2 if (action, how) == ("sessions", "pop3s") else None)


def quit_rows(bench):
    with bench.fleet((Postern, DovecotFast, Courier), "virtual", "rsa") as servers:
        quits(bench, servers, MANY, "many", f"{bench.sizes.many} messages (Maildir)", 2)
    with bench.fleet((Postern, DovecotFast, Popa3d, Mailutils), "system", "rsa") as servers:
        quits(bench, servers, HUGE, "huge",
              f"an mbox of {bench.sizes.huge * 20 // 1000} MB", None)


def quits(bench, servers, user, original, what, bar):
    def one(server, _):
        bench.furnish([server], [user], original)
        server.forget(user)
        os.sync()
        load("open", server, "plain", 1, 1, [user])
        got = load("quit", server, "plain", 1, 1, [user])
        return {"ms": got["closed_ms"], "answer": got["quit_ms"], "cpu": got["cpu"]}

    values = rounds(servers, bench.sizes.pairs, one, bench.complain)
    bench.row(f"QUIT after deleting half of {what}", "ms", pick(values, "ms"), bar=bar,
              less=True, cpu=pick(values, "cpu"), cpu_unit="s with the DELEs",
              note="to the end of the connection; " + "; ".join(
                  f"{s.name} answers after {statistics.median(x['answer'] for x in v):.0f} ms, "
                  + s.promise for s, v in values.items()))


def latency_rows(bench):
    servers_of = (Postern, DovecotFast, DovecotSecure, Courier)
    with bench.fleet(servers_of, "virtual", "rsa") as servers:
        bench.furnish(servers, CROWD[:bench.sizes.idle + 64], "one")
        bench.furnish(servers, [BIG], "big")
        idle = CROWD[64:64 + bench.sizes.idle]

        def one(server, _):
            with Held("sessions", server, "plain", len(idle), idle), \
                 Held("slow", server, "plain", 50, CROWD[:1]), \
                 Download(server):
                return load("login", server, "plain", 1, bench.sizes.latencies, CROWD[:1])

        for server in servers:
            load("login", server, "plain", 16, 64, CROWD[:64])
        values = rounds(servers, bench.sizes.pairs, one, bench.complain)
        for part, bar in (("p50", None), ("p99", 2)):
            bench.row(f"login beside {len(idle)} idle sessions, a slowloris and a download, "
                      + part, "ms", pick(values, f"{part}_ms"), bar=bar, less=True)


class Download:
    """Messages of 50 MB, fetched one after the other until it is left."""

    def __init__(self, server):
        self.server = server

    def __enter__(self):
        from measure import command_line
        self.process = subprocess.Popen(
            command_line("download", self.server, "plain", 1, 1000, [BIG]),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.2)  # it has logged in and fetches
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


ROWS = {"logins": login_rows, "retr": retrieve_rows, "open": open_rows,
        "memory": memory_rows, "quit": quit_rows, "latency": latency_rows}
