"""Train a random forest, to have something to compare with."""

import joblib
import numpy as np
from folders import HANDOVER, MODELS
from sklearn.ensemble import RandomForestClassifier


def main() -> None:
    halves = np.load(HANDOVER / "halves.npz")
    model = RandomForestClassifier(n_estimators=300, random_state=0).fit(halves["train_x"], halves["train_y"])
    joblib.dump(model, MODELS / "forest.joblib")
    print(f"random forest of {len(model.estimators_)} trees")


if __name__ == "__main__":
    main()
