"""A store that speaks S3, over TLS: moto's server, which containers reach by the bridge's address."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import docker
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

ROOT = Path(__file__).parents[2]
NAME = "store.test"
BUCKET = "backups"
SECRETS = {"repository2-key": "AKIATESTS", "repository2-key-secret": "a/secret+key/of+the/tests"}


@dataclass(frozen=True)
class Store:
    """A store that runs.

    :ivar declared: as an inventory declares it.
    :ivar address: where its name leads.
    """

    declared: dict[str, Any]
    address: str


@contextmanager
def running(folder: Path) -> Iterator[Store]:
    """Give a store with an empty bucket, and end it afterwards.

    :param folder: for its certificate and its log.
    """
    client: Any = docker.from_env()
    address = _host_of(client.networks.get("bridge").attrs["IPAM"]["Config"][0])
    client.close()
    with socket.socket() as free:
        free.bind((address, 0))
        port = free.getsockname()[1]
    _certificate(folder)
    options = [address, str(port), str(folder / "store.crt"), str(folder / "store.key")]
    with (folder / "store.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.instances.s3", *options], stdout=log, stderr=subprocess.STDOUT, cwd=ROOT
        )
        try:
            _make_bucket(f"https://{address}:{port}/{BUCKET}", process)
            declared = {
                "bucket": BUCKET,
                "endpoint": NAME,
                "port": port,
                "uri_style": "path",
                "prefix": "/howdah/tests",
            }
            yield Store(declared | {"ca_file": str(folder / "store.crt")}, address)
        finally:
            process.kill()
            process.wait()


def _host_of(network: dict[str, str]) -> str:
    """Return the host's address in a network; an engine that was never restarted does not say which one it took."""
    return network.get("Gateway") or str(next(ipaddress.ip_network(network["Subnet"]).hosts()))


def _make_bucket(address: str, process: subprocess.Popen[bytes]) -> None:
    # It was made a moment ago, by this process: what the tests prove is that pgBackRest looks at its certificate.
    context = ssl._create_unverified_context()  # noqa: S323
    deadline = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(urllib.request.Request(address, method="PUT"), context=context)  # noqa: S310
        except urllib.error.URLError:
            assert process.poll() is None, "the store ended"
            assert time.monotonic() < deadline, "the store does not answer"
            time.sleep(0.2)
        else:
            return


def _certificate(folder: Path) -> None:
    """Write a certificate of the store's name, which is its own authority, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "store.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "store.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
