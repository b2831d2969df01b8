//! The steps of a machine's life, where they do not need a real process.

use super::*;

#[test]
fn what_changes_while_it_is_looked_at_is_looked_at_again() {
    let (mut reads, mut looks) = ([1, 2, 2].into_iter(), 0);
    let observe = || {
        looks += 1;
        Ok(looks)
    };
    assert_eq!(steady(|| Ok(reads.next().expect("no more reads than these")), observe).unwrap(), (2, 2));
}

#[test]
fn what_is_gone_when_it_is_read_again_is_gone() {
    let mut reads = [Ok(1), Err(error::not_found(&ComputeId::new("m-abcdefghij")))].into_iter();
    let gone = steady(|| reads.next().expect("no more reads than these"), || Ok(())).unwrap_err();
    assert!(gone.is_not_found());
}
