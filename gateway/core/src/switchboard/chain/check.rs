//! What must hold of every chain after every step, for the tests.

use super::{Chain, Focus, Member, Service};

impl Chain {
    pub(in super::super) fn assert_sound(&self) {
        for member in &self.members {
            self.assert_member(member);
        }
        for bond in &self.bonds {
            assert_ne!(bond.caller, bond.callee, "{self:#?}");
            for end in [bond.caller, bond.callee] {
                let member = self.member(end).expect("both ends are there");
                let focus = Some(Focus::Bond(bond.id));
                assert!(member.current == focus || member.held == focus, "{self:#?}");
                assert!(!member.is_leaving(), "who leaves has no bond: {self:#?}");
            }
        }
        if let Some(supervision) = self.supervision {
            assert!(self.bond(supervision.bond).is_some(), "{self:#?}");
            let supervisor = self.member(supervision.supervisor).expect("a supervisor");
            assert!(supervisor.is_leaving() || supervisor.current == Some(Focus::Supervision));
        }
        let conferees = self.members.iter().filter(|it| {
            let focus = Some(Focus::Conference);
            it.current == focus || it.held == focus
        });
        assert_ne!(conferees.count(), 1, "alone in a conference: {self:#?}");
    }

    fn assert_member(&self, member: &Member) {
        let foci = [member.current, member.held];
        assert!(
            member.current != member.held || member.current.is_none(),
            "{self:#?}"
        );
        for focus in foci.into_iter().flatten() {
            match focus {
                Focus::Bond(id) => {
                    let bond = self.bond(id).expect("the bond is there");
                    let is_end = bond.caller == member.id || bond.callee == member.id;
                    let is_candidate = matches!(member.service, Service::Candidate);
                    assert!(is_end || is_candidate, "{self:#?}");
                }
                Focus::Conference => assert!(self.conference.is_some(), "{self:#?}"),
                Focus::Supervision => assert!(self.supervision.is_some(), "{self:#?}"),
            }
        }
        let is_alone = foci == [None, None];
        assert_eq!(
            is_alone,
            member.is_leaving(),
            "alone, or leaving: {self:#?}"
        );
    }
}
