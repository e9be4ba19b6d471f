"""Train the support vector machine of the published example."""

import joblib
import numpy as np
from folders import HANDOVER, MODELS
from sklearn.svm import SVC


def main() -> None:
    halves = np.load(HANDOVER / "halves.npz")
    model = SVC(gamma=0.001).fit(halves["train_x"], halves["train_y"])
    joblib.dump(model, MODELS / "svm.joblib")
    print(f"support vector machine with {model.n_support_.sum()} support vectors")


if __name__ == "__main__":
    main()
