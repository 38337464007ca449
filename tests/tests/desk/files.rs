//! Temporary passwords, uploads, downloads and photos.

use anyhow::Context as _;
use okgate_harness::Message;
use okgate_harness::gateway::{Gateway, user_id};
use okgate_harness::tab::Tab;
use okgate_tests::TestResult;
use okgate_tests::raw::{Answer, RawLink};
use serde_json::{Value, json};

use super::{events, is_counted, refusal, settings, tab};

/// A picture by its first bytes, and text besides.
const PICTURE: &str = "GIF89a and so on";

async fn password(tab: &mut Tab, fields: Value) -> anyhow::Result<String> {
    let answer = tab.request_ok("gettemphttppass", fields).await?;
    Ok(answer.text("password").context("a password")?.to_owned())
}

/// Uploads a form with these files.
async fn upload(gateway: &Gateway, query: &str, files: &[(&str, &str)]) -> anyhow::Result<Answer> {
    let mut body = String::new();
    for (name, contents) in files {
        let disposition = format!("form-data; name=\"f\"; filename=\"{name}\"");
        for part in [
            "--BB\r\nContent-Disposition: ",
            &disposition,
            "\r\n\r\n",
            contents,
            "\r\n",
        ] {
            body.push_str(part);
        }
    }
    body += "--BB--\r\n";
    send(gateway, query, "multipart/form-data; boundary=BB", &body).await
}

async fn send(
    gateway: &Gateway,
    query: &str,
    content_type: &str,
    body: &str,
) -> anyhow::Result<Answer> {
    let mut link = RawLink::connect(gateway.addresses().web).await?;
    let request = format!(
        "POST /upload?{query} HTTP/1.1\r\nHost: gate\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    link.ask(&request).await
}

async fn get(gateway: &Gateway, path: &str) -> anyhow::Result<Answer> {
    let mut link = RawLink::connect(gateway.addresses().web).await?;
    link.ask(&format!("GET {path} HTTP/1.1\r\nHost: gate\r\n\r\n"))
        .await
}

/// The path of the one file that was uploaded.
fn path(answer: &Answer) -> anyhow::Result<String> {
    anyhow::ensure!(answer.status == 200, "{answer:?}");
    anyhow::ensure!(
        answer.body.contains("uploadfilesresult count=\"1\""),
        "{}",
        answer.body
    );
    let (_, rest) = answer.body.split_once(" path=\"").context("a path")?;
    Ok(rest.split('"').next().unwrap_or_default().to_owned())
}

// protocol 6.7-d, 7-o, 10-j and 10-k
#[tokio::test]
async fn an_upload_is_done_once_with_its_password_and_copied_to_the_link_that_asked() -> TestResult
{
    let gateway = Gateway::start(settings()).await?;
    let mut anna = gateway.logged_in("anna").await?;
    let mut other = tab(&gateway, "anna", &["httpresponsecopy"]).await?;
    let temp = password(&mut anna, json!({"responsetowebsock": 1})).await?;
    assert!(temp.len() >= 32, "unguessable");
    let query = format!("temppass={temp}&&storagemode=storage&pathmode=absolute");
    let answer = upload(&gateway, &query, &[("отчёт 1.txt", "hello")]).await?;
    assert_eq!(
        answer.header("content-type"),
        Some("text/xml; charset=utf-8")
    );
    let path = path(&answer)?;
    assert!(path.starts_with("/download/"), "{path}");
    let copy = anna.event("httpresponsecopy").await?;
    assert_eq!(copy.text("password"), Some(temp.as_str()));
    assert_eq!(copy.text("response"), Some("200 OK"));
    assert_eq!(copy.text("content"), Some(answer.body.as_str()));
    assert!(events(&mut other).await?.is_empty(), "to the one link only");
    let file = get(&gateway, &path).await?;
    assert_eq!((file.status, file.body.as_str()), (200, "hello"));
    assert_eq!(
        file.header("content-type"),
        Some("application/octet-stream")
    );
    assert_eq!(file.header("content-disposition"), Some("attachment"));
    assert_eq!(file.header("x-content-type-options"), Some("nosniff"));
    // Once only, and by nobody without a password.
    for query in [
        query.as_str(),
        "temppass=",
        "temppass=guess",
        "storagemode=temp",
    ] {
        assert_eq!(
            upload(&gateway, query, &[("a", "b")]).await?.status,
            401,
            "{query}"
        );
    }
    let temp = password(&mut anna, json!({})).await?;
    let query = format!("temppass={temp}&pathmode=relative&storagemode=temp");
    let relative = self::path(&upload(&gateway, &query, &[("a.txt", "b")]).await?)?;
    assert_eq!(
        get(&gateway, &format!("/download/{relative}")).await?.body,
        "b"
    );
    assert_eq!(events(&mut anna).await?.len(), 1, "no copy was asked for");
    assert!(!gateway.log().contains(&temp), "secrets are not logged");
    Ok(gateway.stop().await?)
}

// protocol 10-j and 10-k
#[tokio::test]
async fn names_that_are_paths_lead_nowhere() -> TestResult {
    let gateway = Gateway::start(settings()).await?;
    let mut anna = gateway.logged_in("anna").await?;
    for name in [
        "../../../etc/passwd",
        "..\\\\..\\\\boot.ini",
        "/etc/shadow",
        "..",
        "a<b>&'c",
        "%2e%2e%2f",
    ] {
        let temp = password(&mut anna, json!({})).await?;
        let answer = upload(&gateway, &format!("temppass={temp}"), &[(name, "x")]).await?;
        let path = path(&answer)?;
        let parts: Vec<&str> = path.split('/').collect();
        assert_eq!(parts.len(), 4, "{path}");
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
        assert!(
            parts[3].chars().all(is_plain) && !parts[3].chars().all(|it| it == '.'),
            "{path}"
        );
        assert_eq!(get(&gateway, &path).await?.body, "x");
    }
    for path in [
        "/download/",
        "/download/../okgate.toml",
        "/download/..%2f..%2fetc/passwd",
        "/download//etc/passwd",
        "/photo/",
        "/photo/x/y",
        "/photo/../../etc/passwd",
        "/photo/00000000-0000-4000-8000-000000000001/",
    ] {
        assert_eq!(get(&gateway, path).await?.status, 404, "{path}");
    }
    for method in ["GET", "PUT", "DELETE"] {
        let mut link = RawLink::connect(gateway.addresses().web).await?;
        let answer = link
            .ask(&format!("{method} /upload HTTP/1.1\r\nHost: gate\r\n\r\n"))
            .await?;
        assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")));
    }
    Ok(gateway.stop().await?)
}

// protocol 10-j, 7-o and 9-r
#[tokio::test]
async fn uploads_that_are_too_big_or_no_forms_are_refused_and_the_link_is_told() -> TestResult {
    let settings = settings()
        .set("desk.upload_bytes_max", 1024)
        .set("desk.files_bytes_max", 65_536);
    let gateway = Gateway::start(settings).await?;
    let mut anna = gateway.logged_in("anna").await?;
    let big = "x".repeat(1025);
    let cases = [
        (
            "multipart/form-data; boundary=BB",
            format!("--BB\r\nContent-Disposition: form-data; filename=a\r\n\r\n{big}\r\n--BB--"),
            413,
        ),
        ("multipart/form-data; boundary=BB", "x".repeat(100_000), 413),
        (
            "multipart/form-data; boundary=BB",
            "garbage".to_owned(),
            400,
        ),
        ("multipart/form-data; boundary=BB", "--BB--".to_owned(), 400),
        ("multipart/form-data", "x".to_owned(), 400),
        ("application/json", "{}".to_owned(), 400),
    ];
    for (content_type, body, status) in cases {
        let temp = password(&mut anna, json!({"responsetowebsock": true})).await?;
        let answer = send(&gateway, &format!("temppass={temp}"), content_type, &body).await?;
        assert_eq!(
            answer.status,
            status,
            "{content_type} {}",
            &body[..body.len().min(50)]
        );
        let copy = anna.event("httpresponsecopy").await?;
        let response = copy.text("response").unwrap_or_default().to_owned();
        assert!(response.starts_with(&status.to_string()), "{response}");
        assert_eq!(copy.text("password"), Some(temp.as_str()));
    }
    for query in [
        "storagemode=script&temppass=",
        "storagemode=elsewhere&temppass=",
        "pathmode=up&temppass=",
    ] {
        let temp = password(&mut anna, json!({})).await?;
        let answer = upload(&gateway, &format!("{query}{temp}"), &[("a", "b")]).await?;
        assert!(matches!(answer.status, 400 | 501), "{answer:?}");
    }
    is_counted(&gateway, "upload").await?;
    Ok(gateway.stop().await?)
}

// protocol 10-j and 9-r
#[tokio::test]
async fn files_are_bounded_in_number_and_in_all() -> TestResult {
    let settings = settings()
        .set("desk.upload_bytes_max", 50_000)
        .set("desk.files_bytes_max", 65_536)
        .set("desk.uploads_per_user", 2);
    let gateway = Gateway::start(settings).await?;
    let mut anna = gateway.logged_in("anna").await?;
    let mut paths = Vec::new();
    for contents in ["1", "2", "3"] {
        let temp = password(&mut anna, json!({})).await?;
        paths.push(path(
            &upload(&gateway, &format!("temppass={temp}"), &[("a", contents)]).await?,
        )?);
    }
    assert_eq!(
        get(&gateway, &paths[0]).await?.status,
        404,
        "the oldest is gone"
    );
    assert_eq!(get(&gateway, &paths[2]).await?.body, "3");
    let big = "x".repeat(40_000);
    let mut boris = gateway.logged_in("boris").await?;
    for (tab, status) in [(&mut anna, 200), (&mut boris, 507)] {
        let temp = password(tab, json!({})).await?;
        let answer = upload(&gateway, &format!("temppass={temp}"), &[("a", &big)]).await?;
        assert_eq!(answer.status, status);
    }
    is_counted(&gateway, "files_max").await?;
    Ok(gateway.stop().await?)
}

// protocol 6.7-d
#[tokio::test]
async fn of_too_many_temporary_passwords_the_oldest_ends() -> TestResult {
    let gateway = Gateway::start(settings()).await?;
    let mut anna = gateway.logged_in("anna").await?;
    let first = password(&mut anna, json!({})).await?;
    for _ in 0..10 {
        password(&mut anna, json!({})).await?;
    }
    assert_eq!(
        upload(&gateway, &format!("temppass={first}"), &[("a", "b")])
            .await?
            .status,
        401
    );
    Ok(gateway.stop().await?)
}

/// The fields of a photo's links.
fn photo(answer: &Message) -> Value {
    let field = |key: &str| answer.field(key).clone();
    json!({"id": field("id"), "link": field("link"), "link32x32": field("link32x32"), "link96x96": field("link96x96")})
}

/// Uploads one file and gives its path.
async fn uploaded(gateway: &Gateway, tab: &mut Tab, contents: &str) -> anyhow::Result<String> {
    let temp = password(tab, json!({})).await?;
    path(&upload(gateway, &format!("temppass={temp}"), &[("я.gif", contents)]).await?)
}

// protocol 6.4-c, 6.4-d, 6.4-i and 10-i
#[tokio::test]
async fn an_uploaded_picture_becomes_the_users_photo_that_everybody_finds() -> TestResult {
    let gateway = Gateway::start(settings()).await?;
    let mut anna = gateway.logged_in("anna").await?;
    let mut boris = gateway.logged_in("boris").await?;
    let none = json!({"id": user_id(1), "link": "", "link32x32": "", "link96x96": ""});
    let answer = anna
        .request_ok("getuserphoto", json!({"mode": "page"}))
        .await?;
    assert_eq!(photo(&answer), none);
    let picture = uploaded(&gateway, &mut anna, PICTURE).await?;
    let text = uploaded(&gateway, &mut anna, "no picture").await?;
    assert_eq!(
        refusal(&mut boris, "setmyuserphoto", json!({"filepath": picture})).await?,
        404,
        "not his"
    );
    assert_eq!(
        refusal(&mut anna, "setmyuserphoto", json!({"filepath": text})).await?,
        422
    );
    for path in ["/etc/passwd", "../../etc/passwd", "x", "/download//"] {
        assert_eq!(
            refusal(&mut anna, "setmyuserphoto", json!({"filepath": path})).await?,
            404
        );
    }
    let set = anna
        .request_ok("setmyuserphoto", json!({"filepath": picture}))
        .await?;
    let all = boris
        .request_ok("getalluserphotolink", json!({"mode": "page"}))
        .await?;
    assert_eq!(all.field("links"), &json!([photo(&set)]));
    let one = boris
        .request_ok("getuserphoto", json!({"id": "ANNA"}))
        .await?;
    assert_eq!(photo(&one), photo(&set));
    assert_eq!(
        refusal(&mut boris, "getuserphoto", json!({"id": "nobody"})).await?,
        404
    );
    for key in ["link", "link32x32", "link96x96"] {
        let link = set.text(key).context("a link")?;
        assert!(link.starts_with("/photo/"), "{link}");
        let found = get(&gateway, link).await?;
        assert_eq!((found.status, found.body.as_str()), (200, PICTURE));
        assert_eq!(found.header("content-type"), Some("image/gif"));
    }
    let guessed = format!("/photo/{}/{}", user_id(1), "0".repeat(32));
    assert_eq!(get(&gateway, &guessed).await?.status, 404);
    // Another photo has another link, and the old one is over.
    let again = anna
        .request_ok("setmyuserphoto", json!({"filepath": picture}))
        .await?;
    assert_ne!(again.text("link"), set.text("link"));
    assert_eq!(
        get(&gateway, set.text("link").context("a link")?)
            .await?
            .status,
        404
    );
    Ok(gateway.stop().await?)
}

// protocol 10-l and 6.4-c
#[tokio::test]
async fn with_a_data_directory_photos_and_uploads_outlive_the_gateway_and_without_one_they_do_not()
-> TestResult {
    for is_kept in [true, false] {
        let settings = if is_kept {
            settings().set("gateway.data_dir", "data")
        } else {
            settings()
        };
        let gateway = Gateway::start(settings).await?;
        let mut anna = gateway.logged_in("anna").await?;
        let path = uploaded(&gateway, &mut anna, PICTURE).await?;
        let set = anna
            .request_ok("setmyuserphoto", json!({"filepath": path}))
            .await?;
        drop(anna);
        let gateway = if is_kept {
            gateway.restart().await?
        } else {
            gateway.kill_and_restart().await?
        };
        let mut anna = gateway.logged_in("anna").await?;
        let found = anna.request_ok("getuserphoto", json!({})).await?;
        let status = if is_kept { 200 } else { 404 };
        assert_eq!(found.text("link") == set.text("link"), is_kept);
        assert_eq!(get(&gateway, &path).await?.status, status);
        assert_eq!(
            get(&gateway, set.text("link").context("a link")?)
                .await?
                .status,
            status
        );
        gateway.stop().await?;
    }
    Ok(())
}
