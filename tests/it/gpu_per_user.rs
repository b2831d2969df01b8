//! The example `gpu_per_user` from outside: a process, browsers, and machines that are real processes.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};

use crate::backend::Backend;
use crate::browser::Browser;
use crate::ground::{Ground, until};

/// Nobody is idle for so long.
const LONG: (&str, &str) = ("ATLAS_ORCHESTRATOR__IDLE_TTL", "10m");

#[tokio::test]
async fn every_tab_of_a_user_gets_one_machine_and_only_its_key_opens_it() {
    let ground = Ground::new();
    let backend = Backend::start(&ground, &[LONG]);

    let page = Browser::stranger(&backend).send(Method::GET, "/").await;
    assert_eq!(page.status(), StatusCode::OK);
    assert!(page.text().await.unwrap().contains("<script>"));

    let ada = Browser::log_in(&backend, "ada").await;
    let (first, second) = tokio::join!(ada.open(), ada.open());
    assert_eq!(first, second);
    assert_eq!(ground.machines().len(), 1);

    // What a script of the page may do at another origin is the browser's to judge, by these headers.
    let preflight = ada.preflight(&first).await;
    assert!(preflight.status().is_success(), "{preflight:?}");
    let allows = |name: &str| preflight.headers()[name].to_str().unwrap().to_ascii_lowercase();
    assert!(["*", ada.origin.as_str()].contains(&allows("access-control-allow-origin").as_str()));
    assert!(allows("access-control-allow-headers").contains("authorization"));
    let answer = ada.ask(&first, Some(&first.token)).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(answer.headers().contains_key("access-control-allow-origin"));

    assert_eq!(ada.status(&first, None).await, Some(StatusCode::UNAUTHORIZED));
    let mut wrong = first.token.clone();
    wrong.replace_range(..1, if wrong.starts_with('A') { "B" } else { "A" });
    assert_eq!(ada.status(&first, Some(&wrong)).await, Some(StatusCode::UNAUTHORIZED));

    let bob = Browser::log_in(&backend, "bob").await;
    let bobs = bob.open().await;
    assert_ne!((&bobs.url, &bobs.token), (&first.url, &first.token));
    assert_ne!(bob.process(&bobs).await, ada.process(&first).await);
    assert_eq!(bob.status(&first, Some(&bobs.token)).await, Some(StatusCode::UNAUTHORIZED));
    assert_eq!(ada.status(&bobs, Some(&first.token)).await, Some(StatusCode::UNAUTHORIZED));

    // What is shown holds no key.
    let shown = ada.shown().await;
    assert_eq!((shown["user"].as_str(), shown["phase"].as_str()), (Some("ada"), Some("ready")));
    assert!(!shown.to_string().contains(&first.token));
    assert_eq!(ada.shown_of(&first).await["id"], shown["id"]);
    let strangers = bob.send(Method::GET, &format!("/session/{}", first.session)).await;
    assert_eq!(strangers.status(), StatusCode::NOT_FOUND);

    assert_eq!(ada.send(Method::DELETE, "/session").await.status(), StatusCode::NO_CONTENT);
    until("ada's machine is gone", async || ada.status(&first, None).await.is_none()).await;
    assert!(bob.reaches(&bobs).await);
    assert_eq!(bob.send(Method::DELETE, "/session").await.status(), StatusCode::NO_CONTENT);
    ground.is_left_clean().await;
}

#[tokio::test]
async fn who_has_not_logged_in_gets_nothing_and_rents_nothing() {
    let ground = Ground::new();
    let backend = Backend::start(&ground, &[LONG]);
    let stranger = Browser::stranger(&backend);
    let ada = Browser::log_in(&backend, "ada").await;
    let forger = ada.with_cookie(|cookie| {
        let (kept, last) = cookie.split_at(cookie.len() - 8);
        format!("{kept}{}", if last.starts_with('A') { "BBBBBBBB" } else { "AAAAAAAA" })
    });
    let namesake = ada.with_cookie(|_| "login=ada".to_owned());
    for browser in [stranger, forger, namesake] {
        for (method, path) in [
            (Method::POST, "/session"),
            (Method::GET, "/session"),
            (Method::DELETE, "/session"),
            (Method::POST, "/heartbeat"),
            (Method::POST, "/leave"),
        ] {
            let status = browser.send(method.clone(), path).await.status();
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{method} {path}");
        }
    }
    // One who has logged in and opened nothing has nothing to keep.
    assert_eq!(ada.post("/heartbeat").await, StatusCode::NOT_FOUND);
    ground.is_left_clean().await;
}

#[tokio::test]
async fn a_killed_backend_comes_back_to_the_same_machine_and_the_same_key() {
    let ground = Ground::new();
    let backend = Backend::start(&ground, &[LONG]);
    let ada = Browser::log_in(&backend, "ada").await;
    let before = ada.open().await;
    let process = ada.process(&before).await;
    let session = ada.shown().await["id"].clone();
    backend.kill();

    // The user notices nothing: the backend is no part of the way to the machine.
    assert_eq!(ada.process(&before).await, process);

    let backend = Backend::start(&ground, &[LONG]);
    let ada = ada.moved_to(&backend);
    // Not even a page that was never loaded again.
    assert_eq!(ada.post("/heartbeat").await, StatusCode::NO_CONTENT);
    assert_eq!(ada.open().await, before);
    assert_eq!(ada.post("/heartbeat").await, StatusCode::NO_CONTENT);
    assert_eq!(ada.process(&before).await, process);
    assert_eq!(ada.shown().await["id"], session);
    assert_eq!(ground.machines().len(), 1);

    // A deploy is no different, only politer.
    assert!(backend.terminate().await.success());
    assert_eq!(ada.process(&before).await, process);
    let backend = Backend::start(&ground, &[LONG]);
    let ada = ada.moved_to(&backend);
    assert_eq!(ada.open().await, before);

    assert_eq!(ada.send(Method::DELETE, "/session").await.status(), StatusCode::NO_CONTENT);
    ground.is_left_clean().await;
}

#[tokio::test]
async fn a_backend_killed_while_a_page_opens_leaves_one_machine_and_no_second() {
    for delay in [0, 2, 5, 10, 20, 40].map(Duration::from_millis) {
        let ground = Ground::new();
        let backend = Backend::start(&ground, &[LONG]);
        let ada = Browser::log_in(&backend, "ada").await;
        let page = tokio::spawn({
            let ada = ada.clone();
            async move { ada.try_open().await }
        });
        tokio::time::sleep(delay).await;
        backend.kill();
        // It may have had its answer, or not.
        let had = page.await.unwrap();

        let backend = Backend::start(&ground, &[LONG]);
        let ada = ada.moved_to(&backend);
        let opened = ada.open().await;
        if let Some(had) = had {
            assert_eq!(opened, had, "after {delay:?}");
        }
        assert!(ada.reaches(&opened).await, "after {delay:?}");
        until("there is one machine", async || ground.machines().len() == 1).await;

        assert_eq!(ada.send(Method::DELETE, "/session").await.status(), StatusCode::NO_CONTENT);
        ground.is_left_clean().await;
    }
}

#[tokio::test]
async fn a_silent_user_is_ended_and_one_who_beats_is_not() {
    const TTL: Duration = Duration::from_secs(3);
    let ground = Ground::new();
    let backend = Backend::start(&ground, &[("ATLAS_ORCHESTRATOR__IDLE_TTL", "3s")]);
    let ada = Browser::log_in(&backend, "ada").await;
    let bob = Browser::log_in(&backend, "bob").await;
    let begun = Instant::now();
    let (adas, bobs) = tokio::join!(ada.open(), bob.open());

    let mut bob_ended_after = None;
    while bob_ended_after.is_none() || begun.elapsed() < 3 * TTL {
        assert_eq!(ada.post("/heartbeat").await, StatusCode::NO_CONTENT);
        if bob_ended_after.is_none() && !bob.reaches(&bobs).await {
            bob_ended_after = Some(begun.elapsed());
        }
        assert!(begun.elapsed() < 10 * TTL, "bob is never ended");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // Talking to the machine is no heartbeat, and never too soon is a promise.
    assert!(bob_ended_after.unwrap() >= TTL, "{bob_ended_after:?}");
    until("bob's session is over", async || bob.shown_of(&bobs).await["phase"] == "ended").await;
    assert_eq!(bob.shown_of(&bobs).await["reason"], "idle");
    assert_eq!(bob.post("/heartbeat").await, StatusCode::NOT_FOUND);
    assert!(ada.reaches(&adas).await);

    // Who comes back gets a new machine with a new key, and the old key is worth nothing there.
    let again = bob.open().await;
    assert_ne!(again.token, bobs.token);
    assert_eq!(bob.status(&again, Some(&bobs.token)).await, Some(StatusCode::UNAUTHORIZED));

    // Everybody goes silent.
    ground.is_left_clean().await;
}

#[tokio::test]
async fn a_closed_tab_takes_the_machine_along_only_if_nobody_is_left() {
    let ground = Ground::new();
    let backend = Backend::start(&ground, &[LONG, ("LEAVE_GRACE", "1s")]);
    let ada = Browser::log_in(&backend, "ada").await;
    let bob = Browser::log_in(&backend, "bob").await;
    let (adas, bobs) = tokio::join!(ada.open(), bob.open());

    // Ada closes one of two tabs; bob closes his only one.
    assert_eq!(ada.post("/leave").await, StatusCode::ACCEPTED);
    assert_eq!(bob.post("/leave").await, StatusCode::ACCEPTED);
    let mut bob_is_gone = false;
    let begun = Instant::now();
    while !bob_is_gone || begun.elapsed() < Duration::from_secs(5) {
        assert_eq!(ada.post("/heartbeat").await, StatusCode::NO_CONTENT);
        bob_is_gone = bob_is_gone || !bob.reaches(&bobs).await;
        assert!(begun.elapsed() < Duration::from_secs(30), "bob's machine stays");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(ada.reaches(&adas).await);
    assert_eq!(bob.shown_of(&bobs).await["reason"], "left");

    // A reload: left and there again.
    assert_eq!(ada.post("/leave").await, StatusCode::ACCEPTED);
    assert_eq!(ada.open().await, adas);
    assert_eq!(ada.post("/leave").await, StatusCode::ACCEPTED);
    ground.is_left_clean().await;
}

#[tokio::test]
async fn what_is_wrong_is_said_and_nothing_is_rented() {
    let ground = Ground::new();
    let said = |variables: &[(&str, &str)]| Backend::try_start(&ground, variables).err().unwrap();
    let misspelt = said(&[("ATLAS_ORCHESTRATOR__IDEL_TTL", "3s")]);
    assert!(misspelt.contains("IDEL_TTL") && misspelt.contains("idle_ttl"), "{misspelt}");
    assert!(said(&[("LEAVE_GRACE", "soon")]).contains("soon"));

    let backend = Backend::start(&ground, &[LONG, ("GPU", "h100")]);
    let ada = Browser::log_in(&backend, "ada").await;
    let refused = ada.send(Method::POST, "/session").await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    let text = refused.text().await.unwrap();
    assert!(text.contains("local") && text.contains("gpu"), "{text}");

    // Two backends on one store would be two minds about the same machines.
    let held = said(&[LONG]);
    assert!(held.contains("process"), "{held}");
    ground.is_left_clean().await;
}
