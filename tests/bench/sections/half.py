"""Latency at half of what an engine takes: its rate is measured first, in the same round."""

from measure.bench import CONNECTIONS, ENGINES, NOBODY
from measure.table import ms, pairs, table
from sections.accept import gateway


def measure(bench):
    body = bench.body("2 KiB")
    return bench.interleaved({engine: lambda engine=engine: once(bench, body, engine) for engine in ["embedded", "NATS R1"]})


def once(bench, body, engine):
    """As fast as it goes; then, its store empty again, open-loop at half of that."""
    servers = bench.servers
    whole = gateway(bench, body, engine, CONNECTIONS)["rate"]
    servers.stop_all()
    rate = int(whole / 2)
    address = servers.gatepost(ENGINES[engine], roles=["gateway"], sink=NOBODY)
    before = servers.cpu()
    answer = servers.limit("flow", address=address, secret=servers.SECRET, body=body.path, sink="none", rate=rate, waiting=CONNECTIONS,
                           seconds=bench.seconds, most=rate * bench.seconds + 10)
    if answer["failed"] or answer["refused"]:
        raise SystemExit(f"{engine} at {rate}/s: {answer['failed']} failed, {answer['refused']} refused")
    return {"rate": whole, "offered": rate, "answered_rate": answer["rate"], **answer["answered"], **servers.spent(before, answer["ok"])}


def show(found, _results):
    rows = [[name, f"{side['rate']:,.0f}", f"{side['offered']:,.0f}", f"{side['answered_rate']:,.0f}", ms(side, "p50_ms"), ms(side, "p99_ms"),
             ms(side, "p999_ms"), pairs(side, "cpu_us")] for name, side in found.items()]
    table("At half of the accepted rate, 2 KiB", ["engine", "takes/s", "offered/s", "answered/s", "p50 ms", "p99 ms", "p99.9 ms",
                                                  "CPU us by process"], rows)
