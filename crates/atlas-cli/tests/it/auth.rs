//! Tokens and signed URLs: who is let in, who is not, and that no secret comes by argument.

use serde_json::Value;

use crate::home::{Home, Ran};

fn mint(home: &Home) -> Value {
    home.good(&["token", "mint", "--json"]).json()
}

#[test]
fn a_minted_token_belongs_to_its_hash() {
    let home = Home::new();
    let minted = mint(&home);
    let (token, hash) = (minted["token"].as_str().expect("text"), minted["hash"].as_str().expect("text"));
    assert_eq!(minted["header"], format!("Authorization: Bearer {token}"));
    assert_eq!(minted["env"]["ATLAS_PRESHARED_KEY"], token);
    for input in [token.to_owned(), format!("{token}\n"), format!("{token}\r\n")] {
        assert_eq!(home.run_with_input(&["token", "verify", hash], input.as_bytes()).code, 0);
    }
    home.scrub().bind(|| {
        insta::assert_snapshot!(home.good(&["token", "mint"]).out, @"
    token   [key]
    hash    [hash]
    header  Authorization: Bearer [key]
    env     ATLAS_PRESHARED_KEY=[key]
    ");
    });
    assert!(!home.state().exists(), "tokens need no state directory");
}

#[test]
fn another_token_does_not() {
    let home = Home::new();
    let (minted, other) = (mint(&home), mint(&home));
    let hash = minted["hash"].as_str().expect("text");
    let token = minted["token"].as_str().expect("text");
    let wrong = [
        other["token"].as_str().expect("text").to_owned(),
        format!("{token}\n\n"),
        format!(" {token}"),
        token[1..].to_owned(),
        String::new(),
    ];
    for input in wrong {
        let ran = home.run_with_input(&["token", "verify", hash, "--json"], input.as_bytes());
        assert_eq!(ran.code, 4);
        assert_eq!(ran.error()["kind"], "unauthorized");
        assert!(!ran.err.contains(&input) || input.is_empty(), "the token is shown");
    }
    assert_eq!(home.run_with_input(&["token", "verify", hash], b"\xff\xfe").code, 4);
}

#[test]
fn a_malformed_hash_is_a_usage_error() {
    let home = Home::new();
    let long = "A".repeat(64);
    for hash in ["abc", "-abc", "", long.as_str()] {
        assert_eq!(home.run(&["token", "verify", hash]).code, 2, "{hash}");
    }
}

fn sign(home: &Home, words: &[&str]) -> Ran {
    let all = [&["url", "sign", "https://gpu.example/out.png?n=1", "--secret-env", "KEY"], words].concat();
    Ran::from(home.command(&all).env("KEY", "a key of some length").output().expect("it starts"))
}

fn verify(home: &Home, url: &str, key: &str, words: &[&str]) -> Ran {
    let all = [&["url", "verify", url, "--secret-env", "KEY"], words].concat();
    Ran::from(home.command(&all).env("KEY", key).output().expect("it starts"))
}

#[test]
fn a_signed_url_is_good_and_an_altered_one_is_not() {
    let home = Home::new();
    let key = "a key of some length";
    let signed = sign(&home, &["--json"]).json();
    let url = signed["url"].as_str().expect("text");
    assert!(signed["expires_at"].as_str().expect("text").ends_with('Z'));
    assert_eq!(verify(&home, url, key, &[]).code, 0);
    assert_eq!(verify(&home, url, key, &["--method", "HEAD"]).code, 0);
    assert_eq!(sign(&home, &[]).out.lines().count(), 1, "the URL and nothing else");

    let forged = [
        (url.replace("n=1", "n=2"), key, vec![]),
        (url.replace("gpu.example", "gpu.example.evil"), key, vec![]),
        (url.to_owned(), "another key", vec![]),
        (url.to_owned(), key, vec!["--method", "PUT"]),
        (url.to_owned(), key, vec!["--key-id", "-other"]),
    ];
    for (url, key, words) in forged {
        let ran = verify(&home, &url, key, &[&words[..], &["--json"]].concat());
        assert_eq!(ran.code, 4, "{words:?}: {ran:?}");
        assert_eq!(ran.error()["kind"], "unauthorized");
    }
    let truncated = [&url[..url.len() - 1], &url[..url.len() - 43], "https://gpu.example/out.png", "no url"];
    for url in truncated {
        let ran = verify(&home, url, key, &["--json"]);
        assert_eq!(ran.code, 2, "{url}: {ran:?}");
        assert_eq!(ran.error()["kind"], "validation");
    }
}

#[test]
fn an_expired_url_is_refused() {
    let home = Home::new();
    let url = sign(&home, &["--expires", "1s"]).out;
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let ran = verify(&home, url.trim(), "a key of some length", &[]);
    assert_eq!(ran.code, 4);
    assert!(ran.complaint().contains("expired"), "{ran:?}");
}

#[test]
fn absurd_terms_are_refused() {
    let home = Home::new();
    for words in [
        &["--expires", "0s"][..],
        &["--expires", "-1h"],
        &["--expires", "3600"],
        &["--expires", "99999999999999y"],
        &["--method", "not a method"],
        &["--key-id", "a b"],
    ] {
        assert_eq!(sign(&home, words).code, 2, "{words:?}");
    }
}

#[test]
fn a_secret_comes_by_file_variable_or_standard_input() {
    let home = Home::new();
    std::fs::write(home.path().join("key"), "a key of some length\n").expect("it can be written");
    let url = sign(&home, &[]).out;
    let url = url.trim();
    assert_eq!(home.run(&["url", "verify", url, "--secret-file", "key"]).code, 0);
    let input = b"a key of some length\n";
    assert_eq!(home.run_with_input(&["url", "verify", url, "--secret-file", "-"], input).code, 0);
    for words in [
        &["--secret-file", "nowhere"][..],
        &["--secret-env", "NOT_SET"],
        &["--secret-file", "key", "--secret-env", "KEY"],
        &["--secret", "key"],
        &[],
    ] {
        assert_eq!(home.run(&[&["url", "verify", url], words].concat()).code, 2, "{words:?}");
    }
    assert_eq!(home.run_with_input(&["url", "verify", url, "--secret-file", "-"], b"\n").code, 2, "an empty secret");
}
