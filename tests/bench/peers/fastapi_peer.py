"""A webhook gateway as an engineer would write it: FastAPI with two workers, an event in JetStream before the 200.

Usage: python fastapi_peer.py NATS_URL SECRET
"""

import hashlib
import hmac
import json
import os
import socket
import sys
from contextlib import asynccontextmanager

import nats
import uvicorn
from fastapi import FastAPI, Request, Response
from nats.js.api import StreamConfig


@asynccontextmanager
async def lifespan(app: FastAPI):
    client = await nats.connect(os.environ["PEER_NATS"])
    app.state.stream = client.jetstream()
    await app.state.stream.add_stream(StreamConfig(name="PEER", subjects=["peer.>"]))
    yield
    await client.close()


app = FastAPI(lifespan=lifespan)


@app.post("/webhooks/github")
async def github(request: Request) -> Response:
    body = await request.body()
    wanted = "sha256=" + hmac.new(os.environ["PEER_SECRET"].encode(), body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(wanted, request.headers.get("x-hub-signature-256", "")):
        return Response(status_code=401)
    account = (json.loads(body).get("installation") or {}).get("id", "none")
    headers = {"Nats-Msg-Id": f"{account}-{request.headers.get('x-github-delivery')}"}
    await app.state.stream.publish(f"peer.github.{account}", body, headers=headers)
    return Response(status_code=200)


if __name__ == "__main__":
    os.environ["PEER_NATS"], os.environ["PEER_SECRET"] = sys.argv[1:3]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    print(f"127.0.0.1:{port}", flush=True)
    uvicorn.run("fastapi_peer:app", host="127.0.0.1", port=port, workers=2, log_level="warning", access_log=False)
