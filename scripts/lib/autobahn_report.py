"""Reads the report of an Autobahn run: `autobahn_report.py INDEX.JSON CASES_WANTED`.

Prints every case that is not OK and one line of totals; fails on a bad case and when fewer cases ran than wanted.
"""

import json
import sys

FINE = {"OK", "INFORMATIONAL", "NON-STRICT"}


def number(case):
    """Cases in the order of their numbers."""
    return [int(part) for part in case.split(".")]


def main():
    path, wanted = sys.argv[1], int(sys.argv[2])
    with open(path, encoding="utf-8") as file:
        agents = json.load(file)
    fine = bad = 0
    for agent, cases in sorted(agents.items()):
        for case in sorted(cases, key=number):
            behavior, closing = cases[case]["behavior"], cases[case].get("behaviorClose", "OK")
            if behavior in FINE and closing in FINE:
                fine += 1
            else:
                bad += 1
            if (behavior, closing) != ("OK", "OK"):
                print(f"case {case} ({agent}): {behavior}, close {closing}")
    enough = fine + bad >= wanted
    if not enough:
        print(f"only {fine + bad} cases ran, {wanted} were wanted")
    print(f"autobahn cases: {fine} fine, {bad + (0 if enough else 1)} not fine")
    return 0 if enough and not bad else 1


if __name__ == "__main__":
    sys.exit(main())
