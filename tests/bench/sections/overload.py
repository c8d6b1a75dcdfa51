"""Ten times more than can be taken: capacity is lowered to 32 webhooks in flight and a store that takes 10 ms."""

import json
import shutil
import subprocess

from measure.bench import ENGINES, median
from measure.table import ms, table

IN_FLIGHT = 32
STORE_MS = 10
TIMES = 10
# The bytes in flight can't be fewer than one body may have, and GitHub's may have 25 MiB.
GITHUB = """title = "GitHub, with small bodies"
body_max = "2KiB"
headers = ["content-type", "user-agent", "x-github-delivery", "x-github-event"]

[[scheme]]
id = "sha256"
kind = "hmac"
hash = "sha256"
signature = { from = "header:x-hub-signature-256", prefix = "sha256=", encoding = "hex" }
signed = "{body}"

[event]
type = "header:x-github-event"
id = "header:x-github-delivery"
account = "json:/installation/id"
"""
# Far more than are let in, so that a refusal never waits for a connection.
CONNECTIONS = 512
# The share of the capacity that is offered before and after.
CALM = 0.3


def measure(bench):
    seconds, rounds = (4, 1) if bench.quick else (10, bench.rounds)
    found = {}
    for engine in ["embedded", "NATS R1"]:
        why = cannot(engine)
        found[engine] = {"skipped": why} if why else median([once(bench, engine, seconds) for _ in range(rounds)])
    return found


def cannot(engine):
    """The embedded store is slowed by a tracer, which a machine may not have or allow."""
    if engine != "embedded":
        return None
    if not shutil.which("strace"):
        return "strace is not installed (Debian's package strace), which slows the disk"
    traced = subprocess.run(["strace", "-f", "-o", "/dev/null", "true"], capture_output=True, check=False)
    return None if traced.returncode == 0 else "strace may not trace here, which slows the disk"


def once(bench, engine, seconds):
    """The capacity, then the drill; then a router delivers what was accepted."""
    servers, body = bench.servers, bench.body("2 KiB")
    sink = servers.free_port()
    limit = f'inflight_bytes_max = "{IN_FLIGHT * len(body.bytes)}B"\n\n[catalogue]\npath = "providers"'
    home = servers.home(ENGINES[engine], f"http://127.0.0.1:{sink}/webhooks", gateway=limit, files=[("providers/github.toml", GITHUB)])
    quick_store = home.config.read_text()
    first = []
    if engine == "embedded":
        syncs = "fsync,fdatasync"
        first = ["strace", "-f", "--seccomp-bpf", "-e", f"trace={syncs}", "-e", f"inject={syncs}:delay_exit={STORE_MS * 1000}", "-o", "/dev/null"]
    else:
        server = f"127.0.0.1:{home.nats[0].port}"
        home.config.write_text(quick_store.replace(server, servers.start_limit("delay", to=server, ms=STORE_MS)))
    gateway = servers.run(home, ["gateway"], first=first)
    given = {"address": gateway.address("gateway"), "secret": servers.SECRET, "body": body.path}
    capacity = servers.limit("flow", **given, sink="none", rate=0, waiting=IN_FLIGHT, seconds=3, most=1_000_000)
    before = gateway.peak_mib()
    drill = servers.start("overload", servers.command("overload", **given, sink=f"127.0.0.1:{sink}", waiting=CONNECTIONS,
                                                      rate=int(TIMES * capacity["rate"]), seconds=seconds,
                                                      calm=int(CALM * capacity["rate"]), calm_seconds=3))
    found = {"capacity": capacity["rate"], "seconds": seconds, **json.loads(drill.first_line()), "peak_mib_before": before,
             "peak_mib": gateway.peak_mib()}
    gateway.stop()
    home.config.write_text(quick_store)
    servers.run(home, ["router"])
    found.update(json.loads(drill.first_line()))
    servers.stop_all()
    return found


def show(found, _results):
    rows = []
    for engine, run in found.items():
        if "skipped" in run:
            rows.append([engine, f"not measured: {run['skipped']}", *[""] * 9])
            continue
        flood, normal = run["flood"], run["normal_after_ms"]
        answers = ", ".join(f"{'none' if status == '0' else status} {count:,.0f}" for status, count in flood["answers"].items())
        rows.append([engine, f"{run['capacity']:,.0f}", f"{flood['offered_rate']:,.0f} ({flood['offered_rate'] / run['capacity']:.1f} x)",
                     f"{flood['accepted_rate']:,.0f}", answers, f"{ms(flood['refused'], 'p50_ms')} / {ms(flood['refused'], 'p99_ms')}",
                     f"{ms(flood['accepted'], 'p50_ms')} / {ms(flood['accepted'], 'p99_ms')}",
                     f"{ms(run['before']['accepted'], 'p50_ms')} / {ms(run['before']['accepted'], 'p99_ms')}",
                     "not within 3 s" if normal is None else f"{normal:.0f} ms",
                     f"{run['accepted']:,.0f} / {run['lost']:,.0f}", f"{run['peak_mib_before']:.1f} / {run['peak_mib']:.1f}"])
    table(f"Overload: {TIMES} times the capacity of {IN_FLIGHT} in flight and a store that takes {STORE_MS} ms longer",
          ["engine", "capacity/s", "offered/s", "accepted/s", "answers", "refused in p50 / p99 ms", "accepted in p50 / p99 ms",
           "accepted before it p50 / p99 ms", "as before after", "accepted / lost in all", "peak MiB before / after"], rows)
