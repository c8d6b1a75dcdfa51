"""A backlog delivered to one sink, beside a bare client that posts the same bytes to the same sink: with the routing of what
was accepted in it, and by itself."""

import signal
import time

from measure.bench import CONNECTIONS, ENGINES
from measure.table import pairs, table

PATIENCE = 300
DELIVERED = "gatepost_router_deliveries_total"
# Events that were just routed are remembered for 5 s, and so need not be read; a backlog's are not.
FORGOTTEN_AFTER = 6


def measure(bench):
    waiting = 10_000 if bench.quick else 200_000
    sides = {"bare client": lambda: bare(bench)}
    for engine in ["embedded", "NATS R1"]:
        sides[f"{engine}, routed and delivered"] = lambda engine=engine: drained(bench, engine, waiting)
        sides[f"{engine}, delivered"] = lambda engine=engine: resumed(bench, engine, waiting)
    return bench.interleaved(sides)


def bare(bench):
    address = bench.servers.start_limit("sink")
    return bench.servers.limit("client", address=address, body=bench.body("2 KiB").path, waiting=CONNECTIONS, seconds=bench.seconds)


def drained(bench, engine, waiting):
    """Accepts with only a gateway, then starts a router and takes the time until the last has arrived."""
    home = accepted(bench, engine, waiting)
    asked, began = bench.servers.asked(home), time.monotonic()
    router = bench.servers.run(home, ["router"])
    before = bench.servers.cpu()
    return until_delivered(bench, engine, waiting, home, router, (before, asked, began))


def resumed(bench, engine, waiting):
    """Lets a router route to a destination that is paused, and takes the time from when it is no longer paused."""
    home = accepted(bench, engine, waiting)
    running = home.config.read_text()
    home.config.write_text(running.replace('id = "sink"\nurl', 'id = "sink"\npaused = true\nurl'))
    router = bench.servers.run(home, ["router"])
    reached(engine, router, "gatepost_router_events_routed_total", waiting, time.monotonic())
    time.sleep(FORGOTTEN_AFTER)
    if router.metric(DELIVERED):
        raise SystemExit(f"{engine}: something was delivered to a paused destination")
    home.config.write_text(running)
    before, asked, began = bench.servers.cpu(), bench.servers.asked(home), time.monotonic()
    router.child.send_signal(signal.SIGHUP)
    return until_delivered(bench, engine, waiting, home, router, (before, asked, began))


def accepted(bench, engine, waiting):
    """A home whose gateway, which has ended, has accepted so many events."""
    servers = bench.servers
    sink = servers.start_limit("sink")
    home = servers.home(ENGINES[engine], f"http://{sink}/webhooks")
    gateway = servers.run(home, ["gateway"])
    posted = servers.limit("flow", address=gateway.address("gateway"), secret=servers.SECRET, body=bench.body("2 KiB").path, sink="none",
                           rate=0, waiting=CONNECTIONS, seconds=PATIENCE, most=waiting)
    if posted["ok"] != waiting:
        raise SystemExit(f"{engine}: {posted['ok']} of {waiting} accepted within {PATIENCE} s")
    gateway.stop()
    return home


def until_delivered(bench, engine, waiting, home, router, since):
    before, asked, began = since
    took = reached(engine, router, DELIVERED, waiting, began)
    return {"rate": waiting / took, "asked": (bench.servers.asked(home) - asked) / waiting, **bench.servers.spent(before, waiting)}


def reached(engine, router, metric, waiting, began):
    """Waits until a count of the router's has reached so many; seconds since then."""
    while router.metric(metric) < waiting:
        if time.monotonic() - began > PATIENCE:
            raise SystemExit(f"{engine}: {metric} is {router.metric(metric)} of {waiting} after {PATIENCE} s")
        time.sleep(0.05)
    return time.monotonic() - began


def show(found, _results):
    bare_rate = found["bare client"]["rate"]
    rows = [[name, f"{side['rate'] / bare_rate:.3f}", f"{side['rate']:,.0f} ({', '.join(map(str, side['rates']))})", pairs(side, "cpu_us"),
             f"{side['asked']:.2f}" if side.get("asked") else ""]
            for name, side in found.items()]
    table("A backlog delivered to one sink, 2 KiB", ["side", "of the bare client", "rate/s (rounds)", "CPU us by process", "messages to NATS for each"],
          rows)
