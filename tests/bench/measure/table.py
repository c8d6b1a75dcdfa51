"""Prints what was measured, ratios first."""


def print_results(results):
    machine = results["machine"]
    print("\n# Benchmark\n")
    print(", ".join(f"{name} {value}" for name, value in machine.items()))
    print(f"Medians of {results['rounds']} interleaved rounds of {results['seconds']} s; 64 connections; "
          "the load shares the machine.")
    for size, sides in results["accept"].items():
        accept_table(size, sides)
    for engine, runs in results["flow"].items():
        flow_table(engine, runs, results["accept"]["2 KiB"]["bare axum"]["rate"])
    delivery_table(results["delivery"])


def accept_table(size, sides):
    bare = sides["bare axum"]["rate"]
    sqlite, stream = sides["raw SQLite"]["rate"], sides["raw JetStream R1"]["rate"]
    print(f"\n## Accepted, {size}\n")
    print("| side | of bare axum | of its store's limit | rate/s (rounds) | p50 ms | p99 ms | p99.9 ms | CPU us by process | peak MiB |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, side in sides.items():
        limit = {"embedded": sqlite}.get(name, stream if name == "NATS R1" else None)
        share = f"{side['rate'] / limit:.2f}" if limit else ""
        print(f"| {name} | {side['rate'] / bare:.3f} | {share} | {side['rate']:,.0f} ({', '.join(map(str, side['rates']))}) | "
              f"{ms(side, 'p50_ms')} | {ms(side, 'p99_ms')} | {ms(side, 'p999_ms')} | {pairs(side, 'cpu_us')} | {pairs(side, 'peak_mib')} |")


def flow_table(engine, runs, bare):
    print(f"\n## Posted to delivered, {engine}, 2 KiB\n")
    print("| offered | delivered/s | of bare axum | p50 ms | p99 ms | answered p50 ms | answered p99 ms | CPU us by process | peak MiB |")
    print("|---|---|---|---|---|---|---|---|---|")
    for offered, run in runs.items():
        whole, answered = run["posted_to_delivered"], run["answered"]
        print(f"| {offered} | {run['delivered_rate']:,.0f} | {run['delivered_rate'] / bare:.3f} | {ms(whole, 'p50_ms')} | {ms(whole, 'p99_ms')} | "
              f"{ms(answered, 'p50_ms')} | {ms(answered, 'p99_ms')} | {pairs(run, 'cpu_us')} | {pairs(run, 'peak_mib')} |")


def delivery_table(sides):
    bare = sides["bare client"]["rate"]
    print("\n## A backlog delivered to one sink, 2 KiB\n")
    print("| side | of the bare client | rate/s (rounds) | CPU us by process |")
    print("|---|---|---|---|")
    for name, side in sides.items():
        print(f"| {name} | {side['rate'] / bare:.3f} | {side['rate']:,.0f} ({', '.join(map(str, side['rates']))}) | {pairs(side, 'cpu_us')} |")


def ms(side, name):
    value = side.get(name)
    return "" if value is None else f"{value:.2f}"


def pairs(side, name):
    return ", ".join(f"{key} {value:g}" for key, value in side.get(name, {}).items())
