"""Self-tests of the demo's callers, against a gateway of a few lines."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from demo_calls import LINE_CALLERS, UNANSWERED_AFTER_S, Line, Round


class FakeGateway:
    """Keeps calls in a table; tests change their states."""

    def __init__(self):
        self.table = {}
        self.made = []

    def calls(self):
        return dict(self.table)

    def ring(self, caller, number):
        chain = f"chain {len(self.made)}"
        self.made.append((caller, number))
        self.table[chain] = {"chainid": chain, "from": caller, "to": number, "state": "ringing"}
        return chain

    def hang_up(self, chain):
        del self.table[chain]


class Callers(unittest.TestCase):
    """One step of the demo follows another."""

    def setUp(self):
        self.gateway = FakeGateway()
        self.round = Round(self.gateway, ["7", "8", "9"], ["101", "102"])

    def test_callers_and_numbers_take_turns(self):
        self.round.step(0)
        self.round.step(4)
        self.assertEqual(self.gateway.made, [("7", "101"), ("8", "102")])

    def test_a_number_with_a_call_is_not_called_again(self):
        for now in (0, 4, 8, 12):
            self.round.step(now)
        self.assertEqual(len(self.gateway.made), 2)

    def test_a_number_that_is_in_a_call_of_its_own_is_left_alone(self):
        self.gateway.table["other"] = {"chainid": "other", "from": "102", "to": "101", "state": "answered"}
        self.round.step(0)
        self.assertEqual(self.gateway.made, [("7", "102")])

    def test_a_call_that_nobody_answers_ends(self):
        self.round.step(0)
        self.round.step(UNANSWERED_AFTER_S)
        self.assertNotIn("chain 0", self.gateway.table)

    def test_a_call_that_was_answered_goes_on(self):
        self.round.step(0)
        self.gateway.table["chain 0"]["state"] = "answered"
        self.round.step(UNANSWERED_AFTER_S)
        self.assertIn("chain 0", self.gateway.table)

    def test_a_number_whose_call_is_over_is_called_again(self):
        self.round.step(0)
        self.round.step(4)
        self.gateway.table.clear()
        self.round.step(8)
        self.assertEqual(self.gateway.made[-1], ("9", "101"))


class WaitingCallers(unittest.TestCase):
    """The line of a group."""

    def setUp(self):
        self.gateway = FakeGateway()
        self.line = Line(self.gateway, ["7", "8", "9"], "600")

    def test_a_few_wait_at_a_time(self):
        for _ in range(10):
            self.line.step()
        self.assertEqual(self.gateway.made, [("9", "600"), ("8", "600")])
        self.assertEqual(len(self.gateway.table), LINE_CALLERS)

    def test_who_has_gone_is_followed_by_another(self):
        for _ in range(4):
            self.line.step()
        self.gateway.hang_up("chain 0")
        for _ in range(2):
            self.line.step()
        self.assertEqual(self.gateway.made[-1], ("7", "600"))


if __name__ == "__main__":
    unittest.main()
