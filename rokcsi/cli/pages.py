"""The pages of details: what `rokctl describe` prints of each kind of thing."""

from __future__ import annotations

from collections.abc import Sequence

from rokcsi.cli.columns import OBJECT, VERSION
from rokcsi.cli.formats import Column
from rokcsi.cli.page import Page
from rokcsi.cli.room import room_lines
from rokcsi.cli.words import instant, pairs, seconds, short, status_of_exit, yes
from rokcsi.model.cluster import Claim, Pod, PodVolume
from rokcsi.model.history import Bucket, FileObject, Member, Notebook, Reason, Task, Version
from rokcsi.model.origin import DEFAULT_NAMESPACE, Origin
from rokcsi.model.pod_template import PodTemplate
from rokcsi.model.runs import ClonedVolume, MountedVolume, Run, Step
from rokcsi.pipeline.describe import AttemptDescription, CheckpointLink, StepDescription
from rokcsi.wiring.local import LocalPool

_MEMBERS = (
    Column[Member]("VOLUME", lambda member: member.volume),
    Column[Member]("MOUNTED AT", lambda member: member.mount_path),
    Column[Member]("ROLE", lambda member: member.role),
    Column[Member]("SIZE", lambda member: str(member.size)),
    Column[Member]("FILESYSTEM", lambda member: member.filesystem),
    Column[Member]("CONSISTENCY", lambda member: member.consistency),
    Column[Member]("CLAIM", lambda member: member.claim),
    Column[Member]("SNAPSHOT", lambda member: member.snapshot),
)
_MOUNTS = (
    Column[PodVolume]("VOLUME", lambda volume: volume.name),
    Column[PodVolume]("MOUNTED AT", lambda volume: volume.mount_path),
    Column[PodVolume]("CLAIM", lambda volume: volume.claim),
    Column[PodVolume]("READ-ONLY", lambda volume: yes(volume.readonly)),
)
_STEP_MOUNTS = (
    Column[MountedVolume]("VOLUME", lambda mounted: mounted.name),
    Column[MountedVolume]("MOUNTED AT", lambda mounted: mounted.mount_path),
    Column[MountedVolume]("CLAIM", lambda mounted: mounted.claim),
    Column[MountedVolume]("CLONED AS", lambda mounted: mounted.cloned_as or "-"),
    Column[MountedVolume]("READ-ONLY", lambda mounted: yes(mounted.readonly)),
)
_CLONES = (
    Column[ClonedVolume]("NAME", lambda clone: clone.name),
    Column[ClonedVolume]("VOLUME", lambda clone: clone.volume),
    Column[ClonedVolume]("MOUNTED AT", lambda clone: clone.mount_path),
    Column[ClonedVolume]("CLAIM", lambda clone: clone.claim),
    Column[ClonedVolume]("CLONED IN", lambda clone: seconds(clone.seconds)),
    Column[ClonedVolume]("SNAPSHOT", lambda clone: clone.snapshot),
)
_STEPS = (
    Column[Step]("STEP", lambda step: step.name),
    Column[Step]("STATUS", lambda step: step.status),
    Column[Step]("ATTEMPTS", lambda step: str(len(step.attempts))),
    Column[Step]("EXIT", lambda step: status_of_exit(step.last.exit_status if step.last else None)),
    Column[Step]("TOOK", lambda step: seconds(step.last.seconds if step.last else None)),
    Column[Step]("BEFORE", lambda step: short(step.last.before if step.last else None)),
    Column[Step]("AFTER", lambda step: short(step.last.after if step.last else None)),
)


def version_page(version: Version, clones: Sequence[Claim], namespace: str = DEFAULT_NAMESPACE) -> Page:
    """Give the page of a checkpoint; `clones` are the claims of this machine that were made from its members."""
    page = Page()
    page.line("Checkpoint", version.id)
    page.line("Bucket", version.bucket)
    page.line("Object", version.object)
    page.line("Rok URL", Origin.of_version(version, namespace=namespace))
    page.line("State", f"{version.state}{', pinned' if version.pinned else ''}")
    page.line("Created at", instant(version.created_at))
    page.line("Title", version.title or "-")
    page.line("Message", version.message or "-")
    page.line("Author", version.author or "-")
    page.line("Size", f"{version.size} ({int(version.size)} bytes)")
    page.line("Freeze window", seconds(version.freeze_window_seconds))
    page.line("Consistency", version.consistency)
    page.line("Task", version.task or "-")
    page.line("Parent", version.parent or "-")
    if version.same_cut_as:
        page.line("Same cut as", f"{version.same_cut_as} (nothing changed in between)")
    _reason(page, version.reason)
    if version.reason.run:
        page.line("Completed steps", ", ".join(version.completed_steps) or "-")
        page.line("Concurrent steps", ", ".join(version.concurrent_steps) or "-")
    page.table("Members", version.members, _MEMBERS)
    page.line("Clones", ", ".join(claim.name for claim in clones) or "none")
    return page


def _reason(page: Page, reason: Reason) -> None:
    page.line("Reason", reason.kind)
    if reason.run:
        page.line("Run", reason.run)
    if reason.step:
        page.line("Step", f"{reason.step}, attempt {reason.attempt or 1}")
        page.line("Exit status", status_of_exit(reason.exit_status))
    if reason.command:
        page.line("Command", " ".join(reason.command))
    page.line("Environment", "\n".join(f"{name}={value}" for name, value in sorted(reason.environment.items())) or "-")
    page.line("Working directory", reason.working_directory or "-")
    if reason.template:
        _template(page, reason.template)
    if reason.commit:
        commit = reason.commit
        page.line("Commit", f"{commit.id}{' (modified since)' if commit.modified else ''}")
        page.line("Commit title", commit.title or "-")
        page.line("Commit message", commit.message or "-")
        page.line("Commit author", commit.author or "-")


def _template(page: Page, template: PodTemplate) -> None:
    page.line("Image", template.image)
    page.line("Requests", pairs(template.requests))
    page.line("Limits", pairs(template.limits))
    elsewhere = [
        f"{each.name or f'{each.prefix}*'} from {each.kind} {each.source or each.key}" for each in template.borrowed
    ]
    page.line("Values elsewhere", "\n".join(elsewhere) or "-")
    user = template.user
    page.line("User", f"{_number(user.user)}, group {_number(user.group)}, of volumes {_number(user.fs_group)}")
    page.line("Service account", template.service_account or "-")


def _number(value: int | None) -> str:
    return "-" if value is None else str(value)


def notebook_page(notebook: Notebook) -> Page:
    """Give the page of a notebook."""
    page = Page()
    page.line("Notebook", notebook.name)
    page.line("State", notebook.state)
    page.line("Created at", instant(notebook.created_at))
    page.line("Restored from", notebook.restored_from or "-")
    page.line("Image", notebook.image or "-")
    page.line("Working directory", notebook.working_directory or "-")
    page.line("Environment", pairs(notebook.environment))
    page.line("Task", notebook.task or "-")
    page.table("Volumes", notebook.volumes, _MOUNTS)
    return page


def run_page(run: Run) -> Page:
    """Give the page of a run."""
    page = Page()
    page.line("Run", run.id)
    page.line("Pipeline", run.pipeline)
    page.line("Notebook", run.notebook)
    page.line("Status", f"{run.status}{': ' + run.message if run.message else ''}")
    page.line("Started at", instant(run.created_at))
    page.line("Finished at", instant(run.finished_at))
    page.line("Took", seconds(run.seconds))
    page.line("Leg", run.leg)
    page.line("Cloned from", run.origin or "-")
    page.line("Author", run.author or "-")
    page.line("Parameters", pairs(run.parameters))
    page.line("Hidden folder", run.marshal_directory or "-")
    page.table("Volumes", run.volumes, _CLONES)
    page.table("Steps", run.steps, _STEPS)
    return page


def step_page(description: StepDescription) -> Page:
    """Give the page of a step: each attempt with what was mounted where, its checkpoints and the end of its log."""
    step = description.step
    page = Page()
    page.line("Step", step.name)
    page.line("Run", description.run.id)
    page.line("Pipeline", description.run.pipeline)
    page.line("Status", f"{step.status}{': ' + step.message if step.message else ''}")
    page.line("Needs", ", ".join(step.needs) or "-")
    for attempt in description.attempts:
        _attempt(page, attempt)
    return page


def _attempt(page: Page, described: AttemptDescription) -> None:
    attempt = described.attempt
    page.line(f"Attempt {attempt.number}", f"{attempt.status}{': ' + attempt.message if attempt.message else ''}")
    page.line("  Pod", attempt.pod)
    page.line("  Command", " ".join(attempt.command) or "-")
    page.line("  Working directory", attempt.working_directory or "-")
    page.line("  Environment", pairs(attempt.environment))
    page.line("  Exit status", status_of_exit(attempt.exit_status))
    page.line("  Started at", instant(attempt.started_at))
    page.line("  Took", seconds(attempt.seconds))
    page.line("  Before", _link(described.before))
    page.line("  After", _link(described.after))
    page.line("  Log", attempt.log or "-")
    page.table("  Mounts", attempt.mounts, _STEP_MOUNTS)
    if attempt.log_tail:
        page.text("  End of the log", attempt.log_tail)


def _link(link: CheckpointLink | None) -> str:
    if link is None:
        return "-"
    return f"{link.id}\n{link.url}" if link.version is not None else f"{link.id} (deleted since)"


def task_page(task: Task) -> Page:
    """Give the page of a task."""
    page = Page()
    page.line("Task", task.id)
    page.line("Kind", task.kind)
    page.line("Status", task.status)
    page.line("Progress", f"{task.progress}%")
    page.line("Message", task.message or "-")
    page.line("Bucket", task.bucket)
    page.line("Object", task.object)
    page.line("Makes", task.subject)
    page.line("Created at", instant(task.created_at))
    page.line("Updated at", instant(task.updated_at))
    return page


def bucket_page(bucket: Bucket, objects: Sequence[FileObject]) -> Page:
    """Give the page of a bucket with what is filed in it."""
    page = Page()
    page.line("Bucket", bucket.name)
    page.line("Created at", instant(bucket.created_at))
    page.table("Objects", objects, OBJECT)
    return page


def object_page(filed: FileObject, versions: Sequence[Version]) -> Page:
    """Give the page of an object with its versions."""
    page = Page()
    page.line("Object", filed.name)
    page.line("Bucket", filed.bucket)
    page.line("Created at", instant(filed.created_at))
    page.table("Versions", versions, [column for column in VERSION if not column.wide])
    return page


def claim_page(claim: Claim) -> Page:
    """Give the page of a claim."""
    page = Page()
    page.line("Claim", claim.name)
    page.line("Volume", claim.volume)
    page.line("Size", f"{claim.size} ({int(claim.size)} bytes)")
    page.line("Filesystem", claim.filesystem)
    page.line("From snapshot", claim.from_snapshot or "-")
    page.line("Created at", instant(claim.created_at))
    page.line("Provisioned in", seconds(claim.provisioning_seconds))
    page.line("Labels", pairs(claim.labels))
    return page


def pod_page(pod: Pod) -> Page:
    """Give the page of a pod: what is mounted where, and where that is on this machine."""
    page = Page()
    page.line("Pod", pod.name)
    page.line("Uid", pod.uid)
    page.line("Phase", pod.phase)
    page.line("Command", " ".join(pod.spec.command) or "-")
    page.line("Exit status", status_of_exit(pod.exit_status))
    page.line("Started at", instant(pod.started_at))
    page.line("Finished at", instant(pod.finished_at))
    page.line("Log", pod.log or "-")
    page.table("Mounts", pod.spec.volumes, _MOUNTS)
    for volume, path in sorted(pod.paths.items()):
        page.line(f"  {volume}", path)
    return page


def pool_page(pool: LocalPool) -> Page:
    """Give the page of this machine's pool."""
    page = Page()
    page.line("Pool", pool.name)
    page.line("Driver", "serving" if pool.serving else "stopped")
    page.line("Socket", pool.socket)
    if pool.capacity is not None:
        room_lines(page, pool.capacity)
    return page
