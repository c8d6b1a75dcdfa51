"""One, two and four gateways on one NATS server, under the same load; and what limits them."""

import os

from measure.bench import CONNECTIONS, NOBODY
from measure.load import wrk_all
from measure.table import ms, table

# Cores beside the gateways': one for the NATS server, one for the load.
OTHERS = 2
# From here on a core counts as taken.
TAKEN = 0.9


def measure(bench):
    counts = [1, 2] if bench.quick else [1, 2, 4]
    return bench.interleaved({str(count): lambda count=count: once(bench, count) for count in counts})


def once(bench, count):
    servers = bench.servers
    cores = sorted(os.sched_getaffinity(0))
    pinned = len(cores) >= count + OTHERS
    pin = (lambda these: ["taskset", "-c", ",".join(map(str, these))]) if pinned else (lambda _these: [])
    home = servers.home((1, False), NOBODY, first=pin(cores[count:count + 1]))
    gateways = [servers.run(home, ["gateway"], first=pin([cores[number % len(cores)]])) for number in range(count)]
    addresses = [gateway.address("gateway") for gateway in gateways]
    counted = lambda: sum(gateway.metric("gatepost_gateway_requests_total", 'result="stored"') for gateway in gateways)
    found = wrk_all(servers, addresses, bench.body("2 KiB"), bench.seconds, CONNECTIONS, counted, cores[count + 1:] if pinned else None)
    return {**found, "pinned": "yes" if pinned else "no", "cores": len(cores), "limit": limit(found, count, len(cores), pinned)}


def limit(found, count, cores, pinned):
    """What was used up, from the CPU that each kind of process took."""
    spent = {**{name: us * found["rate"] / 1e6 for name, us in found["cpu_us"].items()}, "the load": found["load_us"] * found["rate"] / 1e6}
    spent["everything else"] = max(found["busy_cores"] - sum(spent.values()), 0)
    shares = ", ".join(f"{name} {used:.2f}" for name, used in spent.items())
    if found["busy_cores"] >= TAKEN * cores:
        return f"the machine's {cores} cores: {shares}"
    if pinned:
        has = {"gatepost": count, "nats-server": 1}
        taken = [name for name, mine in has.items() if spent[name] >= TAKEN * mine]
        if taken:
            return f"the cores of {' and '.join(taken)}: {shares}"
    return f"no core; waiting: {shares}"


def show(found, _results):
    one, some = found["1"]["rate"], next(iter(found.values()))
    rows = [[count, side["pinned"], f"{side['rate'] / one:.2f}", f"{side['rate']:,.0f} ({', '.join(map(str, side['rates']))})",
             ms(side, "p50_ms"), ms(side, "p99_ms"), f"{side['cpu_us']['gatepost']:.1f}", f"{side['cpu_us']['nats-server']:.1f}",
             f"{side['load_us']:.1f}", f"{side['busy_cores']:.2f} of {some['cores']}", side["limit"]] for count, side in found.items()]
    table(f"Gateways on one NATS server, {CONNECTIONS} connections in all, 2 KiB",
          ["gateways", "each on a core", "of one", "rate/s (rounds)", "p50 ms", "p99 ms", "gateways' CPU us", "NATS server's CPU us",
           "load's CPU us", "busy cores", "what is used up (cores)"], rows)
