from __future__ import annotations

import json
from pathlib import Path

import pytest

from rokcsi.model.sizes import Bytes
from rokcsi.system.thin_pool import ThinPoolStatus, ThinPoolTable, parsed_status, parsed_table

RECORDING = Path(__file__).parents[2] / "recordings" / "device-mapper" / "thin-pool-6.1.json"
RECORDED = json.loads(RECORDING.read_text())["words"]


def test_the_table_of_a_pool_that_lvm_made_is_read() -> None:
    assert parsed_table(RECORDED["thin pool table"]) == ThinPoolTable(
        "253:0", "253:1", Bytes(65536), zeroes_new_blocks=True, passes_discards=True, fails_when_full=True
    )


@pytest.mark.parametrize(
    ("features", "zeroes_passes_fails"),
    [
        ("0", (True, True, False)),
        ("1 skip_block_zeroing", (False, True, False)),
        ("2 ignore_discard error_if_no_space", (True, False, True)),
        ("1 no_discard_passdown", (True, False, False)),
    ],
)
def test_features_are_told_apart(features: str, zeroes_passes_fails: tuple[bool, bool, bool]) -> None:
    table = parsed_table(f"253:0 253:1 128 1024 {features}")
    assert (table.zeroes_new_blocks, table.passes_discards, table.fails_when_full) == zeroes_passes_fails


def test_the_status_of_a_healthy_pool_is_read() -> None:
    status = parsed_status(RECORDED["thin pool status"])
    assert status == ThinPoolStatus(0, 419, 4096, 0, 16384, None, "rw", needs_check=False)
    assert (status.writable, status.out_of_data) == (True, False)
    assert parsed_status(RECORDED["thin pool status with reserved metadata"]).held_root == 19


def test_a_pool_without_data_left_still_takes_messages() -> None:
    status = parsed_status(RECORDED["thin pool status out of data"])
    assert (status.data_used, status.data_total, status.mode) == (16384, 16384, "out_of_data_space")
    assert (status.writable, status.out_of_data) == (True, True)


def test_a_pool_that_needs_a_check_or_has_failed_takes_nothing() -> None:
    readonly = parsed_status("1 9/4096 0/16384 - ro no_discard_passdown queue_if_no_space needs_check 1024 ")
    assert (readonly.needs_check, readonly.writable) == (True, False)
    assert not parsed_status("1 9/4096 0/16384 - ro no_discard_passdown queue_if_no_space - 1024 ").writable
    failed = parsed_status("Fail")
    assert (failed.failed, failed.writable, failed.mode) == (True, False, "Fail")
