# Reads a test runner's output and prints "PASSED FAILED"; prints nothing when no runner spoke.
# Known are cargo test, nextest, node --test, Python's unittest and scripts/autobahn.

# The number in front of a word, in "3 passed; 0 failed;".
function before(word, field) {
  for (field = 2; field <= NF; field++) if (index($field, word) == 1) return $(field - 1) + 0
  return 0
}

/^test result: / { seen = 1; passed += before("passed"); failed += before("failed") }

# Summary [ 0.1s] 5 tests run: 3 passed (1 slow), 1 failed, 1 timed out, 2 skipped
/^ *Summary \[/ {
  seen = 1
  sub(/^ *Summary \[[^]]*\] */, "")
  split($1, run, "/")
  passed += before("passed")
  failed += run[1] - before("passed")
}

/^(#|ℹ) pass [0-9]+$/ { seen = 1; passed += $3 }
/^(#|ℹ) (fail|cancelled) [0-9]+$/ { seen = 1; failed += $3 }

/^Ran [0-9]+ tests? in / { seen = 1; passed += $2 }
/^FAILED \(/ {
  rest = $0
  while (match(rest, /(failures|errors)=[0-9]+/)) {
    split(substr(rest, RSTART, RLENGTH), pair, "=")
    passed -= pair[2]
    failed += pair[2]
    rest = substr(rest, RSTART + RLENGTH)
  }
}

/^autobahn cases: / { seen = 1; passed += before("fine"); failed += before("not") }

END { if (seen) print passed + 0, failed + 0 }
