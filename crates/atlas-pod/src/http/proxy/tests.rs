//! What passes the proxy and what stays behind.

use super::*;

fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
    lines.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
}

fn inner() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 18_000))
}

#[test]
fn what_concerns_the_connection_stays_behind() {
    let mut passed = headers(&[
        ("host", "127.0.0.1:40000"),
        ("connection", "close, X-Private, content-length, host"),
        ("x-private", "1"),
        ("keep-alive", "timeout=5"),
        ("te", "deflate, Trailers"),
        ("trailer", "x-sum"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("expect", "100-continue"),
        ("x-forwarded-host", "evil.example"),
        ("forwarded", "host=evil.example"),
        ("content-length", "3"),
        ("authorization", "Bearer x"),
        ("x-own", "kept"),
    ]);
    prepare_request(&mut passed, inner());
    let mut names: Vec<String> =
        passed.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    names.sort();
    assert_eq!(
        names,
        [
            "authorization: Bearer x",
            "connection: te",
            "content-length: 3",
            "host: 127.0.0.1:40000",
            "te: trailers",
            "trailer: x-sum",
            "x-forwarded-host: 127.0.0.1:40000",
            "x-forwarded-proto: http",
            "x-own: kept",
        ]
    );
}

#[test]
fn an_old_client_without_host_gets_one() {
    let mut passed = HeaderMap::new();
    prepare_request(&mut passed, inner());
    assert_eq!(passed[HOST], "127.0.0.1:18000");
    assert!(!passed.contains_key("x-forwarded-host"));
}

#[test]
fn targets_are_brought_into_origin_form() {
    for (target, expected) in [("/a?b=c", "/a?b=c"), ("http://host:1/a?b", "/a?b"), ("http://host", "/"), ("*", "*")] {
        assert_eq!(origin_form(&target.parse().unwrap()).to_string(), expected, "{target}");
    }
}

#[test]
fn only_websockets_are_refused() {
    for (value, refused) in [("websocket", true), ("h2c, WebSocket", true), ("h2c", false), ("websockets", false)] {
        assert_eq!(asks_for_websocket(&headers(&[("upgrade", value)])), refused, "{value}");
    }
    assert!(!asks_for_websocket(&HeaderMap::new()));
}
