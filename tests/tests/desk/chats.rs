//! Group chats.

use okgate_harness::gateway::{Gateway, user_id};
use okgate_harness::tab::Tab;
use okgate_tests::TestResult;
use serde_json::{Value, json};

use super::{events, is_counted, is_stamp, keys, refusal, settings, tab};

// protocol 6.7-i, 6.7-j, 6.7-k, 6.7-l and 7-s
#[tokio::test]
async fn a_chat_lives_from_its_creation_to_its_last_member() -> TestResult {
    let gateway = Gateway::start(settings()).await?;
    let mut anna = tab(&gateway, "anna", &["chat"]).await?;
    let mut boris = tab(&gateway, "boris", &["chat"]).await?;
    let mut vera = tab(&gateway, "vera", &["chat"]).await?;
    let created = anna
        .request_ok(
            "createchat",
            json!({"name": " Обед ", "members": ["boris", "ANNA"]}),
        )
        .await?;
    let chat = created.field("chatid").clone();
    assert_eq!(created.text("name"), Some("Обед"));
    assert_eq!(created.text("ownerid"), Some(user_id(1).as_str()));
    let member = |place: usize, login: &str, name: &str| json!({"userid": user_id(place), "userlogin": login, "username": name});
    let members = json!([member(1, "anna", "Анна"), member(2, "boris", "Борис")]);
    assert_eq!(created.field("members"), &members);
    let event = boris.event("chatcreated").await?;
    assert_eq!(
        (event.field("chatid"), event.field("members")),
        (&chat, &members)
    );
    boris
        .request_ok("renamechat", json!({"chatid": chat, "name": "Ужин"}))
        .await?;
    let event = anna.event("chatnamechanged").await?;
    assert_eq!(
        (event.text("name"), event.text("byuserlogin")),
        (Some("Ужин"), Some("boris"))
    );

    let sent = anna
        .request_ok("sendchatmessage", json!({"chatid": chat, "text": "идём?"}))
        .await?;
    let event = boris.event("chatmessage").await?;
    let wanted = [
        "chatid",
        "dt",
        "dtformat",
        "messageid",
        "sender",
        "senderuserid",
        "senderuserlogin",
        "text",
        "userid",
        "userlogin",
    ];
    assert_eq!(keys(&event), wanted.into());
    assert_eq!(event.field("messageid"), sent.field("messageid"));
    assert!(is_stamp(event.field("dt")));
    anna.event("chatmessage").await?;

    come_and_go(&mut anna, &mut boris, &mut vera, &chat).await?;
    Ok(gateway.stop().await?)
}

/// Boris takes Vera in, Anna puts her out and goes herself, and Boris is the last one to go.
async fn come_and_go(anna: &mut Tab, boris: &mut Tab, vera: &mut Tab, chat: &Value) -> TestResult {
    boris
        .request_ok(
            "addchatmembers",
            json!({"chatid": chat, "members": ["vera", "anna"]}),
        )
        .await?;
    let event = vera.event("chatcreated").await?;
    assert_eq!(event.field("members").as_array().map(Vec::len), Some(3));
    assert_eq!(
        vera.event("chatmemberadded").await?.text("memberlogin"),
        Some("vera")
    );
    assert_eq!(
        anna.event("chatmemberadded").await?.text("byuserlogin"),
        Some("boris")
    );

    // Only the owner puts others out; whoever goes is told, too.
    let out = json!({"chatid": chat, "members": [user_id(3)]});
    assert_eq!(refusal(boris, "removechatmembers", out.clone()).await?, 403);
    anna.request_ok("removechatmembers", out).await?;
    assert_eq!(
        vera.event("chatmemberremoved").await?.text("memberid"),
        Some(user_id(3).as_str())
    );
    assert_eq!(
        refusal(
            vera,
            "sendchatmessage",
            json!({"chatid": chat, "text": "x"})
        )
        .await?,
        404
    );

    anna.request_ok("leavechat", json!({"chatid": chat}))
        .await?;
    let own = boris.request_ok("getchats", json!({})).await?;
    assert_eq!(
        own.field("chats")[0]["ownerlogin"],
        "boris",
        "the next one owns it"
    );
    boris
        .request_ok("leavechat", json!({"chatid": chat}))
        .await?;
    assert_eq!(
        boris
            .request_ok("getchats", json!({}))
            .await?
            .field("chats"),
        &json!([])
    );
    Ok(())
}

// protocol 6.7-k and 6.7-l
#[tokio::test]
async fn what_was_said_can_be_read_again_and_is_seen_once() -> TestResult {
    let gateway = Gateway::start(settings().set("desk.chat_messages_max", 3)).await?;
    let mut anna = tab(&gateway, "anna", &["chat"]).await?;
    let created = anna
        .request_ok("createchat", json!({"name": "x", "members": ["boris"]}))
        .await?;
    let chat = created.field("chatid").clone();
    let mut ids = Vec::new();
    for text in ["1", "2", "3", "4"] {
        let sent = anna
            .request_ok("sendchatmessage", json!({"chatid": chat, "text": text}))
            .await?;
        ids.push(sent.field("messageid").clone());
    }
    // Boris was not there.
    let mut boris = tab(&gateway, "boris", &["chat"]).await?;
    assert!(events(&mut boris).await?.is_empty());
    let chats = boris.request_ok("getchats", json!({})).await?;
    assert_eq!(chats.field("chats")[0]["unviewed"], 3);
    assert_eq!(chats.field("chats")[0]["lastmessageid"], ids[3]);
    let texts = |answer: &okgate_harness::Message| -> Vec<Value> {
        let messages = answer
            .field("messages")
            .as_array()
            .cloned()
            .unwrap_or_default();
        messages
            .into_iter()
            .map(|message| message["text"].clone())
            .collect()
    };
    let all = boris
        .request_ok("getchatmessages", json!({"chatid": chat}))
        .await?;
    assert_eq!(texts(&all), ["2", "3", "4"]);
    let older = json!({"chatid": chat, "count": "1", "beforeid": ids[3]});
    assert_eq!(
        texts(&boris.request_ok("getchatmessages", older).await?),
        ["3"]
    );
    let forgotten = json!({"chatid": chat, "beforeid": ids[0]});
    assert_eq!(
        refusal(&mut boris, "getchatmessages", forgotten).await?,
        404
    );
    for message in [&ids[2], &ids[2], &ids[1]] {
        boris
            .request_ok(
                "viewchatmessage",
                json!({"chatid": chat, "messageid": message}),
            )
            .await?;
    }
    let chats = boris.request_ok("getchats", json!({})).await?;
    assert_eq!(chats.field("chats")[0]["unviewed"], 1);
    let seen = events(&mut anna).await?;
    let viewed: Vec<_> = seen
        .iter()
        .filter(|event| event.name == "chatmessageviewed")
        .collect();
    assert_eq!(viewed.len(), 1, "only what is news is told");
    assert_eq!(viewed[0].text("vieweruserlogin"), Some("boris"));
    assert_eq!(viewed[0].field("messageid"), &ids[2]);
    Ok(gateway.stop().await?)
}

// protocol 6.7-i and 9-r
#[tokio::test]
async fn strangers_learn_nothing_of_a_chat() -> TestResult {
    let gateway = Gateway::start(settings()).await?;
    let mut anna = gateway.logged_in("anna").await?;
    let mut boris = gateway.logged_in("boris").await?;
    let created = anna.request_ok("createchat", json!({"name": "a"})).await?;
    let chat = created.field("chatid").clone();
    let other = json!("00000000-0000-4000-8000-00000000abcd");
    for (method, fields) in [
        ("renamechat", json!({"name": "x"})),
        ("addchatmembers", json!({"members": ["boris"]})),
        ("removechatmembers", json!({"members": ["anna"]})),
        ("leavechat", json!({})),
        ("sendchatmessage", json!({"text": "x"})),
        ("viewchatmessage", json!({"messageid": other})),
        ("getchatmessages", json!({})),
    ] {
        for id in [&chat, &other] {
            let mut fields = fields.clone();
            fields["chatid"] = id.clone();
            assert_eq!(
                refusal(&mut boris, method, fields).await?,
                404,
                "{method}: a stranger learns nothing"
            );
        }
        assert_eq!(refusal(&mut boris, method, fields).await?, 422, "{method}");
    }
    Ok(gateway.stop().await?)
}

// protocol 6.7-i and 9-r
#[tokio::test]
async fn chats_are_bounded_in_number_in_members_and_in_what_is_said() -> TestResult {
    let settings = settings()
        .set("desk.chats_max", 2)
        .set("desk.chats_per_user", 1)
        .set("desk.chat_members_max", 2)
        .set("desk.chat_bytes_max", 65_536);
    let gateway = Gateway::start(settings).await?;
    let mut anna = gateway.logged_in("anna").await?;
    let mut boris = gateway.logged_in("boris").await?;
    let created = anna.request_ok("createchat", json!({"name": "a"})).await?;
    let chat = created.field("chatid").clone();
    assert_eq!(
        refusal(&mut anna, "createchat", json!({"name": "b"})).await?,
        429
    );
    assert_eq!(
        refusal(
            &mut boris,
            "createchat",
            json!({"name": "b", "members": ["nobody"]})
        )
        .await?,
        404
    );
    assert_eq!(
        refusal(&mut boris, "createchat", json!({"name": "b".repeat(300)})).await?,
        422
    );
    assert_eq!(
        refusal(
            &mut boris,
            "createchat",
            json!({"name": "b", "members": ["anna"]})
        )
        .await?,
        429
    );
    boris
        .request_ok("createchat", json!({"name": "b", "members": ["vera"]}))
        .await?;
    let mut vera = gateway.logged_in("vera").await?;
    assert_eq!(
        refusal(&mut vera, "createchat", json!({"name": "c"})).await?,
        429
    );
    let long = json!({"chatid": chat, "text": "x".repeat(20_000)});
    assert_eq!(refusal(&mut anna, "sendchatmessage", long).await?, 413);
    // Old messages make room for new ones of the same chat.
    for _ in 0..8 {
        let text = json!({"chatid": chat, "text": "x".repeat(16_000)});
        anna.request_ok("sendchatmessage", text).await?;
    }
    for reason in ["chats_max", "chats_per_user", "text_too_long"] {
        is_counted(&gateway, reason).await?;
    }
    Ok(gateway.stop().await?)
}
