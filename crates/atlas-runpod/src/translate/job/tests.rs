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
        prop_assert_eq!(rest(Some(&json!(whole)), given, &held), Some(whole[given..].to_vec()));
        // What was seen and does not stand there shows that this is not the whole output.
        let mut strange = held;
        strange.push(json!("strange"));
        prop_assert_eq!(rest(Some(&json!(whole)), given, &strange), None);
        prop_assert_eq!(rest(Some(&json!(whole)), whole.len() + 1, &[]), None);
    }
}

#[test]
fn no_output_or_one_that_is_no_list_fills_no_gap() {
    assert_eq!(rest(None, 0, &[]), None);
    assert_eq!(rest(Some(&json!({"a": 1})), 0, &[]), None);
    assert_eq!(rest(Some(&json!([])), 0, &[]), Some(Vec::new()));
}
