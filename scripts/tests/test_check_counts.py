"""Self-tests of check-counts, with a cargo, a rustc and a valgrind that say what the tree's counts.txt says."""

import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

CHECK = Path(__file__).resolve().parents[1] / "check-counts"
CARGO = """
mkdir -p "$CARGO_TARGET_DIR/release"
cp counts.txt "$CARGO_TARGET_DIR/release/"
printf '#!/bin/sh\\nsed "s/ .*//" "$(dirname "$0")/counts.txt"\\n' >"$CARGO_TARGET_DIR/release/counts"
chmod +x "$CARGO_TARGET_DIR/release/counts"
"""
RUSTC = "printf 'rustc 1.95.0\\nrelease: %s\\ncommit-hash: 59807616e1fa\\nhost: x86_64-unknown-linux-gnu\\n' \"${FAKE_RUSTC:-1.95.0}\""
VALGRIND = """
if [ "$1" = --version ]; then echo valgrind-3.19.0; exit; fi
for argument; do case $argument in --callgrind-out-file=*) out=${argument#*=} ;; esac; before=$last last=$argument; done
printf 'events: Ir\\nsummary: %s\\n' "$(sed -n "s|^$last ||p" "$(dirname "$before")/counts.txt")" >"$out"
"""


class Tree(unittest.TestCase):
    """A tree whose hot paths take what it says, with baselines that were recorded at 1000 instructions each."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = Path(directory.name, "tree")
        (self.root / "benches").mkdir(parents=True)
        programs = Path(directory.name, "programs")
        programs.mkdir()
        for name, text in (("cargo", CARGO), ("rustc", RUSTC), ("valgrind", VALGRIND)):
            (programs / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
            (programs / name).chmod(0o755)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("OKGATE_", "CARGO_", "GIT_"))}
        self.environment = {**kept, "PATH": f"{programs}:{kept['PATH']}"}
        self.takes(ping=1000, login=1000)
        self.run_check("--record")

    def takes(self, **counts):
        self.write("counts.txt", "".join(f"tab/{name} {count}\n" for name, count in counts.items()))

    def takes_with_users(self, few, many):
        self.write("counts.txt", f"users_10/call {few}\n" + (f"users_10000/call {many}\n" if many else ""))

    def write(self, name, text):
        (self.root / name).write_text(text, encoding="utf-8")

    def run_check(self, *arguments, **variables):
        command = [sys.executable, str(CHECK), "--root", str(self.root), *arguments]
        environment = {**self.environment, **variables}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        return done.returncode, done.stdout + done.stderr

    def accepts(self, *wanted, **variables):
        code, printed = self.run_check(**variables)
        self.assertEqual(code, 0, printed)
        for pattern in wanted:
            self.assertRegex(printed, pattern)

    def refuses(self, *wanted, **variables):
        code, printed = self.run_check(**variables)
        self.assertEqual(code, 1, printed)
        for pattern in wanted:
            self.assertRegex(printed, pattern)


class Growth(Tree):
    def test_the_same_counts_are_accepted(self):
        self.accepts(r"tab/ping +1000 +1000 +1\.000\n", r"2 paths, 0 faults")

    def test_three_percent_are_accepted(self):
        self.takes(ping=1030, login=970)
        self.accepts(r"tab/ping +1000 +1030 +1\.030\n", r"tab/login +1000 +970 +0\.970\n")

    def test_more_is_refused_and_only_the_path_that_grew_is_named(self):
        self.takes(ping=1031, login=1000)
        self.refuses(r"tab/ping has grown by 3\.1%: from 1000 to 1031", r"callgrind_annotate", r"2 paths, 1 faults")
        self.assertNotIn("tab/login has", self.run_check()[1])

    def test_an_improvement_is_accepted_and_asks_to_be_recorded(self):
        self.takes(ping=900, login=1000)
        self.accepts(r"tab/ping +1000 +900 +0\.900  improved: record it with scripts/bench counts --record")

    def test_what_was_recorded_anew_is_accepted(self):
        self.takes(ping=2000, login=1000)
        self.assertEqual(self.run_check("--record")[0], 0)
        self.accepts(r"tab/ping +2000 +2000 ")


class Users(Tree):
    """What is taken with few and with many users."""

    def test_ten_percent_more_with_many_users_are_accepted(self):
        self.takes_with_users(1000, 1100)
        self.assertEqual(self.run_check("--record")[0], 0)
        self.accepts(r"call +1000 +1100  1\.100\n", r"2 paths, 0 faults")

    def test_more_is_refused_also_when_it_is_recorded(self):
        self.takes_with_users(1000, 1101)
        code, printed = self.run_check("--record")
        self.assertEqual(code, 1, printed)
        self.refuses(r"call takes 1\.10 times as many instructions with 10,000 users as with 10\n", r"2 paths, 1 faults")

    def test_a_path_without_its_like_of_many_users_is_refused(self):
        self.takes_with_users(1000, None)
        self.run_check("--record")
        self.refuses(r"users_10/call is no path of users_10000/")


class Baselines(Tree):
    def test_a_path_without_a_baseline_is_refused(self):
        self.takes(ping=1000, login=1000, wheel=1000)
        self.refuses(r"tab/wheel has no baseline: scripts/bench counts --record")

    def test_a_baseline_without_a_path_is_refused(self):
        self.takes(ping=1000)
        self.refuses(r"tab/login has a baseline, but is no hot path")

    def test_missing_and_unreadable_baselines_are_refused_with_what_to_do(self):
        self.write("benches/baselines.toml", "[instructions]\n")
        self.refuses(r"cannot be read \('counted_with'\): scripts/bench counts --record")
        (self.root / "benches/baselines.toml").unlink()
        self.refuses(r"baselines\.toml is missing: scripts/bench counts --record")

    def test_nothing_counted_is_refused(self):
        self.takes(ping=1000, login=0)
        self.refuses(r"counted nothing for tab/login")


class OtherCompiler(Tree):
    """The counts of the commit that recorded the baselines are taken anew with the compiler that is there."""

    def commit(self):
        identity = ["-c", "user.name=Tests", "-c", "user.email=tests@localhost"]
        for command in (["init", "-q"], ["add", "."], [*identity, "commit", "-q", "-m", "Record"]):
            subprocess.run(["git", *command], cwd=self.root, check=True, env=self.environment)

    def recorded_by_another(self):
        path = self.root / "benches/baselines.toml"
        text = path.read_text(encoding="utf-8")
        path.write_text(re.sub(r"= 1000$", "= 500", text, flags=re.MULTILINE), encoding="utf-8")
        self.commit()

    def test_the_same_code_is_accepted_whatever_the_baselines_say(self):
        self.recorded_by_another()
        self.accepts(
            r"counted with rustc 1\.95\.0 \(59807616e\), here it is 1\.97\.1 \(59807616e\)",
            r"counting commit [0-9a-f]{12}",
            r"tab/ping +1000 +1000 +1\.000\n",
            FAKE_RUSTC="1.97.1",
        )

    def test_growth_since_then_is_refused(self):
        self.recorded_by_another()
        self.takes(ping=1050, login=1000)
        self.refuses(r"tab/ping has grown by 5\.0%: from 1000 to 1050", FAKE_RUSTC="1.97.1")

    def test_baselines_that_no_commit_holds_are_refused(self):
        (self.root / ".gitignore").write_text("benches\n", encoding="utf-8")
        self.commit()
        self.refuses(r"no commit holds benches/baselines\.toml yet", FAKE_RUSTC="1.97.1")

    def test_a_history_that_is_cut_off_is_refused_with_what_to_do(self):
        self.recorded_by_another()
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=self.root, check=True, capture_output=True, text=True).stdout
        self.write(".git/shallow", head)
        self.refuses(r"git fetch --unshallow", FAKE_RUSTC="1.97.1")


if __name__ == "__main__":
    unittest.main()
