"""A backlog delivered to one sink, beside a bare client that posts the same bytes to the same sink."""

import time

from measure.bench import CONNECTIONS, ENGINES
from measure.table import pairs, table

PATIENCE = 300


def measure(bench):
    waiting = 10_000 if bench.quick else 200_000
    sides = {"bare client": lambda: bare(bench)}
    for engine in ["embedded", "NATS R1"]:
        sides[engine] = lambda engine=engine: drained(bench, engine, waiting)
    return bench.interleaved(sides)


def bare(bench):
    address = bench.servers.start_limit("sink")
    return bench.servers.limit("client", address=address, body=bench.body("2 KiB").path, waiting=CONNECTIONS, seconds=bench.seconds)


def drained(bench, engine, waiting):
    """Accepts with only a gateway, then starts a router and takes the time until the last has arrived."""
    servers = bench.servers
    sink = servers.start_limit("sink")
    home = servers.home(ENGINES[engine], f"http://{sink}/webhooks")
    gateway = servers.run(home, ["gateway"])
    posted = servers.limit("flow", address=gateway.address("gateway"), secret=servers.SECRET, body=bench.body("2 KiB").path, sink="none",
                           rate=0, waiting=CONNECTIONS, seconds=PATIENCE, most=waiting)
    if posted["ok"] != waiting:
        raise SystemExit(f"{engine}: {posted['ok']} of {waiting} accepted within {PATIENCE} s")
    gateway.stop()
    asked = servers.asked(home)
    began = time.monotonic()
    router = servers.run(home, ["router"])
    before = servers.cpu()
    while router.metric("gatepost_router_deliveries_total") < waiting:
        if time.monotonic() - began > PATIENCE:
            raise SystemExit(f"{engine}: {router.metric('gatepost_router_deliveries_total')} of {waiting} after {PATIENCE} s")
        time.sleep(0.05)
    took = time.monotonic() - began
    return {"rate": waiting / took, "asked": (servers.asked(home) - asked) / waiting, **servers.spent(before, waiting)}


def show(found, _results):
    bare_rate = found["bare client"]["rate"]
    rows = [[name, f"{side['rate'] / bare_rate:.3f}", f"{side['rate']:,.0f} ({', '.join(map(str, side['rates']))})", pairs(side, "cpu_us"),
             f"{side['asked']:.2f}" if side.get("asked") else ""]
            for name, side in found.items()]
    table("A backlog delivered to one sink, 2 KiB", ["side", "of the bare client", "rate/s (rounds)", "CPU us by process", "messages to NATS for each"],
          rows)
