"""Write what came out, beside what is published for this data set and this model."""

import json

import numpy as np
from folders import HANDOVER, WORKSPACE
from sklearn.metrics import classification_report, confusion_matrix

# scikit-learn's user guide, "Recognizing hand-written digits": SVC(gamma=0.001), the second half as test set.
PUBLISHED = {"accuracy": 0.97, "images": 899}


def main() -> None:
    truth = np.load(HANDOVER / "halves.npz")["test_y"]
    guess = np.load(HANDOVER / "guess-svm.npy")
    comparison = json.loads((HANDOVER / "comparison.json").read_text())
    result = {
        "images": len(truth),
        "accuracy": round(comparison["scores"]["svm"]["accuracy"], 4),
        "forest": round(comparison["scores"]["forest"]["accuracy"], 4),
        "best": comparison["best"],
        "published": PUBLISHED,
    }
    (WORKSPACE / "result.json").write_text(json.dumps(result, indent=2) + "\n")
    tables = f"{classification_report(truth, guess)}\n{confusion_matrix(truth, guess)}\n"
    (WORKSPACE / "report.txt").write_text(tables)
    print(f"accuracy {result['accuracy']:.4f} on {result['images']} images; published: {PUBLISHED['accuracy']}")
    if round(result["accuracy"], 2) != PUBLISHED["accuracy"] or result["images"] != PUBLISHED["images"]:
        raise SystemExit("this is not the published result")


if __name__ == "__main__":
    main()
