"""Where the program `rokcsi` begins: it imports no more than the command at hand needs."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; the console script's entry."""
    if sys.argv[1:2] == ["serve"]:
        from rokcsi.cli.serve import app  # noqa: PLC0415 - a driver is to be there soon
    else:
        from rokcsi.cli.rokcsi import app  # noqa: PLC0415 - see above
    app(prog_name="rokcsi")


if __name__ == "__main__":
    main()
