"""What can go wrong, in the words of the domain; the family of an error says how to react.

    RokcsiError
    ├── NotFound         VolumeNotFound SnapshotNotFound GroupNotFound RecordNotFound NodeForgotten
    │                    SourceNotReady
    ├── Conflict         VolumeExists VolumeDiffers SnapshotExists SnapshotDiffers GroupDiffers
    │                    TargetDiffers RecordExists
    ├── InvalidRequest   (empty, over-long or contradictory input; a pipeline file that is wrong)
    ├── OutOfRange       SizeOutOfRange SourceTooLarge
    ├── OutOfSpace       PoolFull WrongNode
    ├── StillInUse       NotStaged
    ├── Busy             LockTimeout CallerGone NodeBusy ClaimChanged
    ├── BadPageToken
    ├── NotSupported
    ├── NotAllowed       PeerNotAllowed SourceNotAllowed TokenRefused
    ├── Unavailable      PoolElsewhere PoolDisputed PoolTaken PoolAway SocketTaken DriverAway RosterAway
    │                    TimelineAway CheckpointFailed CatalogTaken
    └── Damaged          ToolFailed SystemCallFailed VolumeDamaged CatalogUnreadable

Each family has one gRPC status and one exit code; the doors (`csi/`, `cli/`) hold the tables.
"""

from __future__ import annotations


class RokcsiError(Exception):
    """The root of all our errors; its text tells the user what happened and what to do."""


class NotFound(RokcsiError):
    """The thing that was named is not there."""


class VolumeNotFound(NotFound):
    """No volume of this id lives in the pool."""


class SnapshotNotFound(NotFound):
    """No snapshot of this id lives in the pool."""


class GroupNotFound(NotFound):
    """No group of snapshots of this id lives in the pool."""


class RecordNotFound(NotFound):
    """The catalogue, or the cluster, holds nothing of this name."""


class NodeForgotten(NotFound):
    """The thing was on a node that an administrator has declared gone for good."""


class SourceNotReady(NotFound):
    """What a claim is to be cloned from is not there, or not yet."""


class Conflict(RokcsiError):
    """The name is taken by something else."""


class VolumeExists(Conflict):
    """A volume of this name lives in the pool already."""


class VolumeDiffers(Conflict):
    """A volume of this name exists, with another size, source or kind than asked for."""


class SnapshotExists(Conflict):
    """A snapshot of this name lives in the pool already."""


class SnapshotDiffers(Conflict):
    """A snapshot of this name exists, of another volume than asked for."""


class GroupDiffers(Conflict):
    """A group of this name exists, with other members than asked for."""


class TargetDiffers(Conflict):
    """The volume is mounted at this path already, in another way than asked for."""


class RecordExists(Conflict):
    """The catalogue, or the cluster, holds something of this name already."""


class InvalidRequest(RokcsiError):
    """The request can never be carried out as it stands."""


class OutOfRange(RokcsiError):
    """A number lies outside what is possible here."""


class SizeOutOfRange(OutOfRange):
    """No size within the asked range is possible."""


class SourceTooLarge(OutOfRange):
    """The source is larger than the volume asked for."""


class OutOfSpace(RokcsiError):
    """There is no room; another node may have some."""


class PoolFull(OutOfSpace):
    """The pool refuses new work: its data, metadata or promise of space is used up."""


class WrongNode(OutOfSpace):
    """The volume was asked for on other nodes than this pool's."""


class StillInUse(RokcsiError):
    """The thing's present state forbids it (a mount or an open device holds it); nothing was changed."""


class NotStaged(StillInUse):
    """The volume has to be staged on this node first."""


class Busy(RokcsiError):
    """Another call is at work on the same thing; try again."""


class LockTimeout(Busy):
    """The call's deadline passed while it waited for another call."""


class CallerGone(Busy):
    """The caller gave up before its turn came; nothing was done."""


class NodeBusy(Busy):
    """So many calls wait for one node that the others would be kept waiting, too."""


class ClaimChanged(Busy):
    """Somebody else changed the claim since it was read."""


class BadPageToken(RokcsiError):
    """A list was asked to go on from a place that was never handed out."""


class NotSupported(RokcsiError):
    """This driver, pool or file system cannot do that."""


class NotAllowed(RokcsiError):
    """Whoever asks has no right to."""


class PeerNotAllowed(NotAllowed):
    """The caller showed a good certificate, of somebody who may not call here."""


class SourceNotAllowed(NotAllowed):
    """What a claim is to be cloned from does not belong to its namespace, or not to our driver."""


class TokenRefused(NotAllowed):
    """Nobody vouches for whoever asks: there is no token, or the cluster does not know it."""


class Unavailable(RokcsiError):
    """Whoever could answer is away; the state of the thing is not known."""


class PoolElsewhere(Unavailable):
    """The pool named in a handle is served by a node that is away."""


class PoolDisputed(Unavailable):
    """Two nodes announce the same pool; nothing may be sent to either."""


class PoolTaken(Unavailable):
    """Another driver serves this pool already."""


class PoolAway(Unavailable):
    """The storage below the pool is away, stopped or read-only; nothing can be changed before somebody has looked at it."""


class CatalogTaken(Unavailable):
    """Another timeline works on these catalogues already."""


class SocketTaken(Unavailable):
    """Another driver answers on this socket already."""


class DriverAway(Unavailable):
    """The driver does not answer on its socket."""


class RosterAway(Unavailable):
    """Whoever knows where the nodes are does not answer."""


class TimelineAway(Unavailable):
    """The timeline did not answer in time, and a pod's volumes wait for its checkpoint."""


class CheckpointFailed(Unavailable):
    """The timeline answered that a checkpoint could not be taken; it may be asked again."""


class Damaged(RokcsiError):
    """Something failed that should not have; the text carries what the system said."""


class ToolFailed(Damaged):
    """A program we started answered with a failure."""


class DidNotEnd(ToolFailed):
    """A program we started took too long and was given up; what it was to do may be done or not, or come yet."""


class SystemCallFailed(Damaged):
    """The kernel refused a call in a way that has no better word."""


class VolumeDamaged(Damaged):
    """A check of the volume's file system found it damaged."""


class CatalogUnreadable(Damaged):
    """A catalogue is damaged, or newer than this build; nothing is written into it."""
