from __future__ import annotations

import json
import os
import struct
from pathlib import Path

import pytest

from rokcsi.model.errors import InvalidRequest
from rokcsi.system.device_mapper import DeviceMapper
from rokcsi.system.dm_ioctl import (
    Answer,
    Flags,
    ListedDevice,
    Request,
    Target,
    Verb,
    packed_message,
    packed_targets,
    unpacked_dependencies,
    unpacked_devices,
    unpacked_targets,
)

RECORDING = Path(__file__).parents[2] / "recordings" / "device-mapper" / "ioctl-4.47.0.json"


def answered(name: str) -> Answer:
    """Give an answer as a real kernel gave it."""
    return Answer.unpacked(bytes.fromhex(json.loads(RECORDING.read_text())["answers"][name]))


def test_a_request_has_each_field_where_the_kernel_reads_it() -> None:
    request = Request(Verb.LOAD, "name", "uuid", 0xFD07, Flags.READ_ONLY, 7 << 16, targets=2, payload=b"payload")
    buffer = request.packed()
    assert struct.unpack_from("=3I", buffer) == (4, 0, 0)
    assert struct.unpack_from("=2I", buffer, 12) == (len(buffer), 312)
    assert struct.unpack_from("=IiII", buffer, 20) == (2, 0, 1, 7 << 16)
    assert struct.unpack_from("=Q", buffer, 40) == (0xFD07,)
    assert buffer[48:53] == b"name\0"
    assert buffer[176:181] == b"uuid\0"
    assert buffer[312:] == b"payload"


def test_an_answer_gets_as_much_room_as_asked_for() -> None:
    assert len(Request(Verb.STATUS, "name").packed(1000)) == 1312


def test_targets_of_a_table_lie_on_multiples_of_eight_and_say_how_far_the_next_one_is() -> None:
    table = packed_targets([Target(0, 8, "linear", "8:0 16"), Target(8, 16, "zero", "")])
    assert struct.unpack_from("=2QiI16s", table) == (0, 8, 0, 48, b"linear".ljust(16, b"\0"))
    assert table[40:48] == b"8:0 16\0\0"
    assert struct.unpack_from("=2QiI16s", table, 48) == (8, 16, 0, 48, b"zero".ljust(16, b"\0"))
    assert len(table) == 96


def test_a_message_ends_with_a_zero_byte() -> None:
    assert packed_message(3, "create_thin 1") == struct.pack("=Q", 3) + b"create_thin 1\0"


def listed(payload: bytes) -> list[ListedDevice]:
    answer = Answer((4, 47, 0), 0, 0, Flags.NONE, 0, 0, "", "", payload)
    return unpacked_devices(answer)


def test_there_may_be_no_device_at_all() -> None:
    assert listed(bytes(64)) == []
    assert listed(b"") == []


def test_an_old_kernel_lists_devices_without_their_uuids() -> None:
    device = os.makedev(253, 300)
    name = struct.pack("=QI", device, 0) + b"some-device\0"
    assert listed(name) == [ListedDevice("some-device", device, "")]


@pytest.mark.parametrize("name", ["a/b", "x" * 128, "with\0zero"])
def test_a_name_that_the_kernel_would_cut_or_refuse_is_refused_before_it_is_asked(name: str) -> None:
    with pytest.raises(InvalidRequest):
        DeviceMapper().remove(name)


def test_a_uuid_that_the_kernel_would_cut_is_refused_before_it_is_asked() -> None:
    with pytest.raises(InvalidRequest):
        DeviceMapper().create("name", "x" * 129)


def test_what_a_kernel_says_of_a_device_is_read() -> None:
    answer = answered("look")
    assert (answer.version, answer.name, answer.uuid) == ((4, 47, 0), "first", "TEST-first-uuid")
    assert (answer.device, answer.open_count, answer.flags) == (os.makedev(253, 0), 0, Flags.LIVE)
    suspended = answered("look at a suspended and open one with a table that waits")
    assert (suspended.open_count, suspended.flags) == (1, Flags.SUSPEND | Flags.LIVE | Flags.WAITING)


def test_a_kernels_list_of_devices_is_read() -> None:
    assert unpacked_devices(answered("no devices")) == []
    longer = ListedDevice("a-device-with-a-longer-name", os.makedev(253, 1), "")
    assert unpacked_devices(answered("two devices")) == [
        longer,
        ListedDevice("first", os.makedev(253, 0), "TEST-first-uuid"),
    ]
    assert Flags.BUFFER_FULL in answered("too little room").flags


def test_a_kernels_table_and_dependencies_are_read() -> None:
    assert unpacked_targets(answered("table")) == [
        Target(0, 16384, "linear", "98:0 0"),
        Target(16384, 16384, "linear", "98:0 16384"),
        Target(32768, 8, "zero", ""),
    ]
    assert unpacked_dependencies(answered("dependencies")) == [os.makedev(98, 0)]
