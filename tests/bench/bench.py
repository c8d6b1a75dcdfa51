"""Puts the benchmark together: which sections run, and what is printed. See `run`."""

import argparse
import json
import platform
import subprocess
import sys
import time
from pathlib import Path

from measure.bench import CONNECTIONS, Bench
from measure.servers import Servers
from sections import accept, delivery, flow, growth, half, memory, overload, replicas

SECTIONS = {"accept": accept, "half": half, "memory": memory, "flow": flow, "delivery": delivery, "growth": growth,
            "replicas": replicas, "overload": overload}


def main() -> None:
    options = arguments()
    servers = Servers(options.gatepost, options.limits, options.tools, options.out)
    bench = Bench(servers, options.quick, options.seconds, options.rounds)
    results = {"machine": machine(options), "seconds": options.seconds, "rounds": options.rounds}
    try:
        for name in options.only:
            began = time.monotonic()
            results[name] = SECTIONS[name].measure(bench)
            print(f"measured {name} in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    finally:
        servers.stop_all()
    path = options.out / "results.json"
    path.write_text(json.dumps(results, indent=1) + "\n")
    show(results)
    print(f"\nwritten to {path}")


def show(results):
    print("\n# Benchmark\n")
    print(", ".join(f"{name} {value}" for name, value in results["machine"].items()))
    print(f"Medians of {results['rounds']} interleaved rounds of {results['seconds']} s; {CONNECTIONS} connections; "
          "the load shares the machine.")
    for name, section in SECTIONS.items():
        if name in results:
            section.show(results[name], results)


def machine(options):
    def said(*command):
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    cpus = [line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()), "cpu": cpus[0] if cpus else platform.machine(), "cores": len(cpus),
        "kernel": platform.release(), "rustc": said("rustc", "--version"), "commit": said("git", "rev-parse", "--short", "HEAD"),
        "node": said("node", "--version"), "python": platform.python_version(), "wrk": said("wrk", "-v").split("\n")[0],
        "nats": said(str(options.tools / "python/bin/nats-server"), "--version"),
        "command": " ".join(["tests/bench/run", *options.said]),
    }


def sections(text):
    names = text.split(",")
    for name in names:
        if name not in SECTIONS:
            raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(SECTIONS)}")
    return names


def arguments():
    parser = argparse.ArgumentParser()
    for name in ["gatepost", "limits", "tools", "out"]:
        parser.add_argument(f"--{name}", type=lambda text: Path(text).resolve(), required=True)
    parser.add_argument("--quick", action="store_true", help="fewer sides, smaller numbers, short rounds: under 5 minutes")
    parser.add_argument("--only", type=sections, default=list(SECTIONS), help=f"some of {','.join(SECTIONS)}")
    parser.add_argument("--rounds", type=int, help="3, or 2 with --quick; the overload has one with --quick")
    parser.add_argument("--seconds", type=int, help="of each measurement: 6, or 2 with --quick")
    options = parser.parse_args()
    options.rounds = options.rounds or (2 if options.quick else 3)
    options.seconds = options.seconds or (2 if options.quick else 6)
    # What was said beside what `run` says.
    options.said = sys.argv[1 + 2 * 4:]
    options.out.mkdir(parents=True, exist_ok=True)
    return options


if __name__ == "__main__":
    main()
