"""The signed body, and wrk."""

import hashlib
import hmac
import json
import os
import random
import resource
import string
import subprocess
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

SECRET = "it's a secret to everybody"
ACCOUNT = 12345678
LOAD = Path(__file__).parent.parent / "load.lua"
LETTERS = string.ascii_letters + string.digits
NAMES = ["Ada", "Barbara", "Edsger", "Grace", "Katherine", "Ken", "Margaret", "Tony"]
WORDS = """account add and basket before build cache change check close customer delivery empty error fix for from header id in
invoice keep late lock move name of once order page price queue read refund remove retry row save search send sort stock store
tax test the time to total update use wait when with write""".split()


@dataclass
class Body:
    """A push of GitHub's with as many commits as fill the size; `path` holds it, `turn` it and others, with signatures."""

    bytes: bytes
    path: Path
    turn: Path

    @staticmethod
    def of(size, folder, accounts=(ACCOUNT,)):
        """For each account one, that are posted in turn."""
        bodies = [push(size, account) for account in accounts]
        name = f"body-{size}" + (f"-of-{len(bodies)}" if len(bodies) > 1 else "")
        path, turn = folder / f"{name}.json", folder / f"{name}.signed"
        path.write_bytes(bodies[0])
        turn.write_bytes(b"".join(signature(body).encode() + b" " + body + b"\n" for body in bodies))
        return Body(bodies[0], path, turn)


def push(size, account):
    """As GitHub's own are, with hashes, names and times that differ: what packs bytes gains no more than it would there."""
    some = random.Random(f"{size} {account}")
    after, commits = sha(some), []

    def text():
        return json.dumps({**head(after), "commits": commits, "installation": {"id": account}}, separators=(",", ":"))

    while len(text()) < size - len(json.dumps(commit(some))):
        commits.append(commit(some))
    padding = size - len(text()) - len(',"compare":""')
    return (text()[:-1] + ',"compare":"' + "".join(some.choices(LETTERS, k=max(padding, 0))) + '"}').encode()


def head(after):
    return {"ref": "refs/heads/main", "after": after,
            "repository": {"id": 186853002, "full_name": "acme/shop", "private": True, "html_url": "https://github.com/acme/shop",
                           "default_branch": "main", "pushed_at": 1763899200},
            "sender": {"login": "ada", "id": 21031067, "type": "User", "html_url": "https://github.com/ada"}}


def commit(some):
    name, own = some.choice(NAMES), sha(some)
    author = {"name": name, "email": f"{name.lower()}@example.com"}
    time_of_day = f"{some.randrange(24):02}:{some.randrange(60):02}:{some.randrange(60):02}"
    return {"id": own, "tree_id": sha(some), "message": " ".join(some.choices(WORDS, k=some.randrange(4, 16))),
            "timestamp": f"2026-11-{some.randrange(1, 29):02}T{time_of_day}Z", "url": f"https://github.com/acme/shop/commit/{own}",
            "author": author, "committer": author, "added": [], "removed": [],
            "modified": [f"{some.choice(WORDS)}/{some.choice(WORDS)}.rs" for _ in range(some.randrange(1, 4))]}


def sha(some):
    return f"{some.getrandbits(160):040x}"


def signature(body):
    return "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()


def wrk(servers, address, body, seconds, connections, counted=None):
    """Posts as fast as it is answered; what was accepted is counted by the server too, where it counts."""
    return wrk_all(servers, [address], body, seconds, connections, counted)


def wrk_all(servers, addresses, body, seconds, connections, counted=None, pin=None):
    """As `wrk`, to several servers at once, that share the connections; with what of the machine was busy."""
    run(addresses, body, 1, connections, pin)
    accepted = counted() if counted else 0
    before, busy, own, began = servers.cpu(), busy_seconds(), children_seconds(), time.monotonic()
    runs = run(addresses, body, seconds, connections, pin)
    took = time.monotonic() - began
    said = {"requests": sum(one["requests"] for one in runs), "rate": sum(one["requests"] / one["seconds"] for one in runs),
            **{name: max(one[name] for one in runs) for name in ["p50_ms", "p99_ms", "p999_ms"]},
            "busy_cores": (busy_seconds() - busy) / took}
    wrong = sum(one["errors"] for one in runs)
    if wrong:
        raise SystemExit(f"{addresses}: {wrong} of {said['requests']} went wrong")
    if counted and counted() - accepted < said["requests"]:
        raise SystemExit(f"{addresses}: {said['requests']} answers, but {counted() - accepted} stored")
    said["load_us"] = (children_seconds() - own) * 1e6 / max(said["requests"], 1)
    return {**said, **servers.spent(before, said["requests"])}


def run(addresses, body, seconds, connections, pin=None):
    share = max(connections // len(addresses), 1)
    environment = {**os.environ, "BENCH_BODIES": str(body.turn)}
    first = ["taskset", "-c", ",".join(map(str, pin))] if pin else []
    running = []
    for address in addresses:
        command = [*first, "wrk", "-t1", f"-c{share}", f"-d{seconds}s", "--timeout", "20s", "-s", str(LOAD), f"http://{address}"]
        running.append(subprocess.Popen(command, env={**environment, "BENCH_RUN": uuid.uuid4().hex}, stdout=subprocess.PIPE, text=True))
    said = []
    for process in running:
        output, _ = process.communicate(timeout=seconds + 60)
        if process.returncode:
            raise SystemExit(f"wrk ended with {process.returncode}")
        said.append(json.loads(next(line for line in output.splitlines() if line.startswith("{"))))
    return said


def busy_seconds():
    """Seconds that all cores together have worked since the machine started."""
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:8]]
    idle = fields[3] + fields[4]
    return (sum(fields) - idle) / os.sysconf("SC_CLK_TCK")


def children_seconds():
    """CPU seconds of the processes that we have waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
