"""Where the steps find things: three volumes, and the hidden folder that one step leaves things in for the next.

The pipeline file says where the volumes are mounted; the runner says where the hidden folder is.
"""

import os
from pathlib import Path

DATA = Path(os.environ.get("DATA", "/home/me/data"))
MODELS = Path(os.environ.get("MODELS", "/home/me/models"))
WORKSPACE = Path(os.environ.get("WORKSPACE", "/home/me/workspace"))
HANDOVER = Path(os.environ.get("ROKCSI_HIDDEN", WORKSPACE / ".pipeline"))
