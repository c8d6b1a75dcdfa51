"""What the accept path takes as what is stored and configured grows, each side beside the empty one in the same round."""

import os
import shutil
import statistics
import sys
from dataclasses import dataclass

from measure.bench import CONNECTIONS, ENGINES, NOBODY, median
from measure.load import ACCOUNT, wrk
from measure.table import ms, table
from sections.flow import posted

# Bytes on disk of a small event, whatever the engine; of a second of the load; and what is left to the machine.
EVENT_BYTES = 650
SECOND_BYTES = 70_000_000
RESERVE_BYTES = 2 << 30
# A rate that leaves latencies to what a webhook takes.
OPEN_RATE = 1_000
# Sides that are made in a moment are made anew each round.
SMALL = 1_000


@dataclass(frozen=True)
class Side:
    """What there is beside one connection, one destination and one route, and which side it is held against."""

    name: str
    events: int = 0
    connections: int = 1
    destinations: int = 1
    routes: int = 1
    # Connections that webhooks are posted of in turn.
    turn: int = 1
    against: str = "empty"

    @property
    def accounts(self):
        others = (number * (self.connections // self.turn) for number in range(1, self.turn))
        return (ACCOUNT, *others)

    @property
    def key(self):
        """Sides of one key share a store."""
        return (self.events, self.connections, self.destinations, self.routes)

    @property
    def is_small(self):
        return self.events <= SMALL and self.connections <= SMALL


EMPTY = Side("empty")
MOST_EVENTS = Side("10 M events", events=10_000_000)
# Everything at its most, in the store of the most events.
EVERYTHING = Side("all of the most at once", events=10_000_000, connections=300_000, destinations=10_000, routes=1_000)

QUICK = [EMPTY, Side("100 k events", events=100_000), Side("10 k connections", connections=10_000),
         Side("1 k destinations", destinations=1_000), Side("1 k routes", routes=1_000)]
FULL = [EMPTY, Side("1 k events", events=1_000), Side("1 M events", events=1_000_000), MOST_EVENTS,
        Side("10 k connections", connections=10_000), Side("300 k connections", connections=300_000),
        Side("1 k connections in turn", connections=1_000, turn=1_000),
        Side("1 k of 300 k connections in turn", connections=300_000, turn=1_000, against="1 k connections in turn"),
        Side("1 k destinations", destinations=1_000), Side("10 k destinations", destinations=10_000), Side("1 k routes", routes=1_000)]


def measure(bench):
    sides = QUICK if bench.quick else FULL
    check_room(bench, sides)
    return {engine: engine_grown(bench, engine, sides) for engine in ["embedded", "NATS R1"]}


def check_room(bench, sides):
    """Says at once when the disk is too small, and not after ten minutes."""
    # A second more for the time before each measurement.
    loaded = bench.rounds * (1 + sum(not side.is_small for side in sides)) * (bench.seconds + 1)
    needed = sum(side.events for side in sides) * EVENT_BYTES + loaded * SECOND_BYTES + RESERVE_BYTES
    free = shutil.disk_usage(bench.servers.out).free
    if free < needed:
        raise SystemExit(f"growth: {bench.servers.out} has {free / 2**30:.0f} GiB free, and needs {needed / 2**30:.0f} GiB; "
                         "point CARGO_TARGET_DIR to a larger disk, or leave growth out with --only")


def engine_grown(bench, engine, sides):
    kept = {}
    try:
        for side in sides:
            if not side.is_small and side.key not in kept:
                kept[side.key] = made(bench, engine, side, NOBODY)
                bench.servers.stop_processes()
        found = compared(bench, engine, sides, kept)
        if MOST_EVENTS.key in kept:
            kept[EVERYTHING.key] = grown(bench, engine, kept[MOST_EVENTS.key], EVERYTHING)
            found[EVERYTHING.name] = compared(bench, engine, [EMPTY, EVERYTHING], kept)[EVERYTHING.name]
    finally:
        bench.servers.stop_all()
    return found


def compared(bench, engine, sides, kept):
    """The sides in turn, and each one's ratio to what it is held against in the same round."""
    runs, ratios = {side.name: [] for side in sides}, {side.name: [] for side in sides}
    # What was filled is not written back beside what is measured.
    os.sync()
    for _ in range(bench.rounds):
        for side in sides:
            runs[side.name].append(once(bench, engine, side, kept))
        for side in sides:
            ratios[side.name].append(runs[side.name][-1]["rate"] / runs[side.against][-1]["rate"])
    return {side.name: {**median(runs[side.name]), "against": side.against, "ratio": statistics.median(ratios[side.name])} for side in sides}


def once(bench, engine, side, kept):
    """One side in one round: as fast as it goes, then at a rate; then its processes are stopped."""
    servers, body = bench.servers, bench.body("2 KiB", side.accounts)
    home = woken(bench, engine, side, kept)
    servers.gateway = servers.run(home, ["gateway"])
    found = wrk(servers, servers.gateway.address("gateway"), body, bench.seconds, CONNECTIONS, counted=servers.accepted)
    if not bench.quick:
        found["open"] = servers.limit("flow", address=servers.gateway.address("gateway"), secret=servers.SECRET, body=body.path, sink="none",
                                      rate=OPEN_RATE, waiting=CONNECTIONS, seconds=bench.seconds, most=OPEN_RATE * bench.seconds + 10)
    servers.stop_processes()
    if side.is_small:
        servers.drop(home)
    if not bench.quick and side.is_small and side.turn == 1 and side.events == 0:
        found["flow"] = delivered(bench, engine, side)
    return found


def woken(bench, engine, side, kept):
    """The side's store, with its servers running: what was filled before, or a new one."""
    if side.is_small:
        return made(bench, engine, side, NOBODY)
    bench.servers.start_nats(kept[side.key].nats)
    return kept[side.key]


def made(bench, engine, side, sink):
    home = bench.servers.home(ENGINES[engine], sink, declared=False, destinations=side.destinations, routes=side.routes)
    fill(bench, engine, home, side, side.events)
    return home


def grown(bench, engine, home, side):
    """A store that has the side's events gets the rest of what it has."""
    bench.servers.start_nats(home.nats)
    home.configure(NOBODY, declared=False, destinations=side.destinations, routes=side.routes)
    fill(bench, engine, home, side, 0)
    bench.servers.stop_processes()
    return home


def fill(bench, engine, home, side, events):
    filled = bench.servers.limit("fill", config=home.config, events=events, connections=side.connections)
    if not side.is_small:
        print(f"{engine}: {side.name} written in {filled['seconds']:.0f} s", file=sys.stderr, flush=True)


def delivered(bench, engine, side):
    """The whole way, for what routers meet."""
    sink = bench.servers.free_port()
    home = made(bench, engine, side, f"http://127.0.0.1:{sink}/webhooks")
    gatepost = bench.servers.run(home, [])
    answer = posted(bench, gatepost.address("gateway"), sink, OPEN_RATE, f"{engine}, {side.name}")
    bench.servers.stop_processes()
    bench.servers.drop(home)
    return answer


def show(found, _results):
    for engine, sides in found.items():
        rows = []
        for name, side in sides.items():
            against = f" of {side['against']}" if side["against"] != "empty" else ""
            opened, flow = side.get("open", {}).get("answered", {}), side.get("flow", {}).get("posted_to_delivered", {})
            rows.append([name, f"{side['ratio']:.3f}{against}", f"{side['rate']:,.0f} ({', '.join(map(str, side['rates']))})",
                         ms(side, "p50_ms"), ms(side, "p99_ms"), ms(opened, "p50_ms"), ms(opened, "p99_ms"),
                         ms(flow, "p50_ms"), ms(flow, "p99_ms"), f"{side['peak_mib']['gatepost']:g}"])
        at = f"at {OPEN_RATE:,}/s"
        table(f"Growth, {engine}, 2 KiB", ["there is", "of empty", "rate/s (rounds)", "p50 ms", "p99 ms", f"{at} p50 ms", f"{at} p99 ms",
                                           f"delivered {at} p50 ms", f"delivered {at} p99 ms", "gateway's peak MiB"], rows)
