//! Tokens that say when they were made, so that what a crashed run left is known by its age on every cloud: not each says
//! when a thing was made, and of a name everything may be cut but the token.

use atlas_auth::{Entropy, SystemEntropy, Timestamp};
use atlas_core::{SpawnToken, TokenKind};

/// How a token of this kind begins.
const BEGINNING: [u8; 2] = *b"cf";

/// Random bytes behind the beginning and six of milliseconds.
#[derive(Debug)]
struct Dated(Timestamp);

impl Entropy for Dated {
    fn fill(&self, bytes: &mut [u8]) {
        SystemEntropy.fill(bytes);
        if let Some(head) = bytes.first_chunk_mut::<8>() {
            *head = self.0.as_millis().max(0).to_be_bytes();
            [head[0], head[1]] = BEGINNING;
        }
    }
}

/// A token that says that it was made now.
pub(crate) fn token(now: Timestamp) -> SpawnToken {
    SpawnToken::generate(TokenKind::Plain, &Dated(now))
}

/// When a token was made, where it says so.
pub(crate) fn made_at(token: SpawnToken) -> Option<Timestamp> {
    let digit = |byte: u8| match byte {
        b'a'..=b'z' => byte - b'a',
        _ => byte - b'2' + 26,
    };
    // 26 digits of five bits: the first two bits say the kind, and fall out at the top.
    let random = token.to_string().bytes().fold(0_u128, |random, byte| random << 5 | u128::from(digit(byte)));
    let [first, second, millis @ ..] = random.to_be_bytes();
    let mut head = [0; 8];
    head[2..].copy_from_slice(&millis[..6]);
    ([first, second] == BEGINNING).then(|| Timestamp::from_millis(i64::from_be_bytes(head)))
}

#[cfg(test)]
mod tests {
    //! What is written is read, and nothing else is taken for it.

    use super::*;

    #[test]
    fn a_token_says_when_it_was_made_and_is_unique() {
        for millis in [0, 1, 1_764_000_000_000, (1 << 48) - 1] {
            let now = Timestamp::from_millis(millis);
            let (one, other) = (token(now), token(now));
            assert_eq!((made_at(one), made_at(other)), (Some(now), Some(now)));
            assert_ne!(one, other);
            assert_eq!((one.kind(), SpawnToken::parse(&one.to_string()).unwrap()), (TokenKind::Plain, one));
        }
    }

    #[test]
    fn a_token_of_another_kind_says_no_time() {
        #[derive(Debug)]
        struct Same(u8);
        impl Entropy for Same {
            fn fill(&self, bytes: &mut [u8]) {
                bytes.fill(self.0);
            }
        }
        for byte in [0, b'c', b'f', 255] {
            assert_eq!(made_at(SpawnToken::generate(TokenKind::Task, &Same(byte))), None);
        }
    }
}
