"""A gateway's memory at many connections."""

from measure.table import ms, pairs, table
from sections.accept import gateway

CONNECTIONS = 256


def measure(bench):
    body = bench.body("2 KiB")
    return bench.interleaved({engine: lambda engine=engine: gateway(bench, body, engine, CONNECTIONS) for engine in ["embedded", "NATS R1"]})


def show(found, _results):
    rows = [[name, f"{side['rate']:,.0f}", ms(side, "p50_ms"), ms(side, "p99_ms"), pairs(side, "peak_mib")] for name, side in found.items()]
    table(f"Memory at {CONNECTIONS} connections, 2 KiB", ["engine", "rate/s", "p50 ms", "p99 ms", "peak MiB"], rows)
