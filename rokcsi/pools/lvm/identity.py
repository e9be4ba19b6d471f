"""Which pool a thin pool is: a tag on its logical volume, put there when it is served for the first time.

    rokcsi.pool:lvm:ID

The word before the id says which engine keeps its volumes there, so that another one refuses.
"""

from __future__ import annotations

import re

from rokcsi.model.errors import Damaged, InvalidRequest
from rokcsi.model.ids import PoolId
from rokcsi.system.lvm import Lvm
from rokcsi.system.lvm_reports import LogicalVolume

_ENGINE = "lvm"
_TAG = re.compile(r"rokcsi\.pool:(.*):([^:]*)")


def identity_of(pool: LogicalVolume) -> PoolId | None:
    """Read a thin pool's identity, None when it has none yet; raise InvalidRequest for another engine's, Damaged."""
    found = [match for tag in pool.tags if (match := _TAG.fullmatch(tag))]
    if not found:
        return None
    if found[0][1] != _ENGINE:
        raise InvalidRequest(
            f"the thin pool {pool.name} is a pool of the kind {found[0][1]}; serve it as {found[0][1]}:VG/{pool.name}"
        )
    try:
        [identity] = {PoolId(match[2]) for match in found}
    except ValueError as error:
        raise Damaged(
            f"the tags of the thin pool {pool.name} do not hold one pool's id ({', '.join(pool.tags)}); restore the one it had"
        ) from error
    return identity


def give_identity(lvm: Lvm, pool: str) -> PoolId:
    """Make a thin pool ours."""
    identity = PoolId.fresh()
    lvm.retag([pool], add=[f"rokcsi.pool:{_ENGINE}:{identity}"])
    return identity
