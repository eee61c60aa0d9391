"""Runs howdah_migration in the background of the host and shows its progress while it works."""

from __future__ import annotations

import os
import shlex
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

display = Display()

# Ansible kills a background job after its time limit; a migration ends by itself, or when nobody watches it.
TIME_LIMIT = 30 * 24 * 3600
# Seconds between two looks: often at first, as most runs are short.
FIRST_LOOK, LAST_LOOK = 0.3, 2.0
# Seconds for which a lost connection is tried again; the run on the host waits no longer for us either.
PATIENCE = 50.0
# What a background job adds to the result of its module.
OF_THE_JOB = (
    "ansible_job_id",
    "results_file",
    "started",
    "finished",
    "stdout",
    "stdout_lines",
    "stderr",
    "stderr_lines",
)

# Says that we are looking, and prints what is new. Ends with 0 while the run works, and with UNFINISHED while only
# Ansible's job file says so: the run has not begun yet, or was killed without a word.
UNFINISHED = 3
LOOK = (
    "cd {folder} && touch seen && {{ tail -c +{start} lines 2>/dev/null;"
    ' kill -0 "$(cat pid 2>/dev/null)" 2>/dev/null'
    " || {{ grep -q '\"finished\": false' {job} && exit 3; exit 4; }}; }}"
)
STOP = 'kill -TERM "$(cat {folder}/pid 2>/dev/null)" 2>/dev/null; rm -rf {folder}'
REMOVE = "rm -rf {folder}"


class InterruptedPlay(BaseException):
    """The play was ended by a signal."""


class ActionModule(ActionBase):
    """Shows lines while the module runs; its result, check mode and diff are the module's own."""

    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's result."""
        result = super().run(tmp, task_vars)
        own_job = bool(self._task.async_val)
        if own_job or self._connection.has_native_async or self._connection.always_pipeline_modules:
            return result | self._execute_module(task_vars=task_vars, wrap_async=own_job)
        folder = self._make_folder()
        if not folder:
            return result | self._execute_module(task_vars=task_vars)
        with interruptible():
            try:
                result |= self._watch(folder, task_vars)
            except BaseException:
                # Nobody looks any more: nothing may go on there.
                self._low_level_execute_command(STOP.format(folder=shlex.quote(folder)))
                raise
            self._low_level_execute_command(REMOVE.format(folder=shlex.quote(folder)))
        return result

    def _make_folder(self) -> str:
        """Make a folder on the host as the user who runs the module; return its path."""
        made = self._low_level_execute_command('umask 077 && mktemp -d "${TMPDIR:-/tmp}/howdah-watched.XXXXXXXX"')
        path = str(made["stdout"]).strip()
        return path if made["rc"] == 0 and path.startswith("/") else ""

    def _watch(self, folder: str, task_vars: dict[str, Any] | None) -> dict[str, Any]:
        job = self._start(folder, task_vars)
        if job.get("failed") or "ansible_job_id" not in job:
            return job
        name, pause, shown, play = job["ansible_job_id"], FIRST_LOOK, 0, os.getppid()
        alive = time.monotonic()
        while True:
            time.sleep(pause)
            if os.getppid() != play:
                # The play was killed: its worker, which this is, is alone and would report to nobody.
                raise InterruptedPlay
            pause = min(pause * 1.5, LAST_LOOK)
            code, text = self._look(folder, name, shown)
            # A line that is being written is shown when it is whole.
            whole = text[: text.rfind("\n") + 1]
            shown += len(whole.encode())
            self._show(whole.splitlines(), task_vars or {})
            if code == 0:
                alive = time.monotonic()
            elif code != UNFINISHED:
                done = self._ask(name, folder, task_vars)
                return {key: value for key, value in done.items() if key not in OF_THE_JOB}
            elif time.monotonic() - alive > PATIENCE:
                return {"failed": True, "msg": "The run was killed. Run it again: it finishes what is left."}

    def _start(self, folder: str, task_vars: dict[str, Any] | None) -> dict[str, Any]:
        """Start the module in the background; all that Ansible keeps of it lies in the folder, too."""
        shell = self._connection._shell
        before = shell.get_option("async_dir")
        shell.set_option("async_dir", folder)
        self._task.async_val = TIME_LIMIT
        try:
            return self._execute_module(
                module_args=self._task.args | {"watched": folder}, task_vars=task_vars, wrap_async=True
            )
        finally:
            # Otherwise Ansible would wait for the job as well.
            self._task.async_val = 0
            shell.set_option("async_dir", before)

    def _look(self, folder: str, job: str, shown: int) -> tuple[int, str]:
        """Return how LOOK ended, and what the run told beyond so many bytes."""
        command = LOOK.format(folder=shlex.quote(folder), job=shlex.quote(job), start=shown + 1)
        since = time.monotonic()
        while True:
            try:
                seen = self._low_level_execute_command(command)
            except AnsibleConnectionFailure:
                if time.monotonic() - since > PATIENCE:
                    raise
                time.sleep(LAST_LOOK)
                self._connection.reset()
            else:
                return int(seen["rc"]), str(seen["stdout"])

    def _show(self, lines: list[str], task_vars: dict[str, Any]) -> None:
        if self._task.no_log:
            return
        host = self._task.delegate_to or task_vars.get("inventory_hostname", "")
        for line in lines:
            # The task is named, too: its heading may stand below, as Ansible prints it with the first result.
            display.display(f"  [{host}] {self._task.name or self._task.action}: {line}")

    def _ask(self, job: str, folder: str, task_vars: dict[str, Any] | None) -> dict[str, Any]:
        return self._execute_module(
            module_name="ansible.legacy.async_status",
            module_args={"jid": job, "_async_dir": folder},
            task_vars=task_vars,
        )


@contextmanager
def interruptible() -> Iterator[None]:
    """Let the block's ``finally`` run when Ansible ends its workers, which it does by signals that skip it."""
    caught: list[int] = []

    def unwind(number: int, _: FrameType | None) -> None:
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        caught.append(number)
        raise InterruptedPlay

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, unwind)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if caught:
            signal.raise_signal(caught[0])
