"""The first half is for training, the second for testing, in the file's order, as in the published example."""

import numpy as np
from folders import HANDOVER
from sklearn.model_selection import train_test_split


def main() -> None:
    images = np.load(HANDOVER / "images.npz")
    train_x, test_x, train_y, test_y = train_test_split(
        images["pixels"], images["digits"], test_size=0.5, shuffle=False
    )
    np.savez(HANDOVER / "halves.npz", train_x=train_x, train_y=train_y, test_x=test_x, test_y=test_y)
    print(f"{len(train_y)} images to train with, {len(test_y)} to test with")


if __name__ == "__main__":
    main()
