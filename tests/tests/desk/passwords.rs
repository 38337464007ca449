//! Changing a password.

use okgate_harness::gateway::{DEFAULT_PASSWORD, Gateway};
use okgate_harness::password::PasswordHashes;
use okgate_harness::tab::{Tab, login_fields};
use okgate_harness::{Error, Message};
use okgate_tests::TestResult;
use serde_json::{Value, json};

use super::{refusal, settings};

async fn change(tab: &mut Tab, old: &str, new: &str, bytes: Value) -> Result<Message, Error> {
    let (old, new) = (
        PasswordHashes::of(old).as_typed,
        PasswordHashes::of(new).as_typed,
    );
    let fields = json!({"oldpwdmd5": old, "newpwdmd5": new, "newpwd": bytes});
    tab.request_ok("changepassword", fields).await
}

// protocol 6.3-e and 6.1-l
#[tokio::test]
async fn a_password_is_changed_with_the_old_one_and_both_hashes_are_made_anew() -> TestResult {
    let gateway = Gateway::start(settings()).await?;
    let mut anna = gateway.logged_in("anna").await?;
    match change(&mut anna, "wrong", "new", Value::Null).await {
        Err(Error::Failed { errormsg, .. }) => assert_eq!(errormsg, "old password is wrong"),
        other => panic!("a wrong password was taken: {other:?}"),
    }
    // "Ёж1" as its Windows-1251 bytes, each as the character with its number.
    change(&mut anna, DEFAULT_PASSWORD, "Ёж1", json!("\u{A8}\u{E6}1")).await?;
    let hashes = PasswordHashes::of("Ёж1");
    for fields in [
        json!({"userlogin": "anna", "Password": hashes.as_typed}),
        json!({"userlogin": "anna", "password": PasswordHashes::of("ёЖ1").lower_case}),
    ] {
        gateway.tab().await?.request_ok("login", fields).await?;
    }
    assert!(
        gateway.logged_in("anna").await.is_err(),
        "the old one is over"
    );
    // Without the bytes the lower-case hash is cleared.
    change(&mut anna, "Ёж1", "Other", Value::Null).await?;
    let hashes = PasswordHashes::of("Other");
    let mut tab = gateway.tab().await?;
    let lower = json!({"userlogin": "anna", "password": hashes.lower_case});
    assert_eq!(refusal(&mut tab, "login", lower).await?, 401);
    let typed = json!({"userlogin": "anna", "Password": hashes.as_typed});
    tab.request_ok("login", typed).await?;
    gateway.logged_in("boris").await?;
    let log = gateway.log();
    assert!(!log.contains(&hashes.as_typed) && !log.contains("Other"));
    Ok(gateway.stop().await?)
}

// protocol 6.3-e
#[tokio::test]
async fn hashes_that_are_none_and_bytes_of_another_password_are_refused() -> TestResult {
    let gateway = Gateway::start(settings()).await?;
    let mut anna = gateway.logged_in("anna").await?;
    let old = PasswordHashes::of(DEFAULT_PASSWORD).as_typed;
    for fields in [
        json!({}),
        json!({"oldpwdmd5": old}),
        json!({"oldpwdmd5": old, "newpwdmd5": "xyz"}),
        json!({"oldpwdmd5": old, "newpwdmd5": PasswordHashes::of("a").as_typed, "newpwd": "b"}),
        json!({"oldpwdmd5": old, "newpwdmd5": PasswordHashes::of("ж").as_typed, "newpwd": "ж"}),
        json!({"oldpwdmd5": [1], "newpwdmd5": old}),
    ] {
        assert_eq!(
            refusal(&mut anna, "changepassword", fields.clone()).await?,
            422,
            "{fields}"
        );
    }
    let none = json!({"newpwdmd5": old});
    assert_eq!(refusal(&mut anna, "changepassword", none).await?, 403);
    gateway.logged_in("anna").await?;
    Ok(gateway.stop().await?)
}

// protocol 6.3-v
#[tokio::test]
async fn a_changed_password_holds_until_the_gateway_ends() -> TestResult {
    let gateway = Gateway::start(settings()).await?;
    let mut anna = gateway.logged_in("anna").await?;
    change(&mut anna, DEFAULT_PASSWORD, "new", json!("new")).await?;
    let new = login_fields("anna", "new");
    gateway
        .tab()
        .await?
        .request_ok("login", new.clone())
        .await?;
    let gateway = gateway.restart().await?;
    gateway.logged_in("anna").await?;
    let mut tab = gateway.tab().await?;
    assert_eq!(refusal(&mut tab, "login", new).await?, 401);
    Ok(gateway.stop().await?)
}
