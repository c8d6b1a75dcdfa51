"""The signed body, and wrk."""

import hashlib
import hmac
import json
import os
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path

SECRET = "it's a secret to everybody"
LOAD = Path(__file__).parent.parent / "load.lua"


@dataclass
class Body:
    """A push of GitHub's with as many commits as fill the size."""

    bytes: bytes
    path: Path
    signature: str

    @staticmethod
    def of(size, folder):
        head = {"ref": "refs/heads/main", "installation": {"id": 12345678},
                "repository": {"id": 186853002, "full_name": "acme/shop", "private": True}}
        commits = []
        def text():
            return json.dumps({**head, "commits": commits}, separators=(",", ":"))
        while len(text()) < size - 300:
            commits.append({"id": f"{len(commits):040x}", "message": "Update the price list", "author": {"name": "Ada", "email": "ada@example.com"},
                            "added": [], "removed": [], "modified": ["prices.csv"]})
        padding = size - len(text()) - len(',"pusher":""')
        whole = text()[:-1] + ',"pusher":"' + "p" * max(padding, 0) + '"}'
        body = whole.encode()
        path = folder / f"body-{size}.json"
        path.write_bytes(body)
        signature = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        return Body(body, path, signature)


def wrk(servers, address, body, seconds, connections, counted=None):
    """Posts as fast as it is answered; what was accepted is counted by the server too, where it counts."""
    run(address, body, 1, connections)
    accepted = counted() if counted else 0
    before = servers.cpu()
    said = run(address, body, seconds, connections)
    if said["errors"]:
        raise SystemExit(f"{address}: {said['errors']} of {said['requests']} went wrong")
    if counted and counted() - accepted < said["requests"]:
        raise SystemExit(f"{address}: {said['requests']} answers, but {counted() - accepted} stored")
    said["rate"] = said["requests"] / said["seconds"]
    return {**said, **servers.spent(before, said["requests"])}


def run(address, body, seconds, connections):
    environment = {**os.environ, "BENCH_BODY": str(body.path), "BENCH_SIGNATURE": body.signature, "BENCH_RUN": uuid.uuid4().hex}
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s", "-s", str(LOAD), f"http://{address}"]
    output = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=seconds + 60).stdout
    return json.loads(next(line for line in output.splitlines() if line.startswith("{")))
