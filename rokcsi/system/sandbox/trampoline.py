"""The program that stands between the local cluster and a pod's command.

`python -I -S trampoline.py PLAN GO REPORT` (three file descriptors) is started by `launch`.
It waits for a byte on GO, which comes once its pid is on record, so that a process that
nobody knows of never runs anything. Then there are three processes:

    supervisor      passes signals on, writes how the command ended; SIGUSR1 ends the pod at once
    └─ init         pid 1 of the pod: builds the pod's root, reaps; when it ends, the kernel ends all in the pod
       └─ command

With `plan.inside` set there is no init: the command joins a pod that runs already. On
REPORT goes one JSON object a line: {"running": true}, {"refused": why}, {"ended": status}.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import select
import signal
import sys
from types import FrameType

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))))

from rokcsi.system.namespaces import CLONE_NEWNS, CLONE_NEWPID, die_with_parent, enter, unshare
from rokcsi.system.sandbox.plan import SandboxPlan
from rokcsi.system.sandbox.root import RootRefused, build_root, why

_PASSED_ON = (
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
)
_FROM_TERMINAL = frozenset({signal.SIGINT, signal.SIGQUIT, signal.SIGWINCH})
_NOT_FOUND, _NOT_EXECUTABLE, _REFUSED = 127, 126, 125


def report(descriptor: int, **said: object) -> None:
    """Tell the launcher, if it still listens."""
    with contextlib.suppress(BrokenPipeError):
        os.write(descriptor, (json.dumps(said) + "\n").encode())


def supervise(plan: SandboxPlan, reports: int) -> int:
    """Start the pod (or join one), wait for its end, write it down; give the command's status."""
    if plan.begun_mark is not None:
        os.close(os.open(plan.begun_mark, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    told, tell = os.pipe()
    if plan.inside is None:
        unshare(CLONE_NEWPID)
        child = os.fork()
        if child == 0:
            os.close(told)
            os._exit(_be_init(plan, tell, reports))
    else:
        pod = os.pidfd_open(plan.inside)
        enter(pod, CLONE_NEWPID)
        child = _start(plan, reports, pod)
    os.close(tell)
    _pass_signals_on(child, plan)
    status = _end_of(child)
    said = os.read(told, 16)
    status = int(said) if said else status
    _record_end(plan, status)
    report(reports, ended=status)
    return status


def _pass_signals_on(goal: int, plan: SandboxPlan) -> None:
    """Let what is sent to this process reach `goal` (negative: a process group), also what came until now."""

    def pass_on(number: int, _frame: FrameType | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(goal, signal.SIGKILL if number == signal.SIGUSR1 else number)

    for number in _PASSED_ON:
        # The terminal sends its own signals to all of us.
        from_terminal = plan.terminal and number in _FROM_TERMINAL
        signal.signal(number, signal.SIG_IGN if from_terminal else pass_on)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)


def _end_of(child: int) -> int:
    """Wait for one child, reaping every other; a negative status is the signal that ended it."""
    while True:
        pid, status = os.wait()
        if pid == child:
            return os.waitstatus_to_exitcode(status)


def _record_end(plan: SandboxPlan, status: int) -> None:
    if plan.exit_record is None:
        return
    with contextlib.suppress(FileNotFoundError):  # the pod was deleted meanwhile
        new = plan.exit_record + ".new"
        with open(new, "w", encoding="utf-8") as record:
            json.dump({"status": status}, record)
        os.replace(new, plan.exit_record)


def _be_init(plan: SandboxPlan, tell: int, reports: int) -> int:
    die_with_parent(signal.SIGKILL)
    if _nobody_reads(tell):  # the supervisor was gone before the kernel knew what to do then
        return _REFUSED
    try:
        quiet = os.open(plan.quiet_lock, os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(quiet, fcntl.LOCK_SH)
        unshare(CLONE_NEWNS)
        build_root(plan)
        os.close(quiet)
    except (OSError, RootRefused) as error:
        text = why(error) if isinstance(error, OSError) else str(error)
        sys.stderr.write(f"the pod could not be started: {text}\n")
        sys.stderr.flush()
        report(reports, refused=text)
        return _REFUSED
    command = _start(plan, reports)
    _pass_signals_on(command if plan.terminal else -command, plan)
    os.write(tell, str(_end_of(command)).encode())
    return 0


def _nobody_reads(pipe: int) -> bool:
    poll = select.poll()
    poll.register(pipe, 0)
    return bool(poll.poll(0))


def _start(plan: SandboxPlan, reports: int, pod: int | None = None) -> int:
    """Fork the command, into a running pod where one is given; report that it runs once exec closed its end of the pipe."""
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        die_with_parent(signal.SIGKILL)
        _become_command(plan, tell, pod)
    os.close(tell)
    if not os.read(told, 1):
        report(reports, running=True)
    os.close(told)
    return child


def _become_command(plan: SandboxPlan, failed: int, pod: int | None) -> None:
    """Turn into the command; where that is not possible say so as a shell does, and end."""
    program = plan.command[0]
    status, what = _NOT_EXECUTABLE, f'exec: "{program}"'
    try:
        if pod is not None:
            enter(pod, CLONE_NEWNS)
        _reset_signals()
        if not plan.terminal:
            os.setsid()
        os.umask(0o022)
        what = f"working directory {plan.working_directory}"
        os.chdir(plan.working_directory)
        what = f'exec: "{program}"'
        os.execvpe(program, plan.command, dict(plan.environment))  # noqa: S606 - a pod has a command, not a shell line
    except OSError as error:
        text = error.strerror
        if what.startswith("exec") and error.errno in {errno.ENOENT, errno.ENOTDIR}:
            status, text = (
                _NOT_FOUND,
                "no such file or directory" if "/" in program else "executable file not found in $PATH",
            )
        os.write(failed, b"!")
        os.write(2, f"{what}: {text}\n".encode())
    os._exit(status)


def _reset_signals() -> None:
    """Undo what Python and we have set; a command expects the defaults."""
    for number in (*_PASSED_ON, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def main() -> int:
    """Read the plan, wait for the word to go, run."""
    planned, go, reports = (int(argument) for argument in sys.argv[1:4])
    signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON)  # kept until there is somebody to pass them on to
    for descriptor in (planned, go, reports):
        os.set_inheritable(descriptor, False)
    with open(planned, encoding="utf-8") as text:
        plan = SandboxPlan.from_json(text.read())
    if not os.read(go, 1):
        return _REFUSED
    try:
        return supervise(plan, reports)
    except OSError as error:
        report(reports, refused=why(error))
        return _REFUSED


if __name__ == "__main__":
    sys.exit(main() & 0xFF)
