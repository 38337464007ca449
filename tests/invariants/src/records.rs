//! How the bytes of an input become a program: records of an operation and its operand.
//!
//! A separator between the records keeps their borders where they are when a fuzzer inserts or drops a byte, and inputs
//! can be read, and written by hand.

/// What stands between two records: ASCII's own record separator.
pub(crate) const SEPARATOR: u8 = 0x1E;

/// The records: the byte that names the operation, and the rest. Empty ones are left out, and what is beyond
/// `records_max`.
pub(crate) fn records(input: &[u8], records_max: usize) -> impl Iterator<Item = (u8, &[u8])> {
    let records = input.split(|&byte| byte == SEPARATOR);
    records
        .filter_map(|record| record.split_first())
        .map(|(&operation, operand)| (operation, operand))
        .take(records_max)
}

/// The first byte of an operand and the rest; of an empty one, zero and nothing.
pub(crate) fn split(operand: &[u8]) -> (u8, &[u8]) {
    operand
        .split_first()
        .map_or((0, operand), |(&first, rest)| (first, rest))
}

/// The text that bytes are, if they are UTF-8.
pub(crate) fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// What a digit says; anything else is a number too, so that every byte means something.
pub(crate) fn number(byte: u8) -> usize {
    usize::from(byte.wrapping_sub(b'0'))
}
