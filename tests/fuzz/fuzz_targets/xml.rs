#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| okgate_invariants::xml(input));
