"""Read the raw file, look whether it is what it should be, and hand the images over."""

import numpy as np
from folders import DATA, HANDOVER


def main() -> None:
    # The raw file has no header; a row is 64 pixels of 0 to 16, then the digit that was written.
    table = np.loadtxt(DATA / "digits.csv", delimiter=",")
    pixels, digits = table[:, :-1], table[:, -1].astype(int)
    if pixels.shape != (1797, 64):
        raise SystemExit(f"expected 1797 images of 64 pixels, found {pixels.shape}")
    if pixels.min() < 0 or pixels.max() > 16 or set(digits) != set(range(10)):
        raise SystemExit("a pixel is outside 0..16, or a label is no digit")
    np.savez(HANDOVER / "images.npz", pixels=pixels, digits=digits)
    print(f"{len(digits)} images of 8 x 8 pixels, digits {digits.min()} to {digits.max()}")


if __name__ == "__main__":
    main()
