"""What this driver says it can do. What is not here is not implemented, and the other way round."""

from __future__ import annotations

from rokcsi.csi.proto import csi_pb2 as csi

_PluginService = csi.PluginCapability.Service
_Expansion = csi.PluginCapability.VolumeExpansion
_Controller = csi.ControllerServiceCapability.RPC
_Group = csi.GroupControllerServiceCapability.RPC
_Node = csi.NodeServiceCapability.RPC

PLUGIN = (
    _PluginService.CONTROLLER_SERVICE,
    _PluginService.GROUP_CONTROLLER_SERVICE,
    _PluginService.VOLUME_ACCESSIBILITY_CONSTRAINTS,
)
CONTROLLER = (
    _Controller.CREATE_DELETE_VOLUME,
    _Controller.LIST_VOLUMES,
    _Controller.GET_CAPACITY,
    _Controller.CREATE_DELETE_SNAPSHOT,
    _Controller.LIST_SNAPSHOTS,
    _Controller.GET_SNAPSHOT,
    _Controller.CLONE_VOLUME,
    _Controller.EXPAND_VOLUME,
    _Controller.GET_VOLUME,
    _Controller.SINGLE_NODE_MULTI_WRITER,
    _Controller.MODIFY_VOLUME,
)
GROUP_CONTROLLER = (_Group.CREATE_DELETE_GET_VOLUME_GROUP_SNAPSHOT,)
NODE = (
    _Node.STAGE_UNSTAGE_VOLUME,
    _Node.GET_VOLUME_STATS,
    _Node.EXPAND_VOLUME,
    _Node.SINGLE_NODE_MULTI_WRITER,
)


def plugin_capabilities() -> csi.GetPluginCapabilitiesResponse:
    """Give what the driver as a whole can do; volumes grow while they are in use."""
    services = [csi.PluginCapability(service=_PluginService(type=kind)) for kind in PLUGIN]
    growth = csi.PluginCapability(volume_expansion=_Expansion(type=_Expansion.ONLINE))
    return csi.GetPluginCapabilitiesResponse(capabilities=[*services, growth])


def controller_capabilities() -> csi.ControllerGetCapabilitiesResponse:
    """Give what the Controller service can do."""
    capabilities = [csi.ControllerServiceCapability(rpc=_Controller(type=kind)) for kind in CONTROLLER]
    return csi.ControllerGetCapabilitiesResponse(capabilities=capabilities)


def group_controller_capabilities() -> csi.GroupControllerGetCapabilitiesResponse:
    """Give what the GroupController service can do."""
    capabilities = [csi.GroupControllerServiceCapability(rpc=_Group(type=kind)) for kind in GROUP_CONTROLLER]
    return csi.GroupControllerGetCapabilitiesResponse(capabilities=capabilities)


def node_capabilities() -> csi.NodeGetCapabilitiesResponse:
    """Give what the Node service can do."""
    capabilities = [csi.NodeServiceCapability(rpc=_Node(type=kind)) for kind in NODE]
    return csi.NodeGetCapabilitiesResponse(capabilities=capabilities)
