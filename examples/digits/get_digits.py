"""Put the raw data where the pipeline expects it: the file that scikit-learn's wheel carries, unpacked and unchanged.

It is the test half of "Optical Recognition of Handwritten Digits" (E. Alpaydin, C. Kaynak, 1998) from the UCI
repository, 1797 images by 13 people, licence CC BY 4.0.
"""

import gzip
import os
import sys
from importlib.resources import files
from pathlib import Path


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else os.environ["DATA"])
    raw = (files("sklearn.datasets") / "data" / "digits.csv.gz").read_bytes()
    (folder / "digits.csv").write_bytes(gzip.decompress(raw))
    print(f"{folder / 'digits.csv'}: {len(gzip.decompress(raw))} bytes")


if __name__ == "__main__":
    main()
