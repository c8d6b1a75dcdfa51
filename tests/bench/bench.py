"""Puts the benchmark together: what runs in a round, how often, and what is printed. See `run`."""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

from measure.load import Body, wrk
from measure.servers import Servers
from measure.table import print_results

SIZES = {"2 KiB": 2_024, "7 KiB": 7_124, "64 KiB": 65_536, "256 KiB": 262_144}
ENGINES = {"embedded": None, "NATS R1": (1, False), "NATS R1 synced": (1, True), "NATS R3": (3, False), "NATS R3 synced": (3, True)}
CONNECTIONS = 64
# The bytes that Gatepost stores beside a body, for the stores' limits: measured from an event of this benchmark.
META_BYTES = 600


def main() -> None:
    options = arguments()
    servers = Servers(options.gatepost, options.limits, options.tools, options.out)
    seconds, rounds = (3, 3) if options.quick else (6, 3)
    sizes = ["2 KiB", "7 KiB"] if options.quick else list(SIZES)
    engines = ["embedded", "NATS R1"] if options.quick else list(ENGINES)
    results = {"machine": machine(options), "seconds": seconds, "rounds": rounds, "accept": {}, "flow": {}}
    try:
        for name in sizes:
            body = Body.of(SIZES[name], options.out)
            results["accept"][name] = accept(servers, body, engines, seconds, rounds, peers=name == "2 KiB")
            print(f"measured {name}", file=sys.stderr, flush=True)
        body = Body.of(SIZES["2 KiB"], options.out)
        rates = [1_000] if options.quick else [1, 1_000, 5_000]
        flows = ["embedded", "NATS R1"]
        for engine in flows:
            results["flow"][engine] = flow(servers, body, engine, rates, seconds, rounds)
        results["delivery"] = delivery(servers, body, seconds, rounds)
    finally:
        servers.stop_all()
    path = options.out / "results.json"
    path.write_text(json.dumps(results, indent=1) + "\n")
    print_results(results)
    print(f"\nwritten to {path}")


def accept(servers, body, engines, seconds, rounds, peers):
    """The accepted rate of each engine beside the limits and the peers, interleaved round by round."""
    sides = {"bare axum": lambda: wrk_bare(servers, body, seconds)}
    for engine in engines:
        sides[engine] = lambda engine=engine: wrk_gateway(servers, body, engine, seconds)
    sides["raw SQLite"] = lambda: servers.limit("sqlite", folder=servers.folder(), bytes=len(body.bytes), meta=META_BYTES,
                                                waiting=CONNECTIONS, seconds=seconds)
    sides["raw JetStream R1"] = lambda: raw_jetstream(servers, body, seconds)
    if peers:
        sides["Fastify"] = lambda: wrk_peer(servers, body, "fastify", seconds)
        sides["FastAPI, 2 workers"] = lambda: wrk_peer(servers, body, "fastapi", seconds)
    gathered = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            gathered[name].append(side())
            servers.stop_all()
    return {name: median(runs) for name, runs in gathered.items()}


def flow(servers, body, engine, rates, seconds, rounds):
    """From posted to delivered: open-loop at some rates, then as fast as it goes."""
    found = {}
    for rate in [*rates, 0]:
        runs = []
        for _ in range(rounds):
            runs.append(one_flow(servers, body, engine, rate, seconds))
            servers.stop_all()
        found["sustained" if rate == 0 else f"{rate}/s"] = median(runs)
    return found


def one_flow(servers, body, engine, rate, seconds):
    sink = servers.free_port()
    gatepost = servers.gatepost(engine, ENGINES[engine], roles=[], sink=f"http://127.0.0.1:{sink}/webhooks")
    most = 4_000_000 if rate == 0 else rate * seconds + 10
    before = servers.cpu()
    answer = servers.limit("flow", address=gatepost, secret=servers.SECRET, body=body.path, sink=f"127.0.0.1:{sink}",
                           rate=rate, waiting=CONNECTIONS, seconds=seconds, most=most)
    answer.update(servers.spent(before, answer["delivered"]))
    if answer["delivered"] != answer["ok"]:
        raise SystemExit(f"{engine} at {rate}/s: {answer['ok']} accepted, {answer['delivered']} delivered")
    return answer


def delivery(servers, body, seconds, rounds):
    """A backlog delivered to one sink, beside a bare client that posts the same bytes to the same sink."""
    waiting = 20_000
    bare, ours = [], {"embedded": [], "NATS R1": []}
    for _ in range(rounds):
        address = servers.start_limit("sink")
        bare.append(servers.limit("client", address=address, body=body.path, waiting=CONNECTIONS, seconds=seconds))
        servers.stop_all()
        for engine, runs in ours.items():
            runs.append(drained(servers, body, engine, waiting))
            servers.stop_all()
    return {"bare client": median(bare), **{engine: median(runs) for engine, runs in ours.items()}}


def drained(servers, body, engine, waiting):
    """Accepts with only a gateway, then starts a router and takes the time until the last has arrived."""
    sink = servers.start_limit("sink")
    home = servers.home(engine, ENGINES[engine], f"http://{sink}/webhooks")
    gateway = servers.run(home, ["gateway"])
    servers.limit("flow", address=gateway.address("gateway"), secret=servers.SECRET, body=body.path, sink="none",
                  rate=5_000, waiting=CONNECTIONS, seconds=waiting // 5_000, most=waiting + 10)
    gateway.stop()
    began = time.monotonic()
    router = servers.run(home, ["router"])
    before = servers.cpu()
    while router.metric("gatepost_router_deliveries_total") < waiting:
        if time.monotonic() - began > 120:
            raise SystemExit(f"{engine}: {router.metric('gatepost_router_deliveries_total')} of {waiting} after 120 s")
        time.sleep(0.05)
    took = time.monotonic() - began
    return {"rate": waiting / took, **servers.spent(before, waiting)}


def wrk_gateway(servers, body, engine, seconds):
    address = servers.gatepost(engine, ENGINES[engine], roles=["gateway"], sink="http://127.0.0.1:9/nobody")
    return wrk(servers, address, body, seconds, CONNECTIONS, counted=servers.accepted)


def wrk_bare(servers, body, seconds):
    return wrk(servers, servers.start_limit("bare"), body, seconds, CONNECTIONS)


def wrk_peer(servers, body, peer, seconds):
    nats = servers.nats(1, False)
    return wrk(servers, servers.peer(peer, nats), body, seconds, CONNECTIONS)


def raw_jetstream(servers, body, seconds):
    nats = servers.nats(1, False)
    return servers.limit("jetstream", url=nats, replicas=1, bytes=len(body.bytes), meta=META_BYTES, waiting=CONNECTIONS,
                         seconds=seconds)


def median(runs):
    """The median of each number over the rounds, with the rates of all of them."""
    def of(values):
        first = values[0]
        if isinstance(first, dict):
            return {key: of([value[key] for value in values if key in value]) for key in first}
        if isinstance(first, (int, float)):
            return statistics.median(value for value in values if value is not None)
        return first
    return {**of(runs), "rates": [round(run["rate"]) for run in runs if "rate" in run]}


def machine(options):
    def said(*command):
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    cpus = [line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()), "cpu": cpus[0] if cpus else platform.machine(), "cores": len(cpus),
        "kernel": platform.release(), "rustc": said("rustc", "--version"), "commit": said("git", "rev-parse", "--short", "HEAD"),
        "node": said("node", "--version"), "python": platform.python_version(), "wrk": said("wrk", "-v").split("\n")[0],
        "nats": said(str(options.tools / "python/bin/nats-server"), "--version"),
        "command": "tests/bench/run" + (" --quick" if options.quick else ""),
    }


def arguments():
    parser = argparse.ArgumentParser()
    for name in ["gatepost", "limits", "tools", "out"]:
        parser.add_argument(f"--{name}", type=lambda text: Path(text).resolve(), required=True)
    parser.add_argument("--quick", action="store_true", help="two sizes, two engines, short rounds")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    return options


if __name__ == "__main__":
    main()
