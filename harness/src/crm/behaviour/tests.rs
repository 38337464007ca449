use super::*;

#[test]
fn a_whole_file_is_read() {
    let behaviour = Behaviour::from_toml(
        r#"
        introduce = "first"
        active_users = [{ login = "anna", id = "crm-7" }]

        [[methods]]
        key = "debt"
        name = "Debt"
        allowcancel = true
        defineuser = true
        connectiontype = "http"
        inputparams = [
            { key = "customer", type = "string" },
            { key = "kind", type = "list", items = [{ id = "1", name = "One" }] },
        ]
        outputparams = [{ key = "sum", type = "number" }]
        answer = { kind = "fixed", outputparameters = { sum = 12.5 }, delay_ms = 10, jitter_ms = 5, times = 2, known_by = "qid" }

        [[methods]]
        key = "big"
        answer = { kind = "bytes", bytes = 5242880, packets = "never" }

        [[forms]]
        key = "card"
        outputparameters = { comment = "called" }
        after_ms = 20

        [link]
        reads = "silently"
        silent_after = 10
        drop_every = 1000
        packets = "always"

        [http]
        answer = "redirect"
        location = "/there"
        only = ["executemethod"]
        chunked = true
        keep_alive = false
        also = [["ping", { qid = "1" }]]

        [users]
        count = 2000
        rate = 500.0
        methods = ["getuserstate", "getextendedlineinfo"]
        "#,
    )
    .unwrap();
    let methods = behaviour.methods();
    assert_eq!(methods[0].connectiontype, ConnectionType::Http);
    assert_eq!(methods[0].inputparams[1].items[0].name, "One");
    assert_eq!(methods[1].answer.kind, AnswerKind::Bytes);
    assert_eq!(behaviour.forms()[0].after_ms, 20);
    assert_eq!(behaviour.link.reads, Reads::Silently);
    assert_eq!(behaviour.http.also[0].0, "ping");
    assert_eq!(behaviour.users.unwrap().prefix, "user");
}

#[test]
fn what_is_not_told_is_the_standard() {
    let behaviour = Behaviour::from_toml("").unwrap();
    assert_eq!(behaviour, Behaviour::default());
    let keys: Vec<String> = behaviour
        .methods()
        .into_iter()
        .map(|method| method.key)
        .collect();
    assert_eq!(keys, ["callername", "echo", "fail", "slow"]);
    let more = behaviour.method(Method::new("more", Answer::default()));
    assert_eq!(more.methods().len(), 5);
}

#[test]
fn mistakes_are_told_with_their_place() {
    for (text, word) in [
        ("[link]\ndrops = 1", "drops"),
        ("[[methods]]\nname = \"x\"", "without a key"),
        (
            "[[methods]]\nkey = \"x\"\nanswer = { kind = \"odd\" }",
            "odd",
        ),
        (
            "[[methods]]\nkey = \"x\"\nanswer = { bytes = 1000000000 }",
            "bytes",
        ),
        (
            "[[methods]]\nkey = \"x\"\nanswer = { times = 1000 }",
            "answers",
        ),
        ("[users]\ncount = 0", "users"),
        ("[users]\nrate = -1.0", "rate"),
        ("[http]\nstatus = 1", "status"),
    ] {
        let error = Behaviour::from_toml(text).unwrap_err();
        assert!(matches!(error, Error::Usage(_)), "{text}");
        assert!(error.to_string().contains(word), "{text}: {error}");
    }
}
