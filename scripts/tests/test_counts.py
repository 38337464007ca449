"""Self-tests of what sums the results up: counts.awk, autobahn_report.py and the last line of scripts/test."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

LIBRARY = Path(__file__).resolve().parents[1] / "lib"


class Counts(unittest.TestCase):
    """Each runner's closing lines become two numbers."""

    def counted(self, text):
        command = ["awk", "-f", str(LIBRARY / "counts.awk")]
        return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout.strip()

    def test_cargo_test_is_summed_over_its_binaries(self):
        line = "test result: {}. {} passed; {} failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s\n"
        self.assertEqual(self.counted("running 3 tests\n" + line.format("ok", 3, 0) + line.format("FAILED", 4, 2)), "7 2")

    def test_nextest_counts_what_did_not_pass_as_failed(self):
        line = "     Summary [   1.234s] 9 tests run: 6 passed (2 slow), 2 failed, 1 timed out, 4 skipped\n"
        self.assertEqual(self.counted(line), "6 3")
        self.assertEqual(self.counted("     Summary [   1.234s] 1 test run: 1 passed, 0 skipped\n"), "1 0")

    def test_node_is_read_in_both_of_its_reporters(self):
        for mark in ("#", "ℹ"):
            lines = "".join(f"{mark} {name} {count}\n" for name, count in (("tests", 6), ("pass", 3), ("fail", 2), ("cancelled", 1)))
            self.assertEqual(self.counted(lines), "3 3")

    def test_unittest_subtracts_failures_and_errors(self):
        self.assertEqual(self.counted("Ran 31 tests in 2.1s\n\nOK\n"), "31 0")
        self.assertEqual(self.counted("Ran 31 tests in 2.1s\n\nFAILED (failures=2, errors=1)\n"), "28 3")

    def test_autobahn_is_counted_by_cases(self):
        self.assertEqual(self.counted("autobahn cases: 299 fine, 2 not fine\n"), "299 2")

    def test_a_log_without_a_runner_gives_nothing(self):
        self.assertEqual(self.counted("Compiling okgate\n3 passed the exam\n"), "")


class AutobahnReport(unittest.TestCase):
    """The suite's index becomes totals and an exit code."""

    def report(self, cases, wanted):
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory, "index.json")
            path.write_text(json.dumps({"okgate": cases}), encoding="utf-8")
            command = [sys.executable, str(LIBRARY / "autobahn_report.py"), str(path), str(wanted)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            return done.returncode, done.stdout

    def test_informational_and_non_strict_cases_are_fine_and_listed(self):
        cases = {
            "1.1.1": {"behavior": "OK", "behaviorClose": "OK"},
            "10.1.1": {"behavior": "NON-STRICT", "behaviorClose": "OK"},
            "2.1": {"behavior": "INFORMATIONAL", "behaviorClose": "INFORMATIONAL"},
        }
        code, printed = self.report(cases, 3)
        self.assertEqual(code, 0)
        self.assertEqual(printed.splitlines()[-1], "autobahn cases: 3 fine, 0 not fine")
        self.assertLess(printed.index("case 2.1 "), printed.index("case 10.1.1 "))

    def test_a_bad_case_fails(self):
        code, printed = self.report({"1.1.1": {"behavior": "OK", "behaviorClose": "WRONG CODE"}}, 1)
        self.assertEqual(code, 1)
        self.assertIn("case 1.1.1 (okgate): OK, close WRONG CODE", printed)

    def test_too_few_cases_fail(self):
        code, printed = self.report({"1.1.1": {"behavior": "OK", "behaviorClose": "OK"}}, 301)
        self.assertEqual(code, 1)
        self.assertIn("only 1 cases ran, 301 were wanted", printed)
        self.assertIn("autobahn cases: 1 fine, 1 not fine", printed)


class LastLine(unittest.TestCase):
    """A test run ends with its totals, also when a stage failed."""

    def ended(self, *stages):
        with tempfile.TemporaryDirectory() as directory:
            shutil.copytree(LIBRARY.parent, Path(directory, "scripts"))
            environment = {name: value for name, value in os.environ.items() if not name.startswith("OKGATE_")}
            command = [str(Path(directory, "scripts", "test")), *stages]
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
            return done.returncode, done.stdout.splitlines()[-1]

    def test_a_run_without_faults_exits_0(self):
        self.assertEqual(self.ended("check-text"), (0, "1 passed, 0 failed"))

    def test_a_failed_stage_does_not_stop_the_others(self):
        self.assertEqual(self.ended("check-rules", "check-text"), (1, "1 passed, 1 failed"))


if __name__ == "__main__":
    unittest.main()
