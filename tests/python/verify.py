"""Judges deliveries with PyPI standardwebhooks.

Reads one {secret, headers, body_base64} a line, prints one verdict a line: "ok" or what the library said.
"""

import base64
import json
import sys

from standardwebhooks import Webhook

for line in sys.stdin:
    delivery = json.loads(line)
    try:
        Webhook(delivery["secret"]).verify(base64.b64decode(delivery["body_base64"]), delivery["headers"])
        print("ok")
    except Exception as error:  # whatever the library raises is its verdict
        print(str(error).replace("\n", " ") or "refused")
