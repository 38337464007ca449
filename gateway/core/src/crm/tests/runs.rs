//! Dynamic methods: their ladder from the request to the result, or without one.

use super::*;
use crate::base::Guid;

const EXECUTION: ExecutionId = ExecutionId(Guid::from_bits(0xE));

fn methods() -> Value {
    json!([
        {"key": "callername", "allowcancel": false, "inputparams": [{"key": "callerid", "type": "string"}]},
        {"key": "typed", "inputparams": [
            {"key": "n", "type": "number"}, {"key": "b", "type": "boolean"}, {"key": "d", "type": "datetime"},
            {"key": "l", "type": "list", "items": [{"id": 1, "name": "one"}]}, {"key": "o", "type": "point"},
        ]},
        {"key": "slow", "allowcancel": 1, "inputparams": []},
        {"key": "loose"},
        {"key": "personal", "defineuser": true},
        {"key": "posted", "connectiontype": "http"},
    ])
}

fn run(key: &str, input: &str) -> MethodRun {
    MethodRun {
        key: key.into(),
        input: input.into(),
        user_login: None,
        timeout: Duration::from_secs(10),
        wait_for_link: false,
    }
}

impl World {
    /// A ready world whose CRM has declared its methods.
    fn able() -> Self {
        let mut world = World::ready();
        world.declare();
        world
    }

    fn declare(&mut self) {
        self.say("availablemethods", &json!({"methods": methods()}));
        self.events.clear();
    }

    fn run(&mut self, run: MethodRun) {
        self.link.run_method(run, EXECUTION, self.now);
        self.pump();
    }

    /// The end of the one run.
    #[track_caller]
    fn end(&mut self) -> Result<String, MethodFailure> {
        let events = self.take_events();
        let is_end = |event: &&CrmEvent| matches!(event, CrmEvent::MethodDone { .. });
        let mut ends = events.iter().filter(is_end);
        match (ends.next(), ends.next()) {
            (
                Some(CrmEvent::MethodDone {
                    execution: EXECUTION,
                    end,
                }),
                None,
            ) => end.clone().map(|output| output.to_string()),
            _ => panic!("expected one end: {events:?}"),
        }
    }
}

#[test]
fn a_method_runs_and_gives_its_outputs_as_they_stand() {
    let mut world = World::able();
    world.run(run("callername", r#"{"callerid":"8927"}"#));
    let asked = world.heard("executemethod");
    assert_eq!(asked["methodkey"], "callername");
    assert_eq!(asked["executionid"], EXECUTION.to_string());
    assert_eq!(asked["inputparameters"], json!({"callerid": "8927"}));
    assert!(asked["qid"].is_string() && asked["sessionid"].is_string());
    assert_eq!(asked.get("userlogin"), None);
    assert_eq!(world.link.status().method_runs, 1);
    world.say_text(&format!(
        r#"["methodresult",{{"qid":"other","executionid":"{EXECUTION}","outputparameters":{{"name":"Иван","big":1e999}}}}]"#
    ));
    assert_eq!(world.end(), Ok(r#"{"name":"Иван","big":1e999}"#.to_owned()));
    assert_eq!(
        (world.link.status().method_runs, world.heard_names().len()),
        (0, 0)
    );
}

#[test]
fn old_crms_echo_only_the_qid() {
    let mut world = World::able();
    world.run(run("loose", "{}"));
    let asked = world.heard("executemethod");
    world.say(
        "methodresult",
        &json!({"qid": asked["qid"], "outputparameters": {"a": 1}}),
    );
    assert_eq!(world.end(), Ok(r#"{"a":1}"#.to_owned()));
}

#[test]
fn outputs_that_are_absent_or_an_empty_list_are_an_empty_object() {
    for outputs in [
        "",
        r#","outputparameters":null"#,
        r#","outputparameters":[ ]"#,
    ] {
        let mut world = World::able();
        world.run(run("loose", "{}"));
        world.say_text(&format!(
            r#"["methodresult",{{"executionid":"{EXECUTION}"{outputs}}}]"#
        ));
        assert_eq!(world.end(), Ok("{}".to_owned()), "{outputs}");
    }
}

#[test]
fn a_method_that_fails_at_the_crm_fails_with_its_words() {
    for answer in [
        json!(["methodresult", {"executionid": EXECUTION.to_string(), "result": 0, "error": 7, "errormsg": "no"}]),
        json!(["executemethodresult", {"qid": EXECUTION.to_string(), "result": false, "error": 7, "errormsg": "no"}]),
        json!(["error", {"qid": EXECUTION.to_string(), "error": 7, "errormsg": "no"}]),
    ] {
        let mut world = World::able();
        world.run(run("loose", "{}"));
        world.say_text(&answer.to_string());
        assert_eq!(world.end(), Err(MethodFailure::Failed("no (7)".to_owned())));
    }
    let mut world = World::able();
    world.run(run("loose", "{}"));
    world.say(
        "executemethodresult",
        &json!({"qid": EXECUTION.to_string(), "result": 1}),
    );
    assert_eq!(world.take_events(), []);
    world.say(
        "methodresult",
        &json!({"executionid": EXECUTION.to_string(), "outputparameters": 5}),
    );
    assert!(matches!(world.end(), Err(MethodFailure::Failed(_))));
}

#[test]
fn the_input_must_be_what_the_crm_declared() {
    let wrong = |words: &str| Err(MethodFailure::WrongParameters(words.to_owned()));
    for (key, input, end) in [
        ("nosuch", "{}", Err(MethodFailure::UnknownMethod)),
        (
            "callername",
            r#"{"callerid":{"a":1}}"#,
            wrong("the input parameter `callerid` is not a text"),
        ),
        (
            "typed",
            r#"{"n":"two"}"#,
            wrong("the input parameter `n` is not a number"),
        ),
        (
            "typed",
            r#"{"n":1,"b":2}"#,
            wrong("the input parameter `b` is not true or false"),
        ),
        (
            "typed",
            r#"{"l":[1]}"#,
            wrong("the input parameter `l` is not a text"),
        ),
        (
            "callername",
            r#"{"callerid":"1","x":1}"#,
            wrong("the input parameter `x` is not declared"),
        ),
        (
            "slow",
            r#"{"x":null}"#,
            wrong("the input parameter `x` is not declared"),
        ),
        (
            "loose",
            "[]",
            wrong("the input is no object: the fields are no object"),
        ),
        (
            "personal",
            "{}",
            wrong("the method needs a user: `userlogin` is missing"),
        ),
    ] {
        let mut world = World::able();
        world.run(run(key, input));
        assert_eq!(world.end(), end, "{key} {input}");
        assert_eq!(world.heard_names(), [""; 0]);
    }
    for (key, input) in [
        ("loose", r#"{"anything":1}"#),
        // Which parameters may be left out is the CRM's to say.
        ("callername", "{}"),
        ("callername", r#"{"callerid":5}"#),
        (
            "typed",
            r#"{"n":" 1.5 ","b":"1","d":"2026-01-01","l":1,"o":[1]}"#,
        ),
        ("typed", r#"{"n":null,"b":null,"d":null,"l":null,"o":null}"#),
    ] {
        let mut world = World::able();
        world.run(run(key, input));
        assert_eq!(world.heard_names(), ["executemethod"], "{key} {input}");
    }
    let mut world = World::able();
    world.run(run("posted", "{}"));
    assert!(matches!(world.end(), Err(MethodFailure::Failed(_))));
}

#[test]
fn a_method_runs_in_a_users_name_as_the_crm_knows_the_user() {
    let mut world = World::able();
    let in_name_of = |login: &str| MethodRun {
        user_login: Some(login.into()),
        ..run("personal", "{}")
    };
    world.run(in_name_of("anna"));
    let asked = world.heard("executemethod");
    assert_eq!(
        (&asked["userlogin"], asked.get("userid")),
        (&json!("anna"), None)
    );
    world.say("methodresult", &json!({"qid": asked["qid"]}));
    world.say("login", &json!({"userlogin": "Anna", "userid": 7}));
    world.run(in_name_of("anna"));
    let asked = world.heard("executemethod");
    assert_eq!(
        (&asked["userlogin"], &asked["userid"]),
        (&json!("Anna"), &json!(7))
    );
}

#[test]
fn a_long_request_goes_out_in_packets() {
    let mut world = World::able();
    let text = "Ж".repeat(2000);
    world.run(run("loose", &json!({"text": text}).to_string()));
    assert!(world.crm.texts.len() > 1);
    assert_eq!(
        world.heard("executemethod")["inputparameters"]["text"],
        text
    );
}

#[test]
fn a_result_that_does_not_come_in_time_is_a_timeout_and_the_crm_is_told() {
    let mut world = World::able();
    world.run(run("loose", "{}"));
    world.crm.heard.clear();
    world.pass(Duration::from_micros(9_999_999));
    assert_eq!(world.heard_names(), [""; 0]);
    world.pass(Duration::from_micros(1));
    assert_eq!(world.end(), Err(MethodFailure::Timeout));
    let told = world.heard("executemethodwaitaborted");
    assert_eq!(told["executionid"], EXECUTION.to_string());
    assert_eq!(told["waitresponsems"], 30_000);
}

#[test]
fn a_result_behind_the_deadline_is_late_even_if_no_timer_has_fired() {
    let mut world = World::able();
    world.run(run("loose", "{}"));
    world.now = world.now + Duration::from_secs(11);
    world.say(
        "methodresult",
        &json!({"qid": "1", "executionid": EXECUTION.to_string(), "outputparameters": {}}),
    );
    assert_eq!(world.end(), Err(MethodFailure::Timeout));
    assert_eq!(world.counters().late_accepted, 1);
    assert_eq!(world.heard("methodresultresult")["result"], 1);
}

#[test]
fn a_late_result_is_accepted_for_a_while_and_then_refused() {
    let late = json!({"qid": "q", "executionid": EXECUTION.to_string(), "outputparameters": {}});
    for (seconds, result, accepted, refused) in [(29, 1, 1, 0), (30, 0, 0, 1)] {
        let mut world = World::able();
        world.run(run("loose", "{}"));
        world.pass_seconds(10);
        world.say("ping", &json!({}));
        world.take_events();
        world.crm.heard.clear();
        for _ in 0..seconds {
            world.pass_seconds(1);
        }
        world.say("methodresult", &late);
        let answer = world.heard("methodresultresult");
        assert_eq!(
            (&answer["qid"], &answer["result"]),
            (&json!("q"), &json!(result))
        );
        let counters = world.counters();
        assert_eq!(
            (counters.late_accepted, counters.late_refused),
            (accepted, refused)
        );
        assert_eq!(world.take_events(), []);
        // A second one is refused in any case.
        world.say("methodresult", &late);
        assert_eq!(world.heard("methodresultresult")["result"], 0);
    }
}

#[test]
fn a_cancelled_run_ends_and_the_crm_is_told_if_the_method_allows_that() {
    for (key, told) in [("slow", 1), ("loose", 0)] {
        let mut world = World::able();
        world.run(run(key, "{}"));
        world.crm.heard.clear();
        assert!(world.link.cancel(EXECUTION, world.now));
        assert!(!world.link.cancel(EXECUTION, world.now));
        world.pump();
        assert_eq!(world.end(), Err(MethodFailure::Cancelled));
        let heard = std::mem::take(&mut world.crm.heard);
        assert_eq!(heard.len(), told, "{key}");
        for (name, fields) in heard {
            assert_eq!(name, "cancelmethod");
            assert_eq!(fields["executionid"], EXECUTION.to_string());
        }
        world.say(
            "methodresult",
            &json!({"executionid": EXECUTION.to_string()}),
        );
        assert_eq!(world.counters().late_accepted, 1);
    }
}

#[test]
fn without_a_link_a_run_is_unavailable_at_once() {
    let mut world = World::new();
    world.run(run("loose", "{}"));
    assert_eq!(world.end(), Err(MethodFailure::Unavailable));
    let mut world = World::introducing();
    world.run(run("loose", "{}"));
    assert_eq!(world.end(), Err(MethodFailure::Unavailable));
}

#[test]
fn a_loss_during_a_run_makes_it_unavailable_at_once() {
    let mut world = World::able();
    world.run(run("loose", "{}"));
    world.report(CrmInput::Closed("gone".to_owned()));
    assert_eq!(world.end(), Err(MethodFailure::Unavailable));
}

#[test]
fn a_run_that_waits_for_the_link_starts_when_the_crm_has_declared_its_methods() {
    let mut world = World::introducing();
    world.run(MethodRun {
        wait_for_link: true,
        ..run("loose", "{}")
    });
    world.introduce();
    assert_eq!(world.heard_names(), [""; 0]);
    world.declare();
    assert_eq!(world.heard_names(), ["executemethod"]);
}

#[test]
fn a_run_that_waits_for_the_link_is_asked_for_again_after_a_loss() {
    let mut world = World::able();
    world.run(MethodRun {
        wait_for_link: true,
        ..run("loose", "{}")
    });
    world.report(CrmInput::Closed("gone".to_owned()));
    world.pass(Duration::from_millis(500));
    world.link_up();
    world.say("iam", &json!({}));
    let again = world.heard("executemethod");
    world.say(
        "methodresult",
        &json!({"executionid": again["executionid"]}),
    );
    assert_eq!(world.end(), Ok("{}".to_owned()));
}

#[test]
fn a_run_that_waits_for_a_link_in_vain_is_unavailable_in_the_end() {
    let mut world = World::new();
    world.run(MethodRun {
        wait_for_link: true,
        ..run("loose", "{}")
    });
    world.pass(Duration::from_micros(9_999_999));
    assert_eq!(world.link.status().method_runs, 1);
    world.pass(Duration::from_micros(1));
    assert_eq!(world.end(), Err(MethodFailure::Unavailable));
}

#[test]
fn runs_are_bounded() {
    let limits = Limits {
        method_runs_max: 1,
        ..Limits::default()
    };
    let mut world = World::ready_with(CrmConfig { limits, ..config() });
    world.declare();
    world.link.run_method(
        run("loose", "{}"),
        ExecutionId(Guid::from_bits(1)),
        world.now,
    );
    world.run(run("loose", "{}"));
    assert_eq!(world.end(), Err(MethodFailure::TooMany));
    assert_eq!(world.counters().too_many, 1);
}

#[test]
fn the_end_of_the_gateway_ends_every_run() {
    let mut world = World::able();
    world.run(MethodRun {
        wait_for_link: true,
        ..run("loose", "{}")
    });
    world.link.shut_down("the gateway is going down", world.now);
    world.pump();
    assert_eq!(world.end(), Err(MethodFailure::Unavailable));
}

// protocol 8-v
#[test]
fn a_run_in_the_moment_between_the_introduction_and_the_catalogue_waits_for_it() {
    let mut world = World::ready();
    let (first, second) = (ExecutionId(Guid::random(1)), ExecutionId(Guid::random(2)));
    let run = MethodRun {
        key: "name".into(),
        input: "{}".into(),
        user_login: None,
        timeout: Duration::from_secs(3),
        wait_for_link: false,
    };
    world.link.run_method(run.clone(), first, world.now);
    world.pump();
    assert_eq!(world.take_events(), []);
    world.say("availablemethods", &json!({"methods": [{"key": "name"}]}));
    assert_eq!(world.heard("executemethod")["methodkey"], "name");
    // One that never declares anything is not waited for longer than the run's own time.
    let mut world = World::ready();
    world.link.run_method(run.clone(), second, world.now);
    world.pass_seconds(3);
    let end = Err(MethodFailure::Unavailable);
    let execution = second;
    assert_eq!(
        world.take_events(),
        [CrmEvent::MethodDone { execution, end }]
    );
    // Nor when the link is lost meanwhile.
    let mut world = World::ready();
    world.link.run_method(run, second, world.now);
    world.report(CrmInput::Closed("gone".to_owned()));
    let ends = world.take_events();
    let is_end = |event: &CrmEvent| matches!(event, CrmEvent::MethodDone { .. });
    assert_eq!(ends.iter().filter(|event| is_end(event)).count(), 1);
}

#[test]
fn after_the_end_of_the_gateway_no_run_waits_for_a_link() {
    let mut world = World::able();
    world.link.shut_down("going down", world.now);
    world.pump();
    world.events.clear();
    world.run(MethodRun {
        wait_for_link: true,
        ..run("sum", "{}")
    });
    assert_eq!(world.end(), Err(MethodFailure::Unavailable));
    assert_eq!(world.link.next_timeout(), None);
}
