"""The columns of each kind of thing that `rokctl get` lists."""

from __future__ import annotations

from collections.abc import Callable

from rokcsi.cli.formats import Column
from rokcsi.cli.words import age, instant, seconds, share, short, status_of_exit, yes
from rokcsi.model.cluster import Claim, Pod
from rokcsi.model.history import Bucket, FileObject, Notebook, Task, Version
from rokcsi.model.pool import Capacity
from rokcsi.model.runs import Run
from rokcsi.model.sizes import Bytes
from rokcsi.sdk import RunStep
from rokcsi.wiring.local import LocalPool


def _reason(version: Version) -> str:
    reason = version.reason
    if reason.step is None:
        return reason.kind
    return f"{reason.kind.removeprefix('step-')} {reason.step} #{reason.attempt or 1}"


def _room(size: Callable[[Capacity], Bytes]) -> Callable[[LocalPool], str]:
    return lambda pool: "-" if pool.capacity is None else str(size(pool.capacity))


def _steps_done(run: Run) -> str:
    done = sum(step.status == "succeeded" for step in run.steps)
    return f"{done}/{len(run.steps)}"


NOTEBOOK = (
    Column[Notebook]("NAME", lambda notebook: notebook.name),
    Column[Notebook]("STATE", lambda notebook: notebook.state),
    Column[Notebook]("VOLUMES", lambda notebook: str(len(notebook.volumes))),
    Column[Notebook]("RESTORED FROM", lambda notebook: short(notebook.restored_from)),
    Column[Notebook]("AGE", lambda notebook: age(notebook.created_at)),
    Column[Notebook](
        "WORKSPACE", lambda notebook: notebook.workspace.mount_path if notebook.volumes else "-", wide=True
    ),
    Column[Notebook]("CLAIMS", lambda notebook: ",".join(volume.claim for volume in notebook.volumes), wide=True),
)
VERSION = (
    Column[Version]("ID", lambda version: short(version.id)),
    Column[Version]("OBJECT", lambda version: version.object),
    Column[Version]("REASON", _reason),
    Column[Version]("EXIT", lambda version: status_of_exit(version.reason.exit_status)),
    Column[Version]("WINDOW", lambda version: seconds(version.freeze_window_seconds)),
    Column[Version]("AGE", lambda version: age(version.created_at)),
    Column[Version]("TITLE", lambda version: version.title or "-"),
    Column[Version]("BUCKET", lambda version: version.bucket, wide=True),
    Column[Version]("SIZE", lambda version: str(version.size), wide=True),
    Column[Version]("STATE", lambda version: version.state, wide=True),
    Column[Version]("PINNED", lambda version: yes(version.pinned), wide=True),
    Column[Version]("AUTHOR", lambda version: version.author or "-", wide=True),
    Column[Version]("PARENT", lambda version: short(version.parent), wide=True),
    Column[Version]("FULL ID", lambda version: version.id, wide=True),
)
BUCKET = (
    Column[Bucket]("NAME", lambda bucket: bucket.name),
    Column[Bucket]("OBJECTS", lambda bucket: str(bucket.objects)),
    Column[Bucket]("AGE", lambda bucket: age(bucket.created_at)),
)
OBJECT = (
    Column[FileObject]("NAME", lambda filed: filed.name),
    Column[FileObject]("BUCKET", lambda filed: filed.bucket),
    Column[FileObject]("VERSIONS", lambda filed: str(filed.versions)),
    Column[FileObject]("LATEST", lambda filed: short(filed.latest)),
    Column[FileObject]("AGE", lambda filed: age(filed.created_at)),
)
TASK = (
    Column[Task]("ID", lambda task: short(task.id)),
    Column[Task]("KIND", lambda task: task.kind),
    Column[Task]("BUCKET", lambda task: task.bucket),
    Column[Task]("OBJECT", lambda task: task.object),
    Column[Task]("STATUS", lambda task: task.status),
    Column[Task]("PROGRESS", lambda task: f"{task.progress}%"),
    Column[Task]("AGE", lambda task: age(task.created_at)),
    Column[Task]("MESSAGE", lambda task: task.message or "-"),
    Column[Task]("SUBJECT", lambda task: task.subject, wide=True),
    Column[Task]("FULL ID", lambda task: task.id, wide=True),
)
RUN = (
    Column[Run]("ID", lambda run: run.id),
    Column[Run]("PIPELINE", lambda run: run.pipeline),
    Column[Run]("NOTEBOOK", lambda run: run.notebook),
    Column[Run]("STATUS", lambda run: run.status),
    Column[Run]("STEPS", _steps_done),
    Column[Run]("TOOK", lambda run: seconds(run.seconds)),
    Column[Run]("AGE", lambda run: age(run.created_at)),
    Column[Run]("LEG", lambda run: str(run.leg), wide=True),
    Column[Run]("ORIGIN", lambda run: short(run.origin), wide=True),
    Column[Run]("MESSAGE", lambda run: run.message or "-", wide=True),
)
STEP = (
    Column[RunStep]("RUN", lambda row: row.run),
    Column[RunStep]("STEP", lambda row: row.step.name),
    Column[RunStep]("STATUS", lambda row: row.step.status),
    Column[RunStep]("ATTEMPTS", lambda row: str(len(row.step.attempts))),
    Column[RunStep]("EXIT", lambda row: status_of_exit(row.step.last.exit_status if row.step.last else None)),
    Column[RunStep]("TOOK", lambda row: seconds(row.step.last.seconds if row.step.last else None)),
    Column[RunStep]("BEFORE", lambda row: short(row.step.last.before if row.step.last else None)),
    Column[RunStep]("AFTER", lambda row: short(row.step.last.after if row.step.last else None)),
    Column[RunStep]("NEEDS", lambda row: ",".join(row.step.needs) or "-", wide=True),
    Column[RunStep]("MESSAGE", lambda row: row.step.message or "-", wide=True),
)
CLAIM = (
    Column[Claim]("NAME", lambda claim: claim.name),
    Column[Claim]("SIZE", lambda claim: str(claim.size)),
    Column[Claim]("FILESYSTEM", lambda claim: claim.filesystem),
    Column[Claim]("CLONE", lambda claim: yes(claim.from_snapshot is not None)),
    Column[Claim]("AGE", lambda claim: age(claim.created_at)),
    Column[Claim]("PROVISIONED IN", lambda claim: seconds(claim.provisioning_seconds), wide=True),
    Column[Claim]("VOLUME", lambda claim: claim.volume, wide=True),
    Column[Claim]("FROM SNAPSHOT", lambda claim: claim.from_snapshot or "-", wide=True),
)
POD = (
    Column[Pod]("NAME", lambda pod: pod.name),
    Column[Pod]("PHASE", lambda pod: pod.phase),
    Column[Pod]("VOLUMES", lambda pod: str(len(pod.spec.volumes))),
    Column[Pod]("EXIT", lambda pod: status_of_exit(pod.exit_status)),
    Column[Pod]("STARTED", lambda pod: instant(pod.started_at)),
    Column[Pod]("COMMAND", lambda pod: " ".join(pod.spec.command) or "-", wide=True),
    Column[Pod]("UID", lambda pod: pod.uid, wide=True),
)
POOL = (
    Column[LocalPool]("NAME", lambda pool: pool.name),
    Column[LocalPool]("DRIVER", lambda pool: "serving" if pool.serving else "stopped"),
    Column[LocalPool]("TOTAL", _room(lambda capacity: capacity.total)),
    Column[LocalPool]("USED", _room(lambda capacity: capacity.used)),
    Column[LocalPool]("KEPT", _room(lambda capacity: capacity.kept)),
    Column[LocalPool]("PROMISED", _room(lambda capacity: capacity.promised)),
    Column[LocalPool]("AVAILABLE", _room(lambda capacity: capacity.available)),
    Column[LocalPool](
        "METADATA", lambda pool: "-" if pool.capacity is None else share(pool.capacity.metadata_used), wide=True
    ),
    Column[LocalPool]("SOCKET", lambda pool: str(pool.socket), wide=True),
)
