//! Each ladder of protocol 6.6 as a golden text: what happens, the events of
//! each step in order, and the line pictures that can be asked for then.

use super::world::World;

#[test]
fn an_outside_caller_rings_is_answered_and_hangs_up() {
    let mut world = World::new();
    world.crm_name = Some("Ivan Petrov".into());
    world.tell("89274513158 calls anna");
    world.outside_call("89274513158", "101");
    world.tell("anna picks up");
    world.pick_up("101");
    world.tell("the caller hangs up");
    world.hang_up("89274513158");
    world.assert_all_is_over();
    insta::assert_snapshot!(world.story());
}
