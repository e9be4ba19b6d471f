"""Where the steps find things: three volumes, and the hidden folder that one step leaves things in for the next."""

import os
from pathlib import Path

DATA = Path(os.environ["DATA"])
MODELS = Path(os.environ["MODELS"])
WORKSPACE = Path(os.environ["ROKCSI_WORKSPACE"])
HANDOVER = Path(os.environ["ROKCSI_MARSHAL_DIR"])
