"""From CSI's requests to the words of the model, for the node service."""

from __future__ import annotations

from rokcsi.csi.capabilities import access_of
from rokcsi.csi.proto import csi_pb2 as csi
from rokcsi.csi.texts import path_of, required
from rokcsi.model.doorkeeper import POD_FACTS
from rokcsi.model.errors import InvalidRequest, NotStaged
from rokcsi.model.node import Access, PublishRequest, StageRequest


def stage_request(request: csi.NodeStageVolumeRequest) -> StageRequest:
    """Read NodeStageVolume."""
    volume = required("volume_id", request.volume_id)
    staging = path_of("staging_target_path", request.staging_target_path)
    return StageRequest(volume, staging, _access(request))


def publish_request(request: csi.NodePublishVolumeRequest) -> PublishRequest:
    """Read NodePublishVolume; raise NotStaged when it says that the volume was never staged."""
    volume = required("volume_id", request.volume_id)
    target = path_of("target_path", request.target_path)
    access = _access(request)
    if not request.staging_target_path:
        raise NotStaged("staging_target_path is empty; call NodeStageVolume first, and name its path here")
    staging = path_of("staging_target_path", request.staging_target_path)
    if staging == target or target in staging.parents or staging in target.parents:
        raise InvalidRequest(
            f"target_path {target} and staging_target_path {staging} lie in each other; keep them apart"
        )
    return PublishRequest(
        volume, staging, target, access, readonly=request.readonly or access.readonly, pod=_pod(request)
    )


def _access(request: csi.NodeStageVolumeRequest | csi.NodePublishVolumeRequest) -> Access:
    if not request.HasField("volume_capability"):
        raise InvalidRequest("volume_capability is missing; say how the volume is to be used")
    return access_of(request.volume_capability)


def _pod(request: csi.NodePublishVolumeRequest) -> tuple[tuple[str, str], ...]:
    """Give what kubelet tells of the pod, and nothing else: whoever writes a PersistentVolume by hand can write a context."""
    context = request.volume_context
    return tuple((key, context[key]) for key in POD_FACTS if key in context)
