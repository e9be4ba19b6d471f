from __future__ import annotations

import base64
import json
import struct
import zlib
from pathlib import Path

import pytest

from rokcsi.model.errors import Damaged, SystemCallFailed
from rokcsi.system.thin_metadata import ThinDevice, read_devices, thin_devices

RECORDING = Path(__file__).parents[2] / "recordings" / "device-mapper" / "thin-metadata-6.1.json"
RECORDED = json.loads(RECORDING.read_text())
ROOT = RECORDED["root"]
BLOCKS = {int(number): zlib.decompress(base64.b85decode(text)) for number, text in RECORDED["blocks"].items()}


def test_all_thin_devices_of_a_real_pool_are_read() -> None:
    devices = read_devices(BLOCKS.__getitem__, ROOT)
    assert [device.id for device in devices] == [*range(3, 1200, 3), 5000]
    written = {device.id: device.mapped_blocks for device in devices if device.mapped_blocks}
    assert written == {3: 16, 5000: 16}
    assert devices[0] == ThinDevice(3, 16)


def test_a_pool_that_is_read_at_a_wrong_place_is_damage() -> None:
    node = next(number for number in BLOCKS if number != ROOT)
    with pytest.raises(Damaged, match="does not begin"):
        read_devices(BLOCKS.__getitem__, node)


@pytest.mark.parametrize("broken", [bytes(4096), b"", b"\xff" * 4096])
def test_a_broken_block_is_damage(broken: bytes) -> None:
    for number in BLOCKS:
        with pytest.raises(Damaged, match="thin_check"):
            read_devices({**BLOCKS, number: broken}.__getitem__, ROOT)


def test_a_tree_that_leads_back_to_itself_is_damage() -> None:
    internal = next(number for number in BLOCKS if BLOCKS[number][4] == 1)
    _, _, _, entries, most, _ = struct.unpack_from("<2IQ3I", BLOCKS[internal])
    values = 32 + most * 8
    children = struct.pack(f"<{entries}Q", *[internal] * entries)
    looped = BLOCKS[internal][:values] + children + BLOCKS[internal][values + len(children) :]
    with pytest.raises(Damaged, match="no node"):
        read_devices({**BLOCKS, internal: looped}.__getitem__, ROOT)


def test_a_device_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(SystemCallFailed, match="cannot be read"):
        thin_devices(tmp_path / "nothing", 1)
