"""How much room there is at a place: one node's answer as it is, or the sum of several.

Of a place of our kind at which no node is known, nothing is said: its driver may have told
kubelet that it is there and not be in the roster yet. external-provisioner asks again after
a second then; "none" would keep the scheduler away from that node until it asks the next
time, a minute later.
"""

from __future__ import annotations

from collections.abc import Mapping

import grpc

from rokcsi.csi.proto import csi_pb2 as csi
from rokcsi.model.errors import PoolElsewhere
from rokcsi.switchboard.directory import Directory
from rokcsi.switchboard.fan_out import FanOut, Question
from rokcsi.switchboard.placement import refuse_where_a_stranger_may_be, written
from rokcsi.switchboard.relay import Relay


def room_at(
    request: csi.GetCapacityRequest, context: grpc.ServicerContext, directory: Directory, relay: Relay
) -> csi.GetCapacityResponse:
    """Give the room that GetCapacity asks for; none at a place of another driver's. Raises PoolElsewhere where nobody answers."""
    segments = dict(request.accessible_topology.segments)
    if not segments:
        return _sum(request, FanOut(directory, relay.routes, context))
    pools = {route.pool for route in directory.at(segments)}
    if not pools:
        return _none_unless_to_come(segments, directory)
    if len(pools) == 1:
        response: csi.GetCapacityResponse = relay.pass_on(directory.of_pool(pools.pop()), request, context)
        return response
    return _sum(request, FanOut(directory, relay.routes, context))


def _sum(request: csi.GetCapacityRequest, nodes: FanOut) -> csi.GetCapacityResponse:
    """Add up what the nodes have; nodes of other places say none by themselves. A volume is on one node only."""
    answers = [each for each in nodes.ask([Question(route, request) for route in nodes.present]) if each is not None]
    nodes.tell_who_is_away()
    response = csi.GetCapacityResponse(available_capacity=sum(each.available_capacity for each in answers))
    response.maximum_volume_size.value = max((each.maximum_volume_size.value for each in answers), default=0)
    return response


def _none_unless_to_come(segments: Mapping[str, str], directory: Directory) -> csi.GetCapacityResponse:
    refuse_where_a_stranger_may_be(segments, directory)
    ours = directory.place_keys()
    if not ours or any(key.lower() in ours for key in segments):
        raise PoolElsewhere(f"no node has said yet that it is at {written(segments)}")
    return csi.GetCapacityResponse(available_capacity=0)
