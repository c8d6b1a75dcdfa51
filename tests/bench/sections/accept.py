"""The accepted rate of each engine beside the limits and the peers."""

from measure.bench import CONNECTIONS, ENGINES, NOBODY, SIZES
from measure.load import wrk
from measure.table import ms, pairs, table

# The bytes that Gatepost stores beside a body, for the stores' limits: measured from an event of this benchmark.
META_BYTES = 600


def measure(bench):
    sizes = ["2 KiB", "7 KiB"] if bench.quick else list(SIZES)
    engines = ["embedded", "NATS R1"] if bench.quick else list(ENGINES)
    return {size: bench.interleaved(sides(bench, size, engines)) for size in sizes}


def sides(bench, size, engines):
    servers, body, seconds = bench.servers, bench.body(size), bench.seconds
    found = {"bare axum": lambda: wrk(servers, servers.start_limit("bare"), body, seconds, CONNECTIONS)}
    for engine in engines:
        found[engine] = lambda engine=engine: gateway(bench, body, engine, CONNECTIONS)
    found["raw SQLite"] = lambda: servers.limit("sqlite", folder=servers.folder(), bytes=len(body.bytes), meta=META_BYTES,
                                                waiting=CONNECTIONS, seconds=seconds)
    found["raw JetStream R1"] = lambda: jetstream(bench, body, "NATS R1")
    if "NATS R3 synced" in engines:
        found["raw JetStream R3 synced"] = lambda: jetstream(bench, body, "NATS R3 synced")
    if size == "2 KiB":
        found["Fastify"] = lambda: peer(bench, body, "fastify")
        found["FastAPI, 2 workers"] = lambda: peer(bench, body, "fastapi")
    return found


def gateway(bench, body, engine, connections):
    """A gateway alone, its store empty."""
    address = bench.servers.gatepost(ENGINES[engine], roles=["gateway"], sink=NOBODY)
    return wrk(bench.servers, address, body, bench.seconds, connections, counted=bench.servers.accepted)


def peer(bench, body, name):
    nats = bench.servers.nats(1, False)
    return wrk(bench.servers, bench.servers.peer(name, nats), body, bench.seconds, CONNECTIONS)


def jetstream(bench, body, engine):
    replicas, synced = ENGINES[engine]
    # Of a cluster, the client hears of the others from the first.
    nats = bench.servers.nats(replicas, synced).split(",")[0]
    return bench.servers.limit("jetstream", url=nats, replicas=replicas, bytes=len(body.bytes), meta=META_BYTES, waiting=CONNECTIONS,
                               seconds=bench.seconds)


def show(found, _results):
    for size, sides_of_it in found.items():
        bare = sides_of_it["bare axum"]["rate"]
        limits = {"embedded": "raw SQLite", **{engine: f"raw JetStream {engine.removeprefix('NATS ')}" for engine in ENGINES if ENGINES[engine]}}
        rows = []
        for name, side in sides_of_it.items():
            limit = sides_of_it.get(limits.get(name))
            share = f"{side['rate'] / limit['rate']:.2f}" if limit else ""
            rows.append([name, f"{side['rate'] / bare:.3f}", share, f"{side['rate']:,.0f} ({', '.join(map(str, side['rates']))})",
                         ms(side, "p50_ms"), ms(side, "p99_ms"), ms(side, "p999_ms"), pairs(side, "cpu_us"), pairs(side, "peak_mib")])
        table(f"Accepted, {size}", ["side", "of bare axum", "of its store's limit", "rate/s (rounds)", "p50 ms", "p99 ms",
                                    "p99.9 ms", "CPU us by process", "peak MiB"], rows)
