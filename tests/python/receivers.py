"""A receiver as FastAPI's tutorial writes it, and one that verifies with PyPI standardwebhooks.

Prints the port once it listens. What they got is told under /report; POST /keys changes the key that is known.
"""

import json
import socket
import sys

import uvicorn
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel
from standardwebhooks.webhooks import Webhook

keys = json.loads(sys.argv[1])
report = {}


def note(name, id, error=None):
    entry = report.setdefault(name, {"accepted": 0, "refused": 0, "ids": {}, "errors": []})
    if error is None:
        entry["accepted"] += 1
        entry["ids"][id] = entry["ids"].get(id, 0) + 1
    else:
        entry["refused"] += 1
        entry["errors"].append(str(error)[:200])
    return Response(status_code=204 if error is None else 400)


app = FastAPI()


# https://fastapi.tiangolo.com/tutorial/body/
class Delivery(BaseModel):
    id: str
    type: str
    tenant: str | None = None
    data: dict


@app.post("/webhooks")
async def receive(delivery: Delivery):
    return note("fastapi", delivery.id, None if "action" in delivery.data else "no body")


# https://fastapi.tiangolo.com/advanced/using-request-directly/
@app.post("/python")
async def verify(request: Request):
    body = await request.body()
    try:
        Webhook(keys["secret"]).verify(body, dict(request.headers))
    except Exception as error:
        return note("python", None, error)
    return note("python", request.headers["webhook-id"])


@app.post("/keys")
async def change(request: Request):
    keys.update(await request.json())
    return Response(status_code=204)


@app.get("/report")
async def told():
    return report


listener = socket.socket()
listener.bind(("127.0.0.1", 0))
print(json.dumps({"python": listener.getsockname()[1]}), flush=True)
uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[listener])
