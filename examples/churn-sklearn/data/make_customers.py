"""Makes customers.csv: 2,000 invented customers of a telephone company, the same ones every time.

    python data/make_customers.py

Who leaves depends on the contract, the time as a customer, the kind of internet service, support and the monthly
charges, with noise: a good model reaches a ROC AUC of about 0.8, no model reaches 1. Only the standard library is used,
so that every Python makes the same bytes.
"""

import csv
import math
import random
from pathlib import Path

ROWS = 2_000
SEED = 20_240_229

COLUMNS = [
    "customerID", "gender", "SeniorCitizen", "Partner", "Dependents", "tenure", "PhoneService", "InternetService",
    "OnlineSecurity", "TechSupport", "Contract", "PaperlessBilling", "PaymentMethod", "MonthlyCharges",
    "TotalCharges", "Churn",
]


def choose(chance: random.Random, weighted: dict) -> str:
    """One of the keys, as often as its weight says."""
    at = chance.random() * sum(weighted.values())
    for value, weight in weighted.items():
        at -= weight
        if at < 0:
            return value
    return next(reversed(weighted))


def yes(chance: random.Random, share: float) -> str:
    return "Yes" if chance.random() < share else "No"


def customer(chance: random.Random, number: int) -> dict:
    senior = int(chance.random() < 0.16)
    contract = choose(chance, {"Month-to-month": 55, "One year": 21, "Two year": 24})
    longest = {"Month-to-month": 40, "One year": 65, "Two year": 72}[contract]
    tenure = int(chance.random() ** 1.3 * longest)
    internet = choose(chance, {"DSL": 34, "Fiber optic": 44, "No": 22})
    security, support = (
        "No internet service" if internet == "No" else yes(chance, 0.37 if internet == "DSL" else 0.28)
        for _ in range(2)
    )
    phone = "Yes" if internet == "No" else yes(chance, 0.9)
    payment = choose(chance, {
        "Electronic check": 34, "Mailed check": 23, "Bank transfer (automatic)": 22, "Credit card (automatic)": 21,
    })
    paperless = yes(chance, 0.6)

    monthly = {"No": 0, "DSL": 32, "Fiber optic": 58}[internet] + (20 if phone == "Yes" else 0)
    monthly += 5 * (security == "Yes") + 5 * (support == "Yes") + chance.random() * 22
    monthly = round(monthly, 2)
    # A customer of this month has no bill yet: as in many real exports, the field is blank.
    total = f"{monthly * tenure * (0.95 + chance.random() * 0.1):.2f}" if tenure else " "

    score = -1.15
    score += {"Month-to-month": 1.05, "One year": -0.35, "Two year": -1.5}[contract]
    score += {"Fiber optic": 0.75, "DSL": 0.0, "No": -0.8}[internet]
    score += 0.4 * (payment == "Electronic check") + 0.3 * (paperless == "Yes") + 0.3 * senior
    score -= 0.35 * (security == "Yes") + 0.35 * (support == "Yes")
    score -= 0.035 * tenure - 0.006 * (monthly - 60)
    churn = yes(chance, 1 / (1 + math.exp(-score)))

    partner = yes(chance, 0.48)
    return {
        "customerID": f"{number:04d}-{''.join(chance.choice('ABCDEFGHKLMNPQRSTUVWXYZ') for _ in range(5))}",
        "gender": choose(chance, {"Female": 1, "Male": 1}),
        "SeniorCitizen": senior,
        "Partner": partner,
        "Dependents": yes(chance, 0.45 if partner == "Yes" else 0.12),
        "tenure": tenure,
        "PhoneService": phone,
        "InternetService": internet,
        "OnlineSecurity": security,
        "TechSupport": support,
        "Contract": contract,
        "PaperlessBilling": paperless,
        "PaymentMethod": payment,
        "MonthlyCharges": f"{monthly:.2f}",
        "TotalCharges": total,
        "Churn": churn,
    }


def main() -> None:
    chance = random.Random(SEED)
    with open(Path(__file__).with_name("customers.csv"), "w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(customer(chance, number) for number in range(1, ROWS + 1))


if __name__ == "__main__":
    main()
