use super::*;
use crate::protocol::{BodyReader, EventKind, FlashMode, Sequence};

fn with<T>(fields: &str, read: impl FnOnce(&Body<'_>) -> T) -> T {
    let mut fields = fields.as_bytes().to_vec();
    BodyReader::new()
        .read(&mut fields, |body| read(&body))
        .expect("a JSON object")
}

fn parsed(name: &str, fields: &str) -> Option<Result<UserRequest, Fault>> {
    with(fields, |body| parse_user_request(Method::named(name), body))
}

#[test]
fn every_method_is_found_by_its_name_and_counted_at_its_own_place() {
    for (index, &method) in Method::ALL.iter().enumerate() {
        assert_eq!(method.index(), index);
        assert_eq!(Method::named(method.name()), method);
    }
    assert_eq!(Method::named("no such method"), Method::Unknown);
}

#[test]
fn methods_without_fields_need_no_body() {
    for (name, request) in [
        ("getmyuserinfo", UserRequest::MyUserInfo),
        ("cc_getlunchtypes", UserRequest::LunchTypes),
        ("getuserstate", UserRequest::UserState),
        ("getredirectrules", UserRequest::RedirectRules),
        ("getpbxnumbers", UserRequest::PbxNumbers),
        ("getallusernumbers", UserRequest::AllUserNumbers),
        ("getalluserphotolink", UserRequest::AllUserPhotoLinks),
        ("getextendedlineinfo", UserRequest::ExtendedLineInfo),
        ("getcurrentqueue", UserRequest::CurrentQueue),
        (
            "pbxautocallabort",
            UserRequest::Call(CallRequest::AutoCallAbort),
        ),
        ("pbxanswercall", UserRequest::Call(CallRequest::Answer)),
        ("pbxabortcall", UserRequest::Call(CallRequest::Abort)),
        ("pbxdeclinecall", UserRequest::Call(CallRequest::Decline)),
    ] {
        assert_eq!(Method::named(name).bare_request(), Some(request.clone()));
        assert_eq!(
            parsed(name, r#"{"mode":"full"}"#),
            Some(Ok(request)),
            "{name}"
        );
    }
}

#[test]
fn methods_of_the_link_itself_and_unknown_ones_are_no_requests_for_the_hub() {
    for name in ["ping", "login", "subscribeevent", "whoami"] {
        assert_eq!(parsed(name, "{}"), None, "{name}");
    }
}

#[test]
fn a_version_may_be_asked_for_with_the_procedures() {
    for (fields, with_procedures) in [
        ("{}", false),
        (r#"{"showalloweddbstoredprocs":1}"#, true),
        (r#"{"showalloweddbstoredprocs":true}"#, true),
    ] {
        let request = UserRequest::Version { with_procedures };
        assert_eq!(parsed("getversion", fields), Some(Ok(request)));
    }
}

#[test]
fn a_state_change_holds_only_what_is_there() {
    let request = parsed(
        "setuserstate",
        r#"{"userstateid":"2","onredirect":"0","lunchreasonid":3,"lunchreasonmsg":"чай"}"#,
    );
    let wanted = SetUserState {
        state: Some(StateId::Lunch),
        on_redirect: Some(false),
        lunch_reason: Some(3),
        lunch_message: Some("чай".into()),
        ..SetUserState::default()
    };
    assert_eq!(request, Some(Ok(UserRequest::SetUserState(wanted))));
}

#[test]
fn a_state_that_may_not_be_set_is_a_wrong_parameter() {
    for number in ["0", "4", "6", "7", r#""x""#] {
        let fields = format!(r#"{{"userstateid":{number}}}"#);
        let fault = parsed("setuserstate", &fields)
            .expect("a known method")
            .expect_err(number);
        assert_eq!(fault.number, ErrorNumber::WrongParameters);
    }
}

#[test]
fn a_call_is_started_with_its_number_and_order() {
    let start = |number: &str, sequence, intercom| {
        let number = number.into();
        Some(Ok(UserRequest::Call(CallRequest::AutoCallStart {
            number,
            sequence,
            intercom,
        })))
    };
    let parsed = |fields| parsed("pbxautocallstart", fields);
    assert_eq!(
        parsed(r#"{"number":101}"#),
        start("101", Sequence::User, false)
    );
    assert_eq!(
        parsed(r#"{"number":" 89274513158 ","sequence":"abonent","intercom":"1"}"#),
        start("89274513158", Sequence::Abonent, true)
    );
    for fields in [
        "{}",
        r#"{"number":" "}"#,
        r#"{"number":"1","sequence":"x"}"#,
    ] {
        let fault = parsed(fields).expect("a known method").expect_err(fields);
        assert_eq!(fault.number, ErrorNumber::WrongParameters);
    }
}

#[test]
fn a_flash_without_a_mode_or_with_next_switches() {
    for (fields, mode) in [
        ("{}", FlashMode::Switch),
        (r#"{"mode":""}"#, FlashMode::Switch),
        (r#"{"mode":"next"}"#, FlashMode::Switch),
        (r#"{"mode":"switch"}"#, FlashMode::Switch),
        (r#"{"mode":"abort"}"#, FlashMode::Abort),
    ] {
        let request = UserRequest::Call(CallRequest::Flash(mode));
        assert_eq!(parsed("pbxmakeflash", fields), Some(Ok(request)));
    }
    assert!(matches!(
        parsed("pbxmakeflash", r#"{"mode":"x"}"#),
        Some(Err(_))
    ));
}

#[test]
fn a_login_takes_both_kinds_of_hashes_a_session_or_a_token() {
    let login = with(
        r#"{"userlogin":"Anna","password":"a","Password":"b","sessionid":"s","token":"t","usewebrtc":1,"expires":"60","showid":1}"#,
        parse_login,
    );
    let wanted = LoginRequest {
        login: Some("Anna".into()),
        password_lower: Some(Secret::new("a")),
        password: Some(Secret::new("b")),
        session: Some(SessionId::named("s")),
        token: Some(Secret::new("t")),
        use_webrtc: true,
        expires: Some(Duration::from_secs(60)),
    };
    assert_eq!(login, Ok(wanted));
}

#[test]
fn empty_texts_in_a_login_are_absent_and_a_negative_life_is_refused() {
    let login = with(
        r#"{"userlogin":"","password":null,"sessionid":""}"#,
        parse_login,
    );
    assert_eq!(login, Ok(LoginRequest::default()));
    assert!(with(r#"{"expires":-1}"#, parse_login).is_err());
}

#[test]
fn subscriptions_name_events_in_a_list_or_singly() {
    let ring = [EventKind::RingStarted].into_iter().collect();
    for (fields, events) in [
        (
            r#"{"eventmethod":["phoneevent_ringstarted",null,"unheard_of"]}"#,
            ring,
        ),
        (r#"{"eventmethod":"phoneevent_ringstarted"}"#, ring),
        (r#"{"event":"phoneevent"}"#, EventSet::named("phoneevent")),
        (r#"{"eventmethod":["unheard_of"]}"#, EventSet::EMPTY),
        (r#"{"eventmethod":[null]}"#, EventSet::EMPTY),
    ] {
        assert_eq!(with(fields, parse_subscription), Ok(events), "{fields}");
    }
    assert!(with("{}", parse_subscription).is_err());
}
