//! Tests of the table alone; that every bend is noticed is tested with the real gateway.

use super::*;
use crate::conform;

#[test]
fn every_bend_breaks_a_rule_that_a_case_cites() {
    for bend in all() {
        let cited = conform::all().any(|case| case.rule == bend.rule);
        assert!(cited, "{} is broken, but no case cites it", bend.rule);
    }
}
