"""Makes container images without a registry: `images.py OUT.tar NAME=FOLDER:PROGRAM[ ARGUMENT …] …`, for `ctr image import`.

Each image has one layer, the folder. The program is the entry point (`-`: none), the
arguments are what it is given when a pod says nothing. The layout is that of `docker save`.
"""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SEARCH_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/"


@dataclass(frozen=True)
class Image:
    """An image that is asked for."""

    name: str
    folder: Path
    program: str
    arguments: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Image:
        """Read NAME=FOLDER:PROGRAM[ ARGUMENT …]."""
        name, _, rest = text.partition("=")
        folder, _, command = rest.partition(":")
        program, *arguments = command.split()
        return cls(name, Path(folder), program, tuple(arguments))

    def layer(self) -> bytes:
        """Give the folder as a tar, the same for the same contents."""
        command = ["tar", "-C", str(self.folder), "--numeric-owner", "--owner=0", "--group=0", "--sort=name"]
        return subprocess.check_output([*command, "--mtime=@0", "-cf", "-", "."])

    def configuration(self, layer: bytes) -> bytes:
        """Give the image's configuration."""
        run: dict[str, Any] = {"Env": [_SEARCH_PATH], "Cmd": list(self.arguments)}
        if self.program != "-":
            run["Entrypoint"] = [self.program]
        document = {
            "architecture": "amd64",
            "os": "linux",
            "history": [{}],
            "config": run,
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
        }
        return json.dumps(document).encode()


def write(out: Path, images: list[Image]) -> None:
    """Write all images into one archive."""
    manifest, files = [], dict[str, bytes]()
    for image in images:
        layer = image.layer()
        configuration = image.configuration(layer)
        layer_name = f"{hashlib.sha256(layer).hexdigest()}.tar"
        configuration_name = f"{hashlib.sha256(configuration).hexdigest()}.json"
        files |= {layer_name: layer, configuration_name: configuration}
        manifest.append({"Config": configuration_name, "RepoTags": [image.name], "Layers": [layer_name]})
    files["manifest.json"] = json.dumps(manifest).encode()
    with tarfile.open(out, "w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


if __name__ == "__main__":
    write(Path(sys.argv[1]), [Image.parse(text) for text in sys.argv[2:]])
