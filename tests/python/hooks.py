"""What schemathesis needs to know to write the bodies of Gatepost's API."""

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def lines(context, value):
    """Lines of JSON are text as it stands."""
    return value if isinstance(value, bytes) else str(value).encode()
