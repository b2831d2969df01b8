//! What was missed is filled in, or it is not.

use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn the_rest_of_an_output_is_what_follows_what_was_given(
        output in proptest::collection::vec(0i32..5, 0..20),
        given in 0usize..20,
        seen in proptest::collection::vec(any::<bool>(), 20),
    ) {
        let whole: Vec<Value> = output.iter().map(|piece| json!(piece)).collect();
        let given = given.min(whole.len());
        let held: Vec<Value> =
            whole[given..].iter().zip(&seen).filter(|(_, seen)| **seen).map(|(piece, _)| piece.clone()).collect();
        let (before, after) = whole.split_at(given);
        let output = json!(whole);
        prop_assert_eq!(handed(before).rest_of(Some(&output)), Some(after));
        prop_assert!(holds(after, &held));
        // What was seen and does not stand there shows that this is not the whole output.
        let mut strange = held;
        strange.push(json!("strange"));
        prop_assert!(!holds(after, &strange));
        // What was handed out and does not stand there shows that it was another run.
        let mut other = before.to_vec();
        other.push(json!("strange"));
        prop_assert_eq!(handed(&other).rest_of(Some(&output)), None);
        other.swap_remove(0);
        prop_assert_eq!(handed(&other).rest_of(Some(&output)).is_some(), other.is_empty());
    }
}

fn handed(pieces: &[Value]) -> Given {
    let mut given = Given::default();
    for piece in pieces {
        given.add(piece);
    }
    given
}

#[test]
fn no_output_or_one_that_is_no_list_fills_no_gap() {
    let nothing = Given::default();
    assert_eq!(nothing.rest_of(None), None);
    assert_eq!(nothing.rest_of(Some(&json!({"a": 1}))), None);
    assert_eq!(nothing.rest_of(Some(&json!([]))), Some(&[][..]));
}
