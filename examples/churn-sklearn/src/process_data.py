"""Stage process_data: cleans data/customers.csv and splits it into data/processed/train.csv and test.csv."""

from pathlib import Path

import pandas as pd
import yaml
from sklearn.model_selection import train_test_split

OUT = Path("data/processed")


def main() -> None:
    params = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))["process_data"]
    target = params["target"]

    rows = pd.read_csv("data/customers.csv").drop(columns=params["drop"])
    # Blank where a customer has no bill yet: a missing number, not a text.
    rows["TotalCharges"] = pd.to_numeric(rows["TotalCharges"], errors="coerce")
    rows[target] = (rows[target] == "Yes").astype(int)

    train, test = train_test_split(
        rows, test_size=params["test_share"], random_state=params["seed"], stratify=rows[target]
    )
    OUT.mkdir(parents=True, exist_ok=True)
    train.to_csv(OUT / "train.csv", index=False, lineterminator="\n")
    test.to_csv(OUT / "test.csv", index=False, lineterminator="\n")
    print(f"{len(train)} rows to train on, {len(test)} to measure with, {rows.shape[1] - 1} features")


if __name__ == "__main__":
    main()
