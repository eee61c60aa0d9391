"""``python -m tests.instances.s3 ADDRESS PORT CERTIFICATE KEY``: moto's S3, with connections that end as TLS wants it.

moto's own command leaves them without a word, which OpenSSL 3 takes for an attack, and pgBackRest with it.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Any

# Else moto takes the first part of its own name for a bucket's; it looks when it is imported.
os.environ["S3_IGNORE_SUBDOMAIN_BUCKETNAME"] = "true"

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import ThreadedWSGIServer

_SECONDS = 2.0


class Server(ThreadedWSGIServer):
    """Says that a connection ends before it ends it."""

    def shutdown_request(self, request: Any) -> None:
        # A client that is gone already needs no farewell.
        with suppress(OSError, ValueError):
            request.settimeout(_SECONDS)
            request.unwrap()
        super().shutdown_request(request)


def main() -> None:
    """Serve until the process is ended."""
    address, port, certificate, key = sys.argv[1:]
    Server(
        address, int(port), DomainDispatcherApplication(create_backend_app), ssl_context=(certificate, key)
    ).serve_forever()


if __name__ == "__main__":
    main()
