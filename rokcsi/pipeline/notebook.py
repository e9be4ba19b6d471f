"""A notebook: volumes filled from folders, held mounted by a pod.

Made whole or not at all: a failure or Ctrl-C removes what was made, a crash leaves a record
in the state `creating`, whose remains `reconcile` removes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rokcsi.model.cluster import NewClaim, NewPod, Pod, PodVolume
from rokcsi.model.errors import InvalidRequest, RecordExists, RecordNotFound, StillInUse
from rokcsi.model.filesystems import DEFAULT_FILESYSTEM, FILESYSTEMS
from rokcsi.model.history import NOTEBOOKS_BUCKET, Notebook, NotebookState, TaskKind
from rokcsi.model.mount_paths import mount_path_problem
from rokcsi.model.sizes import LARGEST, Bytes
from rokcsi.pipeline import copying
from rokcsi.pipeline.names import NOTEBOOK_LABEL, check_distinct, check_name, variable_problem
from rokcsi.pipeline.progress import SILENT, FolderCopied, FolderMeasured, Listener
from rokcsi.pipeline.tasks import Progress, Subject, following, undone_on_failure
from rokcsi.pipeline.world import World

_SMALLEST = Bytes(1 << 30)
_SURELY_MEANT = Bytes(1 << 20)
_ROOM = 2  # volumes are thin: twice the folder's size costs nothing until it is written


@dataclass(frozen=True, slots=True)
class NewNotebookVolume:
    """A volume wished for; `folder` fills it (None: empty); `size` None is twice the folder's, at least 1Gi."""

    name: str
    mount_path: str
    folder: Path | None = None
    size: Bytes | None = None
    filesystem: str = DEFAULT_FILESYSTEM
    readonly: bool = False


@dataclass(frozen=True, slots=True)
class NewNotebook:
    """A notebook wished for; volume 0 is the workspace, where steps work unless told otherwise."""

    name: str
    volumes: tuple[NewNotebookVolume, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    working_directory: str | None = None
    image: str = ""


def create(world: World, new: NewNotebook, listener: Listener = SILENT) -> Notebook:
    """Make a notebook and fill its volumes; raise InvalidRequest, RecordExists, PoolFull."""
    _check(new)
    _refuse_home(world, new)
    folders = {volume.name: copying.measure(volume.folder) for volume in new.volumes if volume.folder is not None}
    claims = [_claim(new.name, volume, folders.get(volume.name)) for volume in new.volumes]
    notebook = Notebook(
        name=new.name,
        volumes=tuple(
            PodVolume(volume.name, claim.name, volume.mount_path, volume.readonly)
            for volume, claim in zip(new.volumes, claims, strict=True)
        ),
        created_at=world.now(),
        environment=dict(new.environment),
        working_directory=new.working_directory,
        image=new.image,
    )

    def fill(progress: Progress) -> None:
        _fill(world, notebook, new, folders, progress, listener)

    return establish(world, notebook, claims, fill, TaskKind.CREATE_NOTEBOOK, listener)


def establish(
    world: World,
    notebook: Notebook,
    claims: Sequence[NewClaim],
    fill: Callable[[Progress], None],
    kind: TaskKind,
    listener: Listener,
) -> Notebook:
    """Make a notebook of claims, each then filled by `fill`, whole or not at all; raise RecordExists."""
    _refuse_taken(world, notebook, claims)
    with following(world, Subject(kind, NOTEBOOKS_BUCKET, notebook.name, notebook.name), listener) as progress:
        creating = dataclasses.replace(notebook, state=NotebookState.CREATING, task=progress.task.id)
        world.catalog.notebooks.add(creating)
        with undone_on_failure(lambda: dismantle(world, creating)):
            for number, claim in enumerate(claims):
                progress.reached(2 + 8 * number // len(claims), f"creating volume {claim.name}")
                world.cluster.create_claim(claim)
            fill(progress)
            progress.reached(95, "starting the notebook's pod")
            world.cluster.start_pod(pod_of(notebook))
            ready = dataclasses.replace(creating, state=NotebookState.READY)
            world.catalog.notebooks.save(ready)
    return ready


def ready_notebook(world: World, name: str) -> Notebook:
    """Give one notebook; raise RecordNotFound, or StillInUse while it is being made or deleted."""
    try:
        notebook = world.catalog.notebooks.get(name)
    except RecordNotFound as error:
        raise RecordNotFound(f"there is no notebook {name[:60]!r}; `rokctl get notebooks` lists them") from error
    if notebook.state is not NotebookState.READY:
        raise StillInUse(f"notebook {name!r} is {notebook.state}; wait until that is over")
    return notebook


def opened(world: World, notebook: Notebook) -> Pod:
    """Give the pod that holds the notebook's volumes; it is started anew where a restart of the machine ended it."""
    return world.cluster.start_pod(pod_of(notebook))


def delete(world: World, name: str) -> None:
    """Remove a notebook with its pod and volumes; its checkpoints stay. Raises RecordNotFound."""
    try:
        notebook = world.catalog.notebooks.get(name)
    except RecordNotFound as error:
        raise RecordNotFound(f"there is no notebook {name[:60]!r}; `rokctl get notebooks` lists them") from error
    if notebook.state is NotebookState.CREATING and _is_being_made(world, notebook):
        raise StillInUse(f"notebook {name!r} is being made at this moment; wait for that, or stop it there with Ctrl-C")
    dismantle(world, notebook)
    if notebook.task is not None:
        world.catalog.tasks.remove(notebook.task)


def dismantle(world: World, notebook: Notebook) -> None:
    """Remove a notebook's pod, claims and record, in this order; may be repeated after a crash."""
    world.catalog.notebooks.save(dataclasses.replace(notebook, state=NotebookState.DELETING))
    world.cluster.delete_pod(_filling_pod(notebook.name))
    world.cluster.delete_pod(notebook.name)
    for volume in notebook.volumes:
        world.cluster.delete_claim(volume.claim)
    world.catalog.notebooks.remove(notebook.name)


def pod_of(notebook: Notebook) -> NewPod:
    """Give the pod that holds the notebook's volumes mounted."""
    return NewPod(
        name=notebook.name,
        volumes=notebook.volumes,
        environment=notebook.environment,
        working_directory=notebook.working_directory,
        labels={NOTEBOOK_LABEL: notebook.name},
    )


def claim_name(notebook: str, volume: str) -> str:
    """Give the name of the claim behind a notebook's volume."""
    return f"{notebook}-{volume}"


def _filling_pod(notebook: str) -> str:
    return f"{notebook}-filling"


def _check(new: NewNotebook) -> None:
    check_name("notebook", new.name)
    if not new.volumes:
        raise InvalidRequest(f"notebook {new.name!r}: it needs at least one volume, the workspace")
    for volume in new.volumes:
        check_name(f"notebook {new.name!r}, volume", volume.name)
        if (problem := _volume_problem(volume)) is not None:
            raise InvalidRequest(f"notebook {new.name!r}, volume {volume.name!r}: {problem}")
    if (problem := _place_problem(new)) is not None:
        raise InvalidRequest(f"notebook {new.name!r}: {problem}")
    check_distinct("name", [volume.name for volume in new.volumes])
    check_distinct("mount path", [volume.mount_path for volume in new.volumes])


def _volume_problem(volume: NewNotebookVolume) -> str | None:
    if volume.folder is not None and not volume.folder.is_dir():
        return f"{volume.folder} is no folder; name one that exists"
    if volume.filesystem not in FILESYSTEMS:
        return f"{volume.filesystem[:60]!r} is no file system; use {' or '.join(FILESYSTEMS)}"
    if volume.size is not None and not 0 < volume.size <= LARGEST:
        return f"a size of {volume.size} cannot be had; leave it out, or ask for 10Gi, say"
    if volume.size is not None and volume.size < _SURELY_MEANT:
        return f"a size of {volume.size} holds no file system; write a unit, as in 10Gi"
    return mount_path_problem(volume.mount_path)


def _refuse_home(world: World, new: NewNotebook) -> None:
    """Raise InvalidRequest for a folder with the home folder in it: the copy would go on until the pool is full."""
    home = None if world.home is None else world.home.resolve()
    for volume in new.volumes:
        if home is not None and volume.folder is not None and home.is_relative_to(volume.folder.resolve()):
            raise InvalidRequest(
                f"notebook {new.name!r}, volume {volume.name!r}: the volumes themselves lie in {volume.folder}; "
                "name a folder that does not hold them"
            )


def _place_problem(new: NewNotebook) -> str | None:
    """Say what is wrong with where steps work and what their environment is."""
    where = new.working_directory
    if where is not None and not (where.startswith("/") and where.isprintable()):
        return f"the working directory {where[:60]!r} is no absolute path; write it as {new.volumes[0].mount_path}/src"
    for name, value in new.environment.items():
        if (problem := variable_problem(name)) is not None:
            return problem
        if "\0" in value:
            return f"the variable {name!r} has a NUL character in its value; take it out"
    return None


def _refuse_taken(world: World, notebook: Notebook, claims: Sequence[NewClaim]) -> None:
    """Raise RecordExists: a claim that stands already is somebody's, and undoing would remove it."""
    if any(known.name == notebook.name for known in world.catalog.notebooks.list()):
        raise RecordExists(f"there is a notebook {notebook.name!r} already; delete it first, or take another name")
    taken = {claim.name for claim in world.cluster.claims()} & {claim.name for claim in claims}
    if taken:
        raise RecordExists(f"there is a claim {min(taken)!r} already; delete it first, or take another name")
    if any(pod.name == notebook.name for pod in world.cluster.pods()):
        raise RecordExists(f"there is a pod {notebook.name!r} already; delete it first, or take another name")


def _is_being_made(world: World, notebook: Notebook) -> bool:
    if notebook.task is None:
        return False
    task = world.catalog.tasks.get(notebook.task)
    return not task.status.ended and world.owner.lives(task.owner)


def _claim(notebook: str, volume: NewNotebookVolume, folder: copying.FolderSize | None) -> NewClaim:
    size = volume.size or Bytes(max(_SMALLEST, _ROOM * folder.size if folder else 0)).rounded_up(_SMALLEST)
    return NewClaim(claim_name(notebook, volume.name), size, volume.filesystem, labels={NOTEBOOK_LABEL: notebook})


def _fill(
    world: World,
    notebook: Notebook,
    new: NewNotebook,
    folders: Mapping[str, copying.FolderSize],
    progress: Progress,
    listener: Listener,
) -> None:
    """Copy the folders in through a pod of its own, whose volumes are writable even where the notebook's are not."""
    writable = tuple(dataclasses.replace(volume, readonly=False) for volume in notebook.volumes)
    pod = world.cluster.start_pod(NewPod(_filling_pod(new.name), writable, labels={NOTEBOOK_LABEL: new.name}))
    total = sum(folder.size for folder in folders.values()) or 1
    done = 0
    for volume, wanted in zip(notebook.volumes, new.volumes, strict=True):
        if wanted.folder is None:
            continue
        listener.hear(FolderMeasured(volume, folders[volume.name].files, folders[volume.name].size))

        def report(copied: copying.FolderSize, volume: PodVolume = volume, before: int = done) -> None:
            listener.hear(FolderCopied(volume, copied.files, copied.size))
            percent = 10 + 84 * (before + copied.size) // total
            if percent > progress.task.progress:
                progress.reached(percent, f"filling volume {volume.name}")

        copying.copy_folder(wanted.folder, pod.paths[volume.name], report)
        done += folders[volume.name].size
    world.cluster.delete_pod(pod.name)
