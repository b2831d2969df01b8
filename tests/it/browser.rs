//! A user's browser: keeps the cookie, and sends the headers that a page's script cannot leave out.

use std::sync::Once;
use std::time::{Duration, Instant};

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, ORIGIN, SET_COOKIE};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;

use crate::backend::Backend;

/// How long a page may take to open. After a machine that broke in mid-create another one is rented seconds later.
const OPENS: Duration = Duration::from_secs(45);

/// Where a user's machine is, and with what it opens.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Opened {
    pub(crate) session: String,
    pub(crate) url: String,
    pub(crate) token: String,
    pub(crate) generation: u64,
}

/// One user's browser.
#[derive(Clone)]
pub(crate) struct Browser {
    client: Client,
    pub(crate) origin: String,
    cookie: Option<String>,
}

impl Browser {
    /// One that has not logged in.
    pub(crate) fn stranger(backend: &Backend) -> Self {
        static TLS: Once = Once::new();
        TLS.call_once(|| rustls::crypto::ring::default_provider().install_default().unwrap());
        let client = Client::builder().no_proxy().build().unwrap();
        Self { client, origin: backend.url.clone(), cookie: None }
    }

    pub(crate) async fn log_in(backend: &Backend, name: &str) -> Self {
        let mut browser = Self::stranger(backend);
        let body = serde_json::json!({ "name": name }).to_string();
        let answer = browser.request(Method::POST, "/login").header(CONTENT_TYPE, "application/json").body(body);
        let answer = answer.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
        let cookie = answer.headers()[SET_COOKIE].to_str().unwrap();
        assert!(cookie.contains("; HttpOnly") && !cookie.contains(name), "{cookie}");
        browser.cookie = Some(cookie.split(';').next().unwrap().to_owned());
        browser
    }

    /// The same browser, with the cookie that it has, at a backend that was started again elsewhere.
    pub(crate) fn moved_to(&self, backend: &Backend) -> Self {
        Self { origin: backend.url.clone(), ..self.clone() }
    }

    /// The same browser with another cookie.
    pub(crate) fn with_cookie(&self, change: impl FnOnce(&str) -> String) -> Self {
        Self { cookie: self.cookie.as_deref().map(change), ..self.clone() }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.origin));
        match &self.cookie {
            Some(cookie) => request.header(COOKIE, cookie),
            None => request,
        }
    }

    pub(crate) async fn send(&self, method: Method, path: &str) -> Response {
        self.request(method, path).send().await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str) -> StatusCode {
        self.send(Method::POST, path).await.status()
    }

    /// What the page does when it is opened.
    pub(crate) async fn open(&self) -> Opened {
        let deadline = Instant::now() + OPENS;
        while Instant::now() < deadline {
            if let Some(opened) = self.try_open().await {
                return opened;
            }
        }
        panic!("after {OPENS:?} there is still no machine for this user: {}", self.shown().await)
    }

    /// Asks once for the machine; none if it is not ready yet, if its session is just over, or if the backend went away over
    /// the question.
    pub(crate) async fn try_open(&self) -> Option<Opened> {
        let answer = self.request(Method::POST, "/session").send().await.ok()?;
        let status = answer.status();
        let text = answer.text().await.ok()?;
        // A machine whose maker was killed before it had started it is broken, and its session over: a page asks again then.
        if status == StatusCode::ACCEPTED || status == StatusCode::CONFLICT {
            return None;
        }
        assert_eq!(status, StatusCode::OK, "{text}");
        let value: Value = serde_json::from_str(&text).unwrap();
        let part = |name: &str| value[name].as_str().unwrap().to_owned();
        let generation = value["generation"].as_u64().unwrap();
        Some(Opened { session: part("session"), url: part("url"), token: part("token"), generation })
    }

    /// What the backend shows of the session that lives.
    pub(crate) async fn shown(&self) -> Value {
        self.look("/session").await
    }

    /// What the backend shows of a session that may be over.
    pub(crate) async fn shown_of(&self, machine: &Opened) -> Value {
        self.look(&format!("/session/{}", machine.session)).await
    }

    async fn look(&self, path: &str) -> Value {
        let answer = self.send(Method::GET, path).await;
        assert_eq!(answer.status(), StatusCode::OK);
        serde_json::from_str(&answer.text().await.unwrap()).unwrap()
    }

    /// A question of the page's script to a machine, from the page's origin; `None` if nobody listens there.
    pub(crate) async fn ask(&self, machine: &Opened, token: Option<&str>) -> Option<Response> {
        let question = self.client.get(&machine.url).header(ORIGIN, &self.origin);
        let question = match token {
            Some(token) => question.header(AUTHORIZATION, format!("Bearer {token}")),
            None => question,
        };
        question.send().await.ok()
    }

    pub(crate) async fn status(&self, machine: &Opened, token: Option<&str>) -> Option<StatusCode> {
        self.ask(machine, token).await.map(|answer| answer.status())
    }

    /// Whether the machine answers to its own key.
    pub(crate) async fn reaches(&self, machine: &Opened) -> bool {
        self.status(machine, Some(&machine.token)).await == Some(StatusCode::OK)
    }

    /// Which process answers: another one is another machine, whatever its address.
    pub(crate) async fn process(&self, machine: &Opened) -> u64 {
        let answer = self.ask(machine, Some(&machine.token)).await.unwrap();
        let about: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        about["pid"].as_u64().unwrap()
    }

    /// The question that a browser itself asks before it lets a script send a key.
    pub(crate) async fn preflight(&self, machine: &Opened) -> Response {
        self.client
            .request(Method::OPTIONS, &machine.url)
            .header(ORIGIN, &self.origin)
            .header("access-control-request-method", "GET")
            .header("access-control-request-headers", "authorization")
            .send()
            .await
            .unwrap()
    }
}
