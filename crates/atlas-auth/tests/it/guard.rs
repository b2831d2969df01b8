//! The guard, seen by browsers and others.

use std::convert::Infallible;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use atlas_auth::{
    BearerToken, Clock, GuardBuilder, GuardError, GuardLayer, Secret, SeededEntropy, Timestamp, TokenHash, UrlSigner,
    UrlVerifier,
};
use http::{HeaderMap, Request, Response, StatusCode};
use proptest::prelude::*;
use tower::{Layer, ServiceExt};

const PAGE: &str = "https://app.example";
const HOST: &str = "gpu.example";

/// A clock that stands at the beginning of 1970, plus this many seconds.
#[derive(Debug)]
struct At(i64);

impl Clock for At {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(self.0)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn boot(&self) -> Duration {
        Duration::ZERO
    }
}

fn token() -> BearerToken {
    BearerToken::mint(&SeededEntropy::new(1))
}

fn verifier() -> UrlVerifier {
    UrlVerifier::new("1", Secret::from("signing key")).unwrap()
}

fn sign(method: &str, url: &str) -> String {
    let signer = UrlSigner::new("1", Secret::from("signing key")).unwrap();
    signer.sign(method, url, Timestamp::from_seconds(100)).unwrap().expose().to_owned()
}

/// A guard that admits by both, at a time when the URLs of `sign` are good.
fn guard() -> GuardBuilder {
    GuardLayer::builder()
        .bearer(token().hash())
        .signed_urls(verifier())
        .public_origin(format!("https://{HOST}"))
        .allow_origin(PAGE)
        .clock(Arc::new(At(99)))
}

/// Sends a request through the guard to a service that answers with what it saw.
async fn send(guard: GuardBuilder, request: Request<()>) -> Response<String> {
    let service = tower::service_fn(async |request: Request<()>| {
        let mut seen = format!("{} {}\n", request.method(), request.uri());
        let mut headers: Vec<_> = request.headers().iter().collect();
        headers.sort_by_key(|(name, _)| name.as_str());
        for (name, value) in headers {
            let _ = writeln!(seen, "{name}: {}", value.to_str().unwrap_or("?"));
        }
        Ok::<_, Infallible>(
            Response::builder().header("vary", "accept").header("access-control-allow-origin", "*").body(seen).unwrap(),
        )
    });
    guard.build().unwrap().layer(service).oneshot(request).await.unwrap_or_else(|never| match never {})
}

fn get(target: &str) -> http::request::Builder {
    Request::get(target).header("host", HOST)
}

fn with_token(target: &str) -> http::request::Builder {
    get(target).header("authorization", token().header_value().expose())
}

/// What a server is sent for a whole URL: the path and query alone.
fn target(url: &str) -> &str {
    let rest = url.split_once("://").unwrap().1;
    &rest[rest.find('/').unwrap()..]
}

fn admitted(response: &Response<String>) -> bool {
    response.status() == StatusCode::OK
}

/// Status, headers and body as lines, in order.
fn shown(response: &Response<String>) -> String {
    let mut lines: Vec<String> =
        response.headers().iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    lines.sort();
    format!("{}\n{}\n\n{}", response.status(), lines.join("\n"), response.body())
}

#[tokio::test]
async fn a_bearer_token_admits_and_goes_no_further() {
    let response = send(guard(), with_token("/a?b=c").header("x-own", "1").body(()).unwrap()).await;
    insta::assert_snapshot!(shown(&response), @"
    200 OK
    vary: accept
    vary: origin

    GET /a?b=c
    host: gpu.example
    x-own: 1
    ");
}

#[tokio::test]
async fn without_a_credential_the_answer_tells_nothing() {
    let response = send(guard(), get("/a").body(()).unwrap()).await;
    insta::assert_snapshot!(shown(&response), @"
    401 Unauthorized
    cache-control: no-store
    content-type: text/plain; charset=utf-8
    vary: origin
    www-authenticate: Bearer

    unauthorized
    ");
}

#[tokio::test]
async fn the_authorization_header_is_read_strictly() {
    let token = token();
    let token = token.expose();
    let cases = [
        (vec![format!("Bearer {token}")], true),
        (vec![format!("bearer {token}")], true),
        (vec![format!("BEARER  {token}")], true),
        (vec![format!("Bearer {token}x")], false),
        (vec![format!("Bearer {}", &token[1..])], false),
        (vec![format!("Bearer {}", token.to_lowercase())], false),
        (vec![format!("Bearer{token}")], false),
        (vec![format!("Bearer\t{token}")], false),
        (vec![format!("Bearer {token}, Bearer {token}")], false),
        (vec![format!("Basic {token}")], false),
        (vec![token.to_owned()], false),
        (vec!["Bearer ".to_owned()], false),
        (vec!["Bearer".to_owned()], false),
        (vec![String::new()], false),
        (vec![format!("Bearer {}", TokenHash::of(token))], false),
        (vec![format!("Bearer {token}"), format!("Bearer {token}")], false),
        (vec!["Bearer wrong".to_owned(), format!("Bearer {token}")], false),
    ];
    for (headers, expected) in cases {
        let mut request = get("/");
        for header in &headers {
            request = request.header("authorization", header);
        }
        let response = send(guard(), request.body(()).unwrap()).await;
        assert_eq!(admitted(&response), expected, "{headers:?}");
        assert!(expected || response.status() == StatusCode::UNAUTHORIZED, "{headers:?}");
    }
}

/// Two of them leave open which one the service would believe, whatever else the request brings.
#[tokio::test]
async fn two_authorization_headers_are_refused_even_with_a_signed_url() {
    let url = sign("GET", "https://gpu.example/a");
    let two = with_token(target(&url)).header("authorization", "Basic b3du").body(()).unwrap();
    assert_eq!(send(guard(), two).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn several_tokens_are_valid_at_once() {
    let new = BearerToken::mint(&SeededEntropy::new(2));
    let both = || guard().bearer(new.hash());
    assert!(admitted(&send(both(), with_token("/").body(()).unwrap()).await));
    let by_new = || get("/").header("authorization", new.header_value().expose()).body(()).unwrap();
    assert!(admitted(&send(both(), by_new()).await));
    assert_eq!(send(guard(), by_new()).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_signed_url_admits_and_its_signature_goes_no_further() {
    let url = sign("GET", "https://gpu.example/out%20put?b=c%2Fd&e");
    let response = send(guard(), get(target(&url)).body(()).unwrap()).await;
    insta::assert_snapshot!(response.body(), @"
    GET /out%20put?b=c%2Fd&e
    host: gpu.example
    ");
    let head = Request::head(target(&url)).header("host", HOST).body(()).unwrap();
    assert!(admitted(&send(guard(), head).await));
    let bare = sign("GET", "https://gpu.example/");
    let response = send(guard(), get(target(&bare)).body(()).unwrap()).await;
    assert_eq!(response.body().lines().next(), Some("GET /"));
    // The service's own header is not the guard's.
    let own = get(target(&bare)).header("authorization", "Basic b3du").body(()).unwrap();
    assert!(send(guard(), own).await.body().contains("authorization: Basic b3du"));
}

#[tokio::test]
async fn credentials_are_forwarded_where_that_is_asked_for() {
    let url = sign("GET", "https://gpu.example/?a=b");
    let response = send(guard().forward_credentials(true), with_token(target(&url)).body(()).unwrap()).await;
    assert!(response.body().contains("authorization: Bearer ") && response.body().contains("&atlas-signature="));
    let response = send(guard(), with_token(target(&url)).body(()).unwrap()).await;
    assert_eq!(response.body(), "GET /?a=b\nhost: gpu.example\n", "both are stripped");
}

#[tokio::test]
async fn a_signed_url_that_does_not_serve_is_forbidden_and_the_answer_tells_nothing() {
    let url = sign("GET", "https://gpu.example/a");
    let expired = send(guard().clock(Arc::new(At(100))), get(target(&url)).body(()).unwrap()).await;
    insta::assert_snapshot!(shown(&expired), @"
    403 Forbidden
    cache-control: no-store
    content-type: text/plain; charset=utf-8
    vary: origin

    forbidden
    ");
    let forged = url.replace("/a?", "/b?");
    let elsewhere = sign("GET", "https://other.example/a");
    let for_another_port = sign("GET", "https://gpu.example:8443/a");
    let unknown = url.replace("atlas-key=1", "atlas-key=2");
    let malformed = url.replace("atlas-expires=100", "atlas-expires=0100");
    let twice = format!("{url}&atlas-key=1");
    let incomplete = "https://gpu.example/a?atlas-expires=100".to_owned();
    for refused in [&forged, &elsewhere, &for_another_port, &unknown, &malformed, &twice, &incomplete] {
        let response = send(guard(), get(target(refused)).body(()).unwrap()).await;
        assert_eq!(shown(&response), shown(&expired), "{refused}");
    }
    let post = Request::post(target(&url)).header("host", HOST).body(()).unwrap();
    assert_eq!(send(guard(), post).await.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn each_credential_counts_only_where_it_is_configured() {
    let url = sign("GET", "https://gpu.example/a");
    let bearer_only = || GuardLayer::builder().bearer(token().hash());
    let response = send(bearer_only(), get(target(&url)).body(()).unwrap()).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let urls_only = || GuardLayer::builder().signed_urls(verifier()).clock(Arc::new(At(99)));
    assert_eq!(send(urls_only(), with_token("/a").body(()).unwrap()).await.status(), StatusCode::UNAUTHORIZED);
    assert!(admitted(&send(urls_only(), get(target(&url)).body(()).unwrap()).await));
}

#[test]
fn a_guard_is_never_open_by_accident() {
    assert_eq!(GuardLayer::builder().allow_any_origin().build().unwrap_err(), GuardError::NoCredential);
    let not_origins = [
        "",
        "null",
        "*",
        "app.example",
        "https://app.example/path",
        "https://app.example/?q",
        "https://app.example/#f",
        "https://user@app.example",
        "ftp://app.example",
        "https://",
    ];
    for text in not_origins {
        assert!(matches!(guard().allow_origin(text).build(), Err(GuardError::Origin(_))), "{text:?}");
        assert!(matches!(guard().public_origin(text).build(), Err(GuardError::Origin(_))), "{text:?}");
    }
    let errors = [GuardError::NoCredential, guard().allow_origin("https://u:p@h/x").build().unwrap_err()];
    insta::assert_snapshot!(errors.map(|error| error.to_string()).join("\n"), @r#"
    the guard has no credential to check: give it a bearer token's hash or a verifier of signed urls
    "…@h/x" is not an origin: write scheme, host and port alone, such as https://app.example:8443
    "#);
}

/// What is tried, the guard, the request's headers, and the host that counts.
type HostCase = (&'static str, GuardBuilder, Vec<(&'static str, &'static str)>, Option<&'static str>);

/// By which host a signed URL must have been signed, for each way in which a request can name one.
#[tokio::test]
async fn the_external_host() {
    let public = || guard().public_origin("https://public.example:8443");
    let fallback = || GuardLayer::builder().signed_urls(verifier()).clock(Arc::new(At(99)));
    let proxied = || fallback().trust_forwarded(true);
    let (host, forwarded, plain) = ("host", "forwarded", "x-forwarded-host");
    #[rustfmt::skip]
    let cases: Vec<HostCase> = vec![
        ("told", public(), vec![(host, "10.0.0.7:80")], Some("public.example:8443")),
        ("told, nothing named", public(), vec![], Some("public.example:8443")),
        ("told, forwarded", public().trust_forwarded(true), vec![(host, "h"), (plain, "a")], Some("public.example:8443")),
        ("named", fallback(), vec![(host, "Gpu.Example:8443")], Some("gpu.example:8443")),
        ("not trusted", fallback(), vec![(host, "h"), (plain, "a"), (forwarded, "host=a")], Some("h")),
        ("nothing named", fallback(), vec![], None),
        ("trusted", proxied(), vec![(host, "h"), (plain, "a:8443")], Some("a:8443")),
        ("standard", proxied(), vec![(host, "h"), (forwarded, "for=1.2.3.4; Host=\"a:8443\";proto=https")], Some("a:8443")),
        ("agreeing", proxied(), vec![(host, "h"), (plain, "A"), (forwarded, "host=a")], Some("a")),
        ("nothing forwarded", proxied(), vec![(host, "h"), (forwarded, "for=1.2.3.4")], Some("h")),
        ("two forwarded", proxied(), vec![(host, "h"), (plain, "a"), (plain, "a")], None),
        ("two hops", proxied(), vec![(host, "h"), (plain, "a, b")], None),
        ("two standard hops", proxied(), vec![(host, "h"), (forwarded, "host=a, host=a")], None),
        ("twice in one", proxied(), vec![(host, "h"), (forwarded, "host=a;host=a")], None),
        ("disagreeing", proxied(), vec![(host, "h"), (plain, "a"), (forwarded, "host=b")], None),
        ("unreadable", proxied(), vec![(host, "h"), (plain, "a/b")], None),
        ("two hosts", fallback(), vec![(host, "h"), (host, "h")], None),
        ("list of hosts", fallback(), vec![(host, "h, h")], None),
        ("user name", fallback(), vec![(host, "u@h")], None),
    ];
    for (name, guard, headers, expected) in cases {
        for signed_for in ["public.example:8443", "gpu.example:8443", "h", "a", "b", "a:8443"] {
            let url = sign("GET", &format!("https://{signed_for}/p"));
            let mut request = Request::get(target(&url));
            for (header, value) in &headers {
                request = request.header(*header, *value);
            }
            let response = send(guard.clone(), request.body(()).unwrap()).await;
            let good = expected == Some(signed_for);
            assert_eq!(admitted(&response), good, "{name}, signed for {signed_for}");
            assert!(good || response.status() == StatusCode::FORBIDDEN, "{name}");
        }
    }
}

#[tokio::test]
async fn a_request_with_two_hosts_is_refused_even_with_the_key() {
    let two = with_token("/").header("host", "other").body(()).unwrap();
    assert_eq!(send(guard(), two).await.status(), StatusCode::FORBIDDEN);
    let disagreeing = with_token("http://other/").body(()).unwrap();
    assert_eq!(send(guard(), disagreeing).await.status(), StatusCode::FORBIDDEN);
    let agreeing = with_token("https://GPU.example/").body(()).unwrap();
    assert!(admitted(&send(guard(), agreeing).await));
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap())
}

/// What a browser does when a page calls `fetch(url, { method, headers })` on another origin: it asks first where the
/// request is not a simple one, and shows the page an answer only if that allows the page's origin.
struct Browser {
    page: &'static str,
    guard: GuardBuilder,
}

/// What the page's script gets.
#[derive(Debug, PartialEq, Eq)]
enum Fetched {
    Status(u16),
    /// A `TypeError` that says nothing.
    NetworkError,
}

impl Browser {
    async fn fetch(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Fetched {
        let simple = matches!(method, "GET" | "HEAD" | "POST") && headers.is_empty();
        let names: Vec<String> = headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
        if !simple {
            let mut question = Request::options(target)
                .header("host", HOST)
                .header("origin", self.page)
                .header("access-control-request-method", method);
            if !names.is_empty() {
                question = question.header("access-control-request-headers", names.join(","));
            }
            let answer = send(self.guard.clone(), question.body(()).unwrap()).await;
            let lists = |name: &str, item: &str| {
                header(answer.headers(), name).is_some_and(|list| list.split(',').any(|known| known.trim() == item))
            };
            let asked = answer.status().is_success()
                && self.may_read(answer.headers())
                && lists("access-control-allow-methods", method)
                && names.iter().all(|name| lists("access-control-allow-headers", name));
            if !asked {
                return Fetched::NetworkError;
            }
        }
        let mut request =
            Request::builder().method(method).uri(target).header("host", HOST).header("origin", self.page);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = send(self.guard.clone(), request.body(()).unwrap()).await;
        if self.may_read(answer.headers()) { Fetched::Status(answer.status().as_u16()) } else { Fetched::NetworkError }
    }

    fn may_read(&self, headers: &HeaderMap) -> bool {
        let allowed: Vec<_> = headers.get_all("access-control-allow-origin").iter().collect();
        matches!(allowed[..], [one] if one == "*" || one == self.page)
    }
}

#[tokio::test]
async fn a_page_of_a_configured_origin_sees_every_answer() {
    let browser = Browser { page: PAGE, guard: guard() };
    let bearer = token().header_value();
    let key = ("Authorization", bearer.expose());
    let json = ("Content-Type", "application/json");
    assert_eq!(browser.fetch("GET", "/", &[key]).await, Fetched::Status(200));
    assert_eq!(browser.fetch("POST", "/", &[key, json, ("X-Own", "1")]).await, Fetched::Status(200));
    assert_eq!(browser.fetch("DELETE", "/", &[key]).await, Fetched::Status(200));
    assert_eq!(browser.fetch("PURGE", "/", &[key]).await, Fetched::Status(200));
    assert_eq!(browser.fetch("GET", "/", &[("Authorization", "Bearer wrong")]).await, Fetched::Status(401));
    assert_eq!(browser.fetch("GET", "/", &[]).await, Fetched::Status(401));
    let url = sign("GET", "https://gpu.example/a");
    assert_eq!(browser.fetch("GET", target(&url), &[]).await, Fetched::Status(200));
    assert_eq!(browser.fetch("GET", &format!("{}x", target(&url)), &[]).await, Fetched::Status(403));
}

#[tokio::test]
async fn a_page_of_any_other_origin_sees_nothing() {
    let bearer = token().header_value();
    let key = ("Authorization", bearer.expose());
    for page in
        ["https://evil.example", "http://app.example", "https://app.example:8443", "https://app.example.evil", "null"]
    {
        let browser = Browser { page, guard: guard() };
        assert_eq!(browser.fetch("GET", "/", &[key]).await, Fetched::NetworkError, "{page}");
        assert_eq!(browser.fetch("GET", "/", &[]).await, Fetched::NetworkError, "{page}");
        let browser = Browser { page, guard: guard().allow_any_origin() };
        assert_eq!(browser.fetch("GET", "/", &[key]).await, Fetched::Status(200), "{page}");
        assert_eq!(browser.fetch("GET", "/", &[]).await, Fetched::Status(401), "{page}");
    }
    let two = Browser { page: "https://b.example:8443", guard: guard().allow_origin("https://B.example:8443/") };
    assert_eq!(two.fetch("PUT", "/", &[key]).await, Fetched::Status(200));
    let none = Browser { page: PAGE, guard: GuardLayer::builder().bearer(token().hash()) };
    assert_eq!(none.fetch("GET", "/", &[key]).await, Fetched::NetworkError);
}

fn question(origin: &str) -> http::request::Builder {
    Request::options("/any")
        .header("host", HOST)
        .header("origin", origin)
        .header("access-control-request-method", "PUT")
}

#[tokio::test]
async fn the_answers_to_a_browsers_question() {
    let asked = question(PAGE).header("access-control-request-headers", "X-Own, authorization,,b a,x-own");
    insta::assert_snapshot!(shown(&send(guard(), asked.body(()).unwrap()).await), @"
    204 No Content
    access-control-allow-headers: authorization, content-type, x-own
    access-control-allow-methods: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS
    access-control-allow-origin: https://app.example
    access-control-max-age: 600
    vary: origin, access-control-request-method, access-control-request-headers
    ");
    let foreign = send(guard(), question("https://evil.example").body(()).unwrap()).await;
    insta::assert_snapshot!(shown(&foreign), @"
    403 Forbidden
    cache-control: no-store
    content-type: text/plain; charset=utf-8
    vary: origin

    forbidden
    ");
    let any = send(guard().allow_any_origin(), question("https://evil.example").body(()).unwrap()).await;
    insta::assert_snapshot!(shown(&any), @"
    204 No Content
    access-control-allow-headers: authorization, content-type
    access-control-allow-methods: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS
    access-control-allow-origin: *
    access-control-max-age: 600
    vary: origin, access-control-request-method, access-control-request-headers
    ");
    let two = question(PAGE).header("origin", "https://evil.example").body(()).unwrap();
    assert_eq!(send(guard(), two).await.status(), StatusCode::FORBIDDEN);
}

/// Only a browser's question is answered without a key.
#[tokio::test]
async fn an_options_request_that_is_no_question_needs_the_key() {
    let no_origin = Request::options("/").header("host", HOST).header("access-control-request-method", "PUT");
    assert_eq!(send(guard(), no_origin.body(()).unwrap()).await.status(), StatusCode::UNAUTHORIZED);
    let no_method = Request::options("/").header("host", HOST).header("origin", PAGE);
    assert_eq!(send(guard(), no_method.body(()).unwrap()).await.status(), StatusCode::UNAUTHORIZED);
    let not_options = get("/").header("origin", PAGE).header("access-control-request-method", "PUT");
    assert_eq!(send(guard(), not_options.body(()).unwrap()).await.status(), StatusCode::UNAUTHORIZED);
}

proptest! {
    /// Whatever a request says, the service sees it only with the key.
    #[test]
    fn nothing_but_the_key_admits(
        method in prop::sample::select(vec!["GET", "HEAD", "POST", "OPTIONS", "CONNECT", "get"]),
        target in "/[a-z%2Fb.]{0,6}(\\?(atlas-(expires|key|signature)=[0-9a-zA-Z_-]{0,43}&?){0,4})?",
        headers in prop::collection::vec(
            (
                prop::sample::select(vec![
                    "authorization", "origin", "host", "cookie", "forwarded", "x-forwarded-host",
                    "access-control-request-method",
                ]),
                "(Bearer |https://app\\.example|gpu\\.example)?[ -~]{0,20}",
            ),
            0..5,
        ),
    ) {
        let mut request = Request::builder().method(method).uri(&target);
        for (name, value) in &headers {
            request = request.header(*name, value);
        }
        if let Ok(request) = request.body(()) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let status = runtime.block_on(send(guard().trust_forwarded(true), request)).status();
            prop_assert!(matches!(status.as_u16(), 204 | 401 | 403), "{}", status);
        }
    }
}
