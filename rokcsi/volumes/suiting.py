"""Whether a volume can be used in the way it is asked for; the answer is the access in full."""

from __future__ import annotations

from dataclasses import replace

from rokcsi.model.errors import InvalidRequest, StillInUse
from rokcsi.model.node import Access
from rokcsi.model.volume import Volume
from rokcsi.mounting.options import read_options
from rokcsi.volumes.records import Staged


def suited(volume: Volume, asked: Access) -> Access:
    """Give the access with the volume's own file system where none was named.

    Raises StillInUse where the volume is of another kind, InvalidRequest for a mount option.
    """
    if asked.block:
        return _suited_block(volume, asked)
    if volume.filesystem is None:
        raise StillInUse(
            f"the volume {volume.id} is a raw block device; ask for volumeMode Block instead of mounting it"
        )
    if asked.filesystem not in {None, volume.filesystem}:
        raise StillInUse(f"the volume {volume.id} is {volume.filesystem} and cannot be mounted as {asked.filesystem}")
    read_options(asked.options, volume.filesystem)
    return replace(asked, filesystem=volume.filesystem)


def suited_to_staged(staged: Staged, asked: Access) -> Access:
    """Give the access in full for a volume that is staged; raise StillInUse where it was staged in another way.

    Options of the whole file system took effect when it was staged: others cannot be added.
    """
    if asked.block != staged.access.block:
        raise StillInUse(
            f"the volume {staged.volume} is staged for {'raw block' if staged.access.block else 'mounted'} use"
        )
    if asked.filesystem not in {None, staged.access.filesystem}:
        raise StillInUse(f"the volume {staged.volume} is staged as {staged.access.filesystem}, not {asked.filesystem}")
    if staged.access.filesystem is not None:
        theirs, ours = (read_options(of.options, staged.access.filesystem) for of in (staged.access, asked))
        if ours.whole_flags & ~theirs.whole_flags or not set(ours.text) <= set(theirs.text):
            raise StillInUse(f"the volume {staged.volume} is staged with other mount options; unstage it first")
    return replace(asked, filesystem=staged.access.filesystem)


def is_readonly(access: Access, *, readonly: bool = False) -> bool:
    """Tell whether a pod may only read: by the call, the access mode, or a mount option."""
    return readonly or access.readonly or any("ro" in option.split(",") for option in access.options)


def _suited_block(volume: Volume, asked: Access) -> Access:
    if volume.filesystem is not None:
        raise StillInUse(f"the volume {volume.id} holds {volume.filesystem} to be mounted; it is no raw block volume")
    if asked.options:
        raise InvalidRequest("a raw block volume has no mount options; take them out of the class")
    return replace(asked, filesystem=None)
