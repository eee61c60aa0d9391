"""What a command in a container says is whole, however the engine hands it over."""

from __future__ import annotations

import json
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import docker
import pytest

from howdah import execs
from howdah.errors import HowdahError
from howdah.execs import Output


def frame(stream: int, said: bytes) -> bytes:
    return struct.pack(">BxxxL", stream, len(said)) + said


@pytest.fixture
def engine():
    """Return a function: what the engine sends in one piece with its headers, and the ends it tells → its client."""
    servers = []

    def listening(said: bytes, *codes: int | None, running: bool = True):
        told = list(codes)

        class Engine(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def answer(self, body: bytes, *, whole: bool = True) -> None:
                length = f"Content-Length: {len(body)}\r\n" if whole else ""
                status = "101 UPGRADED" if self.headers.get("Upgrade") else "200 OK"
                self.wfile.write(f"HTTP/1.1 {status}\r\n{length}Connection: close\r\n\r\n".encode() + body)
                self.close_connection = True

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                if self.path.endswith("/start"):
                    self.answer(said, whole=False)
                else:
                    self.answer(json.dumps({"Id": "made"}).encode())

            def do_GET(self) -> None:
                code = told.pop(0) if told else None
                self.answer(json.dumps({"ExitCode": code, "Running": running and code is None}).encode())

        server = ThreadingHTTPServer(("127.0.0.1", 0), Engine)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        client = docker.APIClient(f"tcp://127.0.0.1:{server.server_port}", version="1.41")
        servers.append((server, client))
        return client

    yield listening
    for server, client in servers:
        client.close()
        server.shutdown()
        server.server_close()


def test_what_comes_with_the_headers_is_not_lost(engine):
    api = engine(frame(1, b"1000 ") + frame(2, b"why\n") + frame(1, b"rows\n") + frame(1, b""), 3)
    assert execs.run(api, "c", ["true"]) == Output(3, "1000 rows\n", "why\n")


def test_a_command_that_says_nothing_has_an_end(engine):
    assert execs.run(engine(b"", 0), "c", ["true"]) == Output(0, "", "")


def test_an_end_that_the_engine_does_not_know_yet_is_waited_for(engine, monkeypatch):
    monkeypatch.setattr(execs, "_PAUSE", 0.01)
    monkeypatch.setattr(execs, "_PATIENCE", 0.0)
    assert execs.run(engine(frame(1, b"x"), None, None, 4), "c", ["true"]) == Output(4, "x", "")


def test_an_end_that_the_engine_never_says_is_told_of(engine, monkeypatch):
    monkeypatch.setattr(execs, "_PAUSE", 0.01)
    monkeypatch.setattr(execs, "_PATIENCE", 0.05)
    with pytest.raises(HowdahError, match="does not say how a command ended"):
        execs.run(engine(b"", running=False), "c", ["true"])


@pytest.mark.parametrize("cut", [3, 10])
def test_what_is_cut_off_is_not_taken_for_the_whole(engine, cut):
    with pytest.raises(HowdahError, match="does not say how a command ended"):
        execs.run(engine(frame(1, b"1000 rows")[:cut], 0), "c", ["true"])
