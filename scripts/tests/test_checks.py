"""Self-tests of the check scripts: each is run on small trees, one that is good and some that are not."""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[1]
DOCUMENT = "# Protocol\n\n## 1. One\n- **1-a** first. **1-b** second\n\n### 2.1 Two\n| **2.1-a** third | |\n"
TABLE = (
    "id\tsection\tsource\tdirection\ttitle\n"
    "1-a\t1\tD\ttab>gateway\tFirst\n1-b\t1\tW\tnone\tSecond\n2.1-a\t2.1\tE\tpbx\tThird\n"
)


def run(check, files, *arguments):
    """Runs a check on a tree of the given files: its exit code and what it printed."""
    with tempfile.TemporaryDirectory() as directory:
        for name, text in files.items():
            path = Path(directory, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        command = [sys.executable, str(SCRIPTS / check), "--root", directory, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr


class CheckCase(unittest.TestCase):
    """A test of one check on small trees."""

    check = ""

    def accepts(self, files):
        code, printed = run(self.check, files)
        self.assertEqual(code, 0, printed)

    def refuses(self, files, *wanted):
        code, printed = run(self.check, files)
        self.assertEqual(code, 1, printed)
        for text in wanted:
            self.assertIn(text, printed)


class Rules(CheckCase):
    check = "check-rules"

    def tree(self, document=DOCUMENT, table=TABLE, **files):
        return {"gateway/PROTOCOL.md": document, "gateway/protocol-rules.tsv": table, **files}

    def test_an_agreeing_document_and_table_are_accepted(self):
        self.accepts(self.tree(**{"tests/a.rs": "// protocol 1-a, 1-b and 2.1-a\n// protocol 2.1: no id, no fault\n"}))

    def test_a_rule_in_the_document_alone_is_named(self):
        self.refuses(self.tree(table=TABLE.replace("1-b\t1\tW\tnone\tSecond\n", "")), "1-b stands in PROTOCOL.md alone")

    def test_a_rule_in_the_table_alone_is_named(self):
        self.refuses(self.tree(document=DOCUMENT.replace("**1-b** ", "")), "1-b stands in protocol-rules.tsv alone")

    def test_a_rule_that_comes_twice_is_named(self):
        self.refuses(self.tree(document=DOCUMENT.replace("**1-b**", "**1-a**")), "1-a stands after 1-a")

    def test_rules_out_of_order_are_named(self):
        table = TABLE.split("\n")
        table[1], table[2] = table[2], table[1]
        self.refuses(self.tree(table="\n".join(table)), "1-a stands after 1-b")

    def test_a_gap_in_the_letters_is_named(self):
        files = self.tree(DOCUMENT.replace("1-b", "1-c"), TABLE.replace("1-b", "1-c"))
        self.refuses(files, "without a gap")

    def test_a_rule_in_the_wrong_section_is_named(self):
        self.refuses(self.tree(document=DOCUMENT.replace("2.1-a", "3-a")), "3-a stands in section 2.1")

    def test_unknown_sources_and_directions_are_named(self):
        table = TABLE.replace("\tE\tpbx", "\tX\tmoon")
        self.refuses(self.tree(table=table), "source 'X'", "direction 'moon'")

    def test_a_cited_rule_that_does_not_exist_is_named_with_its_line(self):
        files = self.tree(**{"gateway/src/a.rs": "\n// protocol 1-a and 6.6-z\n"})
        self.refuses(files, "gateway/src/a.rs:2: protocol 6.6-z does not exist")


class Sizes(CheckCase):
    check = "check-sizes"

    def test_functions_and_files_at_the_limit_are_accepted(self):
        body = "    // {\n" * 68
        filler = "//\n" * (500 - 70)
        self.accepts({"a.rs": f"fn longest() {{\n{body}}}\n{filler}", "b.mjs": f"export function longest() {{\n{body}}}\n"})

    def test_a_rust_function_over_the_limit_is_named(self):
        self.refuses({"a.rs": "\nfn f(a: [u8; 3]) -> u8\n{\n" + "    '{';\n" * 68 + "}\n"}, "a.rs:2: f has 71 lines")

    def test_a_javascript_function_over_the_limit_is_named(self):
        body = "  const brace = `${{}}`;\n" * 70
        self.refuses({"a.js": "const f = (a) => {\n" + body + "};\n"}, "a.js:1: f has 72 lines")
        self.refuses({"a.js": "class A {\n  method(a, b) {\n" + body + "  }\n}\n"}, "a.js:2: method has 72 lines")

    def test_a_long_block_in_javascript_is_no_function(self):
        self.accepts({"a.js": "if (window.ok) {\n" + "  call();\n" * 80 + "}\n"})

    def test_a_file_over_the_limit_is_named(self):
        self.refuses({"a.rs": "//\n" * 501}, "a.rs: 501 lines")

    def test_test_modules_and_test_files_are_left_out(self):
        tests = "#[cfg(test)]\nmod tests {\n    fn long() {\n" + "        call();\n" * 600 + "    }\n}\n"
        self.accepts({"a.rs": "fn f() {}\n" + tests, "tests/src/b.rs": "//\n" * 600})

    def test_an_empty_tree_is_a_fault(self):
        self.refuses({"a.txt": ""}, "no Rust or JavaScript file")


class Text(CheckCase):
    check = "check-text"

    def test_plain_text_is_accepted(self):
        self.accepts({"README.md": "Debian's packages, npm's registry, /tmp/okgate, /workers/, `home/`\n"})

    def test_registry_hosts_are_named(self):
        for host in ("deb.debi" + "an.org", "index.crate" + "s.io", "registry.npm" + "js.org", "files.pythonho" + "sted.org"):
            self.refuses({"a.md": f"\nsee https://{host}/x\n"}, "a.md:2: a registry's host", host)

    def test_paths_of_one_machine_are_named(self):
        for path in ("/wo" + "rk/main", "/ro" + "ot/.cargo", "/ho" + "me/ann"):
            self.refuses({"a.sh": f"cd {path}\n"}, "a.sh:1: a path of one machine")

    def test_unfinished_and_switched_off_code_is_named(self):
        for text in ("to" + "do!()", "// FIX" + "ME", "#[ign" + "ore]", "un" + "implemented!()"):
            self.refuses({"a.rs": f"fn f() {{\n    {text}\n}}\n"}, "a.rs:2:")

    def test_sleeps_in_tests_are_named_and_elsewhere_not(self):
        sleep = "tokio::time::sleep(wait).await;\n"
        self.refuses({"tests/src/a.rs": sleep}, "tests/src/a.rs:1: a test waits by the clock")
        self.refuses({"a.rs": "fn f() {}\n#[cfg(test)]\nmod tests {\n" + sleep + "}\n"}, "a.rs:4: a test waits by the clock")
        self.accepts({"a.rs": sleep, "tests/src/b.rs": "// sleep(1)\n"})
        self.accepts({"tests/src/a.rs": sleep.strip() + " // check-text: allow sleep: paces the load\n"})


class Layers(CheckCase):
    check = "check-layers"
    ROOTS = {
        "gateway/core/src/lib.rs": "#![forbid(unsafe_code)]\npub mod base;\npub mod wire;\n",
        "gateway/src/lib.rs": "#![deny(unsafe_code)]\npub mod runtime;\n",
        "harness/src/lib.rs": "#![forbid(unsafe_code)]\n",
    }

    def tree(self, **files):
        return {**self.ROOTS, **files}

    def test_the_edges_of_the_table_are_accepted(self):
        self.accepts(self.tree(**{
            "gateway/core/src/wire/frame.rs": "use crate::base::{Instant, limits};\nuse super::head;\nuse super::super::base;\n",
            "gateway/core/src/wire.rs": "fn f() -> super::base::Id { self::head::g() }\n#[cfg(test)]\nmod tests { use super::*; }\n",
            "gateway/src/app/run.rs": "use crate::{config::Settings, runtime};\nuse okgate_core::shard::Shard;\n",
            "gateway/src/main.rs": "#![forbid(unsafe_code)]\nuse okgate::app;\n",
        }))  # fmt: skip

    def test_other_edges_are_named_with_what_is_allowed(self):
        for text in (
            "\nuse crate::{base::Id, hub};\n",
            "\nfn f() { crate::hub::Hub::new() }\n",
            "\nuse super::super::hub::Hub;\n",
            "\nmod inner { use super::super::super::hub; }\n",
        ):
            files = self.tree(**{"gateway/core/src/wire/frame.rs": text})
            self.refuses(files, "frame.rs:2: okgate_core::wire -> okgate_core::hub; allowed: base")

    def test_globs_and_re_exports_of_the_crate_root_are_named(self):
        self.refuses(self.tree(**{"gateway/core/src/wire.rs": "use crate::*;\n"}), "wire.rs:1: okgate_core::wire -> the crate root")
        self.refuses(self.tree(**{"gateway/core/src/wire.rs": "use crate::Id;\n"}), "wire.rs:1: okgate_core::wire -> the crate root")

    def test_edges_between_the_gateways_modules_are_named(self):
        files = self.tree(**{"gateway/src/web/pages.rs": "use crate::config::Settings;\n"})
        self.refuses(files, "okgate::web -> okgate::config; allowed: okgate_core")

    def test_a_module_outside_the_table_is_named(self):
        self.refuses(self.tree(**{"gateway/core/src/helpers.rs": ""}), "module helpers does not stand in the import table")

    def test_comments_and_strings_are_no_edges(self):
        self.accepts(self.tree(**{"gateway/core/src/wire.rs": '// crate::hub\nconst A: &str = "crate::hub unsafe";\n'}))

    def test_unsafe_and_glommio_stay_in_the_runtime(self):
        self.accepts(self.tree(**{"gateway/src/runtime/ring.rs": "use glommio::Task;\nunsafe fn f() {}\n"}))
        self.refuses(self.tree(**{"gateway/src/web.rs": "\nuse glommio::Task;\n"}), "web.rs:2: glommio outside")
        self.refuses(self.tree(**{"gateway/src/app.rs": "unsafe fn f() {}\n"}), "app.rs:1: unsafe outside")

    def test_a_crate_root_that_does_not_forbid_unsafe_code_is_named(self):
        self.refuses(self.tree(**{"harness/src/main.rs": "fn main() {}\n"}), "harness/src/main.rs:1: #![forbid(unsafe_code)] is missing")

    def test_the_core_has_no_clock_and_no_io(self):
        self.refuses(self.tree(**{"gateway/core/src/base.rs": "use std::time::Instant;\n"}), "base.rs:1: std::time::Instant in the core")
        self.refuses(self.tree(**{"gateway/core/Cargo.toml": "[dependencies]\nglommio.workspace = true\n"}), "depends on glommio")

    def test_the_harness_does_without_the_core(self):
        self.refuses(self.tree(**{"harness/src/a.rs": "use okgate_core::wire;\n"}), "okgate_harness -> okgate_core; allowed: nothing")
        self.refuses(self.tree(**{"harness/Cargo.toml": "[dependencies]\nokgate-core.workspace = true\n"}), "depends on okgate-core")


if __name__ == "__main__":
    unittest.main()
