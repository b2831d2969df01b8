//! The cell of a session under every order of touch, ending and leaving.

use super::*;

fn one() -> (Activity, SessionId, Cell) {
    let activity = Activity::default();
    let session = SessionId::generate(&atlas_auth::SeededEntropy::new(1));
    let cell = activity.enter(session, 100, 100);
    (activity, session, cell)
}

#[test]
fn p7_history_08_a_touch_in_time_wins_and_a_late_one_is_told() {
    let (activity, session, cell) = one();
    assert_eq!(activity.touch(&session, 200), Touched::Counted);
    assert!(!cell.begin_ending(100, Reason::Idle), "the value that was judged is no longer the one that stands");
    assert!(cell.begin_ending(200, Reason::Idle));
    assert_eq!(activity.touch(&session, 300), Touched::TooLate(Reason::Idle));
    cell.take_back(200);
    assert_eq!(activity.touch(&session, 300), Touched::Counted);
    assert_eq!(cell.last(), Some(300));
}

#[test]
fn p7_a_touch_never_goes_back() {
    let (activity, session, cell) = one();
    activity.touch(&session, 500);
    activity.touch(&session, 400);
    assert_eq!(cell.last(), Some(500));
}

#[test]
fn p7_stored_activity_is_rounded_up_and_written_once() {
    let (activity, session, _cell) = one();
    assert_eq!(activity.unstored(), Unstored::default());
    activity.touch(&session, 101);
    let touches = activity.unstored().touches;
    assert_eq!(touches, [(session, 101 + ROUND_UP)]);
    activity.stored(&touches);
    activity.touch(&session, 102);
    assert!(activity.unstored().touches.is_empty(), "what is stored already covers it");
}

#[test]
fn an_unknown_session_is_told_apart() {
    let (activity, session, _cell) = one();
    activity.forget(&session, None);
    assert_eq!(activity.touch(&session, 1), Touched::Unknown);
}

#[test]
fn p7_a_late_touch_is_told_the_true_reason() {
    for why in Reason::ALL {
        let (activity, session, cell) = one();
        assert_eq!(cell.force_ending(why), Some(100));
        assert_eq!(cell.force_ending(Reason::Asked), None, "it is ending already");
        assert_eq!(activity.touch(&session, ENDING - 1), Touched::TooLate(why));
        cell.is_ending(Reason::Lost);
        assert_eq!(activity.touch(&session, 300), Touched::TooLate(Reason::Lost), "what is written holds");
    }
}

#[test]
fn p7_whoever_comes_back_in_the_very_tick_of_leaving_is_seen() {
    let (activity, session, cell) = one();
    // Recovered activity is rounded up beyond what a touch is worth now.
    for touched in [100, 150, 9_000] {
        activity.touch(&session, touched);
        let left = cell.leave(150).unwrap();
        assert_eq!((cell.left(), activity.unstored().returned), (Some(left), vec![]));
        assert_eq!(activity.touch(&session, 150), Touched::Counted);
        assert_eq!((cell.left(), activity.unstored().returned), (None, vec![(session, left)]));
        assert!(!cell.begin_ending(left, Reason::Left));
        cell.forget_leave(left);
        assert_eq!(activity.unstored().returned, []);
    }
    // Readiness is nobody's touch.
    let left = cell.leave(150).unwrap();
    activity.begin_idle(&session, 200);
    assert_eq!(cell.left(), Some(left));
    assert!(cell.begin_ending(left, Reason::Left));
    assert_eq!((cell.leave(300), activity.unstored().returned), (None, vec![]));
}

#[test]
fn p10_a_key_leads_to_the_session_that_bears_it_whatever_order_its_bearers_are_told_in() {
    let (activity, old, cell) = one();
    let new = SessionId::generate(&atlas_auth::SeededEntropy::new(2));
    activity.bears(old, "ada");
    assert_eq!(activity.bearer("ada"), Some(old));
    // Its ending frees the key, and the next session takes it before the old one's maker gets to say so.
    cell.force_ending(Reason::Idle);
    assert_eq!(activity.bearer("ada"), Some(old), "a late touch by key is told why");
    activity.enter(new, 200, 0);
    activity.bears(new, "ada");
    activity.bears(old, "ada");
    assert_eq!(activity.bearer("ada"), Some(new));
    activity.forget(&old, Some("ada"));
    assert_eq!(activity.bearer("ada"), Some(new));
    activity.forget(&new, Some("ada"));
    assert_eq!(activity.bearer("ada"), None);
    activity.bears(new, "ada");
    assert_eq!(activity.bearer("ada"), None, "what is forgotten bears nothing");
}
