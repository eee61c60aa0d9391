"""Commands in a container, by the engine's API; nothing of what they say is lost.

The SDK's own way asks for an upgraded connection, and then reads past the buffer in which the answer's headers were:
what a quick command says came with them, and is lost (https://github.com/docker/docker-py/issues/3332). Here the answer
is one body that ends with the command, read through that buffer.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from howdah.errors import HowdahError

# Seconds; what a command says may come at any time.
_ANSWER = 60.0
_PATIENCE = 60.0
_PAUSE = 0.05
# Stream's number and length of what follows, as the engine's API documents it.
_FRAME = struct.Struct(">BxxxL")
_STDERR = 2


@dataclass(frozen=True)
class Output:
    """What a command in a container gave back."""

    code: int
    out: str
    err: str

    @property
    def last_line(self) -> str:
        """The last thing it said, for one clear sentence; what it said on stderr goes before its chatter."""
        said = self.err if self.err.strip() else self.out
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        return lines[-1] if lines else "no output"

    @property
    def complaint(self) -> str:
        """pgBackRest's own sentence: what follows it are details, hints and its retries."""
        lines = [line for line in self.err.splitlines() if "ERROR: [" in line]
        return (lines[0] if lines else self.last_line).strip().rstrip(".:")


def run(api: Any, container: str, command: Sequence[str]) -> Output:
    """Run a command as the container's own user, to its end: :func:`begin`."""
    return begin(api, container, command)()


def begin(api: Any, container: str, command: Sequence[str]) -> Callable[[], Output]:
    """Begin a command as the container's own user; what is returned waits for its end and reads what it said.

    :param api: the SDK's low-level client.
    :raises DockerException: the engine refuses.
    :raises RequestException: the connection to it broke.
    :raises HowdahError: what it says of the command is not whole, at the end.
    """
    made = api.exec_create(container, list(command))["Id"]
    answer = api.post(
        f"{api.base_url}/v{api.api_version}/exec/{made}/start",
        json={"Detach": False, "Tty": False},
        stream=True,
        timeout=(_ANSWER, None),
    )

    def end() -> Output:
        with answer:
            answer.raise_for_status()
            out, err = _said(answer.raw)
        return Output(exit_code(api, made), out, err)

    return end


def exit_code(api: Any, made: str) -> int:
    """Wait for the end of a command, and return its exit code: what it says may end before that.

    :param made: the engine's identity of the command.
    :raises HowdahError: it is over, and the engine does not say how.
    """
    patience = _PATIENCE
    while (state := api.exec_inspect(made))["ExitCode"] is None:
        if not state["Running"]:
            patience -= _PAUSE
        if patience < 0:
            raise _lost()
        time.sleep(_PAUSE)
    return int(state["ExitCode"])


def _said(body: Any) -> tuple[str, str]:
    out, err = bytearray(), bytearray()
    while head := _exactly(body, _FRAME.size):
        if len(head) < _FRAME.size:
            raise _lost()
        stream, length = _FRAME.unpack(head)
        part = _exactly(body, length)
        if len(part) < length:
            raise _lost()
        (err if stream == _STDERR else out).extend(part)
    return out.decode("utf-8", "replace"), err.decode("utf-8", "replace")


def _exactly(body: Any, length: int) -> bytes:
    """Return that many bytes, or what is left of them."""
    found = bytearray()
    while len(found) < length and (part := body.read(length - len(found))):
        found += part
    return bytes(found)


def _lost() -> HowdahError:
    return HowdahError(
        "The container engine does not say how a command ended.",
        "Run this again when the host is less busy; if it stays so, restart the engine.",
    )
