"""From posted to delivered: open-loop at some rates, then as fast as it goes."""

from measure.bench import CONNECTIONS, ENGINES, median
from measure.table import ms, pairs, table


def measure(bench):
    rates = [1_000] if bench.quick else [1, 1_000, 5_000]
    found = {}
    for engine in ["embedded", "NATS R1"]:
        found[engine] = {}
        for rate in [*rates, 0]:
            runs = []
            for _ in range(bench.rounds):
                runs.append(once(bench, engine, rate))
                bench.servers.stop_all()
            found[engine]["sustained" if rate == 0 else f"{rate}/s"] = median(runs)
    return found


def once(bench, engine, rate):
    servers = bench.servers
    sink = servers.free_port()
    home = servers.home(ENGINES[engine], f"http://127.0.0.1:{sink}/webhooks")
    address = servers.run(home, []).address("gateway")
    asked = servers.asked(home)
    answer = posted(bench, address, sink, rate, engine)
    return {**answer, "asked": (servers.asked(home) - asked) / max(answer["delivered"], 1)}


def posted(bench, address, sink, rate, what):
    """Posts to a Gatepost that delivers to the sink's port, and waits until all has arrived."""
    servers, seconds = bench.servers, bench.seconds
    most = 4_000_000 if rate == 0 else rate * seconds + 10
    before = servers.cpu()
    answer = servers.limit("flow", address=address, secret=servers.SECRET, body=bench.body("2 KiB").path, sink=f"127.0.0.1:{sink}",
                           rate=rate, waiting=CONNECTIONS, seconds=seconds, most=most)
    answer.update(servers.spent(before, answer["delivered"]))
    if answer["delivered"] != answer["ok"]:
        raise SystemExit(f"{what} at {rate}/s: {answer['ok']} accepted, {answer['delivered']} delivered")
    return answer


def show(found, results):
    bare = results.get("accept", {}).get("2 KiB", {}).get("bare axum", {}).get("rate")
    for engine, runs in found.items():
        rows = []
        for offered, run in runs.items():
            whole, answered, rate = run["posted_to_delivered"], run["answered"], run["delivered_rate"]
            rows.append([offered, f"{rate:,.0f}", f"{rate / bare:.3f}" if bare else "", ms(whole, "p50_ms"), ms(whole, "p99_ms"),
                         ms(answered, "p50_ms"), ms(answered, "p99_ms"), pairs(run, "cpu_us"), pairs(run, "peak_mib"),
                         f"{run['asked']:.2f}" if run["asked"] else ""])
        table(f"Posted to delivered, {engine}, 2 KiB", ["offered", "delivered/s", "of bare axum", "p50 ms", "p99 ms", "answered p50 ms",
                                                       "answered p99 ms", "CPU us by process", "peak MiB",
                                                       "messages to NATS for each"], rows)
