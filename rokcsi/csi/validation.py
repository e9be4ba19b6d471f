"""The answer to ValidateVolumeCapabilities: confirmed as a whole, or a sentence that says why not."""

from __future__ import annotations

from rokcsi.csi.capabilities import check_all_forms, why_not
from rokcsi.csi.parameters import FLAGS_OF_VOLUMES, read_parameters
from rokcsi.csi.proto import csi_pb2 as csi
from rokcsi.csi.texts import required
from rokcsi.model.errors import InvalidRequest
from rokcsi.model.provisioner import Provisioner
from rokcsi.model.volume import Volume


def validated(
    request: csi.ValidateVolumeCapabilitiesRequest, provisioner: Provisioner
) -> csi.ValidateVolumeCapabilitiesResponse:
    """Confirm what was asked when all of it is supported; raise VolumeNotFound, and InvalidRequest for missing fields."""
    handle = required("volume_id", request.volume_id)
    check_all_forms(request.volume_capabilities)
    reason = _why_not(request, provisioner.volume(handle))
    if reason:
        return csi.ValidateVolumeCapabilitiesResponse(message=reason)
    return csi.ValidateVolumeCapabilitiesResponse(
        confirmed=csi.ValidateVolumeCapabilitiesResponse.Confirmed(
            volume_capabilities=request.volume_capabilities,
            parameters=request.parameters,
            mutable_parameters=request.mutable_parameters,
        )
    )


def _why_not(request: csi.ValidateVolumeCapabilitiesRequest, volume: Volume) -> str:
    if request.volume_context:
        return "volume_context is not this volume's, which is empty; leave it out"
    try:
        read_parameters(request.parameters, FLAGS_OF_VOLUMES, volumes=True)
    except InvalidRequest as error:
        return str(error)
    return why_not(request.volume_capabilities, volume)
