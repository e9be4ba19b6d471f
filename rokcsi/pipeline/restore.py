"""Opens an execution state: any version as a new notebook, same files, same environment."""

from __future__ import annotations

from rokcsi.model.cluster import Claim, NewClaim, PodVolume
from rokcsi.model.history import Member, Notebook, TaskKind
from rokcsi.model.runs import ClonedVolume
from rokcsi.pipeline.find import find_version
from rokcsi.pipeline.names import NOTEBOOK_LABEL, check_name, without_attempt
from rokcsi.pipeline.notebook import claim_name, establish
from rokcsi.pipeline.progress import SILENT, Listener, VolumeCloned
from rokcsi.pipeline.tasks import Progress
from rokcsi.pipeline.world import World


def restore(world: World, reference: str, name: str, listener: Listener = SILENT) -> Notebook:
    """Clone all volumes of a version, side by side, into a new notebook with the environment recorded there, less the names of the attempt that it was.

    `reference` is the version's id, the first 6 or more digits of it, or its URL; the URL of
    one member restores that volume alone. Raises InvalidRequest, RecordNotFound, RecordExists.
    """
    check_name("notebook", name)
    found = find_version(world, reference)
    members = (found.member,) if found.member is not None else found.version.members
    notebook = Notebook(
        name=name,
        volumes=tuple(
            PodVolume(member.volume, claim_name(name, member.volume), member.mount_path, member.readonly)
            for member in members
        ),
        created_at=world.now(),
        environment=without_attempt(found.version.reason.environment),
        working_directory=_working_directory(found.version.reason.working_directory, members),
        restored_from=found.version.id,
    )
    claims = [clone_of(member, claim_name(name, member.volume), {NOTEBOOK_LABEL: name}) for member in members]

    def tell(_progress: Progress) -> None:
        for number, (member, claim) in enumerate(zip(members, claims, strict=True), start=1):
            volume = cloned(f"create-volume-{number}", member, world.cluster.claim(claim.name))
            listener.hear(VolumeCloned(None, volume, number, len(members)))

    return establish(world, notebook, claims, tell, TaskKind.RESTORE, listener)


def clone_of(member: Member, name: str, labels: dict[str, str]) -> NewClaim:
    """Give the claim that begins as this member's snapshot."""
    return NewClaim(name, member.size, member.filesystem, from_snapshot=member.snapshot, labels=labels)


def cloned(name: str, member: Member, claim: Claim) -> ClonedVolume:
    """Say what was cloned from what, and how long the driver took."""
    return ClonedVolume(
        name=name,
        volume=member.volume,
        claim=claim.name,
        mount_path=member.mount_path,
        snapshot=member.snapshot,
        readonly=member.readonly,
        seconds=claim.provisioning_seconds,
    )


def _working_directory(recorded: str | None, members: tuple[Member, ...]) -> str | None:
    """Give the recorded directory where it lies in a volume that is restored."""
    inside = recorded and any(f"{recorded}/".startswith(f"{member.mount_path}/") for member in members)
    return recorded if inside else None
