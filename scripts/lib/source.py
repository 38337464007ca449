"""What the check scripts share: finding the project's files and reading Rust and JavaScript by shape.

Comments and literals are blanked (same length, same lines), so that the checks see code alone. This is no
parser: it knows brackets, paths and attributes, which is all that the checks ask for.
"""

import argparse
import os
import re
from pathlib import Path

SKIPPED_DIRECTORIES = {".git", ".cache", "target", "node_modules", "__pycache__"}
RUST_LITERAL = re.compile(
    r"""(?P<line>//[^\n]*)
      | (?P<block>/\*)
      | (?P<raw>\b(?:br|cr|r)(?P<hashes>\#*)")
      | (?P<string>(?:\b[bc])?"(?:\\.|[^"\\])*")
      | (?P<char>(?:\bb)?'(?:\\(?:x[0-9a-fA-F]{2}|u\{[^}]*\}|.)|[^'\\\n])')""",
    re.VERBOSE | re.DOTALL,
)
JS_REGEX_AFTER = re.compile(r"(?:^|[(,=:\[!&|?{};+\-*%~^<>]|\b(?:return|typeof|case|in|of|do|else|void|yield|await))\s*$")
JS_REGEX = re.compile(r"/(?![/*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\[\n])+/[a-z]*")
JS_STRING = re.compile(r"""'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*\"""", re.DOTALL)


def root_argument(description):
    """Parses the one option that every check has, and returns the tree to check."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2], help="the tree to check")
    return parser


def project_files(root, *suffixes):
    """Every file of the project below `root`, in order; with suffixes only those."""
    found = []
    for directory, below, names in os.walk(root):
        below[:] = [name for name in below if name not in SKIPPED_DIRECTORIES]
        for path in (Path(directory, name) for name in names if name not in SKIPPED_DIRECTORIES):
            if (not suffixes or path.suffix in suffixes) and path.is_file() and not path.is_symlink():
                found.append(path)
    found.sort()
    return found


def blank(text):
    """The same number of characters and lines, with nothing in them."""
    return re.sub(r"[^\n]", " ", text)


def rust_code(text):
    """Rust source with comments, strings and characters blanked."""
    out, position = [], 0
    while match := RUST_LITERAL.search(text, position):
        out.append(text[position : match.start()])
        end = match.end()
        if match["block"] is not None:
            end = block_comment_end(text, match.start())
        elif match["raw"] is not None:
            close = text.find('"' + match["hashes"], end)
            end = len(text) if close < 0 else close + 1 + len(match["hashes"])
        out.append(blank(text[match.start() : end]))
        position = end
    return "".join(out) + text[position:]


def block_comment_end(text, start):
    """Where the block comment that begins at `start` ends; Rust's nest."""
    depth = 0
    for match in re.compile(r"/\*|\*/").finditer(text, start):
        depth += 1 if match.group() == "/*" else -1
        if depth == 0:
            return match.end()
    return len(text)


def js_code(text):
    """JavaScript source with comments, strings, templates and regular expressions blanked."""
    out, position, braces = [], 0, []

    def take(end, keep=False):
        nonlocal position
        out.append(text[position:end] if keep else blank(text[position:end]))
        position = end

    while position < len(text):
        here = text[position]
        if text.startswith("//", position):
            end = text.find("\n", position)
            take(len(text) if end < 0 else end)
        elif text.startswith("/*", position):
            end = text.find("*/", position)
            take(len(text) if end < 0 else end + 2)
        elif match := JS_STRING.match(text, position):
            take(match.end())
        elif here == "`" or (here == "}" and braces and braces[-1] == "template"):
            if here == "}":
                braces.pop()
            end, inside = template_part_end(text, position + 1)
            if inside:
                braces.append("template")
            take(end)
        elif here == "/" and JS_REGEX_AFTER.search("".join(out[-40:])) and (match := JS_REGEX.match(text, position)):
            take(match.end())
        else:
            if here == "{":
                braces.append("block")
            elif here == "}" and braces:
                braces.pop()
            take(position + 1, keep=True)
    return "".join(out)


def template_part_end(text, start):
    """The end of a template's text from `start` on, and whether an expression follows there."""
    match = re.compile(r"(?:\\.|\$(?!\{)|[^`\\$])*(`|\$\{)?", re.DOTALL).match(text, start)
    return match.end(), match[1] == "${"


def matching(code, start, pairs="{}"):
    """The position of the bracket that closes the one at `start`."""
    depth = 0
    for position in range(start, len(code)):
        if code[position] == pairs[0]:
            depth += 1
        elif code[position] == pairs[1]:
            depth -= 1
            if depth == 0:
                return position
    return len(code) - 1


def line_of(text, position):
    """The number of the line that holds a position, from 1."""
    return text.count("\n", 0, position) + 1


def without_test_modules(code):
    """Blanked Rust code with its `#[cfg(test)] mod … { … }` blanked too."""
    for match in reversed(list(re.finditer(r"#\[cfg\(test\)\](?:\s*#\[[^\]]*\])*\s*(?:pub(?:\([^)]*\))?\s+)?mod\s+\w+\s*\{", code))):
        end = matching(code, match.end() - 1) + 1
        code = code[: match.start()] + blank(code[match.start() : end]) + code[end:]
    return code


def is_test_file(path, root):
    """Whether a file holds tests alone: the `tests` package and directories of that name, `tests.rs`, `*_tests.rs`, `*.test.mjs`."""
    relative = path.relative_to(root)
    return bool(
        "tests" in relative.parts[:-1]
        or re.search(r"(?:^|_)tests?$|\.test$", relative.stem)
    )
