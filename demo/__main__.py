"""`python -m demo` plays the story, `python -m demo clean` removes what it made; `make demo` and `make demo-clean` call them."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from rich.console import Console

from demo import ending, opening, running, tidying
from demo.stage import Stage
from demo.telling import PICTURE_WIDTH, StoryBroken, Teller
from rokcsi.model.errors import LockTimeout, RokcsiError
from rokcsi.sdk import connect
from rokcsi.system.file_locks import locked_file

DEFAULT_HOME = "/var/lib/rokcsi"


def main() -> int:
    """Read the arguments, play; give the exit status."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("deed", nargs="?", choices=("play", "clean"), default="play")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="save the middle of the story as a drawing (SVG)")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        return _sorry("the demo needs root for loop devices and mounts; run: sudo make demo")
    home = Path(os.environ.get("ROKCSI_HOME") or DEFAULT_HOME).absolute()
    try:
        return _clean(home) if arguments.deed == "clean" else _play(home, arguments.picture)
    except LockTimeout:
        return _sorry("another demo is running on this machine; wait for its end")
    except (StoryBroken, RokcsiError) as error:
        return _sorry(str(error))
    except KeyboardInterrupt:
        return _sorry("interrupted; run make demo again, or make demo-clean to remove what is there")


def _sorry(why: str) -> int:
    sys.stderr.write(f"demo: {' '.join(why.split())}\n")
    return 1


def _clean(home: Path) -> int:
    for line in tidying.remove(home):
        sys.stdout.write(f"demo-clean: {line}\n")
    return 0


def _play(home: Path, picture: Path | None) -> int:
    if not home.exists() or not any(home.iterdir()):
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        (home / tidying.MARK).touch()
    teller = Teller(_console(drawn=picture is not None), picture)
    with locked_file(home / "demo.lock", timeout_seconds=0.5), connect(home) as session:
        stage = Stage(session, home, teller)
        if tidying.clear(session):
            teller.say("What an earlier demo left was removed.")
        _tell(stage)
    return 0


def _console(*, drawn: bool) -> Console:
    if drawn:  # as on a terminal, without the bars: of a moving thing every stage would be drawn
        return Console(record=True, width=PICTURE_WIDTH, color_system="truecolor", force_terminal=False)
    return Console(width=None if sys.stdout.isatty() else PICTURE_WIDTH)


def _tell(stage: Stage) -> None:
    opening.start_driver(stage)
    opening.fill_notebook(stage)
    opening.take_checkpoint(stage)
    failed = running.run_pipeline(stage)
    before = running.show_failure(stage, failed)
    running.open_state(stage, failed, before)
    running.repair(stage)
    run = running.resume(stage, failed)
    ending.show_result(stage, run)
    ending.compare_original(stage)
    ending.last_words(stage, run, None if str(stage.home) == DEFAULT_HOME else str(stage.home))


if __name__ == "__main__":
    sys.exit(main())
