//! What `reap` does for some when it cannot look at others.

use crate::home::Home;

#[test]
fn p14_an_account_that_cannot_be_used_keeps_nobody_from_the_others() {
    let home = Home::new();
    let machine = home.spawn(&[]);
    let id = machine["id"].as_str().expect("text");
    home.configure(
        "providers:\n  odd: { kind: cumulus }\n  keyless: { kind: local, price_per_hour: \"${NO_SUCH}\" }\n",
    );
    home.good(&["terminate", "--provider", "local", "--no-wait", id]);
    let ran = home.run(&["reap"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    for name in ["odd", "NO_SUCH"] {
        assert_eq!(
            ran.err.lines().filter(|line| line.starts_with("error: ") && line.contains(name)).count(),
            1,
            "told once: {ran:?}"
        );
    }
    let ran = home.run(&["reap", "--json"]);
    assert_eq!((ran.code, ran.json().as_array().map(Vec::len)), (2, Some(0)), "{ran:?}");
    assert_eq!(home.intents(), ["closed"]);
    assert!(home.machines().is_empty());
    home.configure("");
    home.good(&["reap"]);
}
