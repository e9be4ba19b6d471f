"""What LVM is told with every command, whatever the machine's lvm.conf says.

Called by `lvm`. Only what would break our commands, or make them guess, is set: which disks
LVM looks at (filters, device files), how many copies of its metadata it keeps and where it
locks stay the admin's.
"""

from __future__ import annotations

from pathlib import Path

_UDEV_CONTROL = Path("/run/udev/control")
_SETTINGS = (
    # Origins that we hold suspended are no disks to be looked into: reading one would wait for us.
    "devices/scan_lvs=0",
    "devices/ignore_suspended_devices=1",
    # Thin volumes have no disk space of their own to discard; the pool's `discards` says what is passed down.
    "devices/issue_discards=0",
    "global/wait_for_locks=1",
    "global/metadata_read_only=0",
    "global/use_lvmpolld=0",
    "activation/activation_mode=complete",
    "activation/retry_deactivation=1",
    "activation/auto_set_activation_skip=1",
    # Above it LVM refuses new thin volumes. How full a pool may become is our admission's to say.
    "activation/thin_pool_autoextend_threshold=100",
    # Else every clone leaves a copy of the whole group's metadata in /etc/lvm/archive.
    "backup/archive=0",
    # What we read: plain JSON, nothing in front of it and no column left out.
    "report/compact_output=0",
    'report/compact_output_cols=""',
    "report/buffered=1",
    "report/prefixes=0",
    "report/quoted=1",
    "report/columns_as_rows=0",
    'report/list_item_separator=","',
    "report/binary_values_as_numeric=0",
    "report/mark_hidden_devices=0",
    "report/headings=1",
    "log/verbose=0",
    "log/silent=0",
    "log/indent=0",
    "log/command_names=0",
    'log/prefix=""',
    "log/report_command_log=0",
    "log/activation=0",
    "log/level=0",
    "global/suffix=0",
    "global/units=b",
)
_WITHOUT_UDEV = ("activation/udev_sync=0", "activation/udev_rules=0")


def settings(*, udev: bool, monitoring: bool | None = False) -> str:
    """Give the text for `--config`; `udev` tells whether udev makes the device nodes.

    `monitoring` says whether a pool that the command activates is watched by dmeventd; None
    leaves that to the machine's lvm.conf.
    """
    watched = () if monitoring is None else (f"activation/monitoring={int(monitoring)}",)
    return " ".join((*_SETTINGS, *watched, *(() if udev else _WITHOUT_UDEV)))


def udev_runs() -> bool:
    """Tell whether udev runs, to which LVM then leaves nodes and links."""
    return _UDEV_CONTROL.exists()
