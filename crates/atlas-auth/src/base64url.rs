//! Base64url without padding, as every key, token and signature of Atlas is written. Decoding is strict: one text for
//! each sequence of bytes, so that nothing can be written in two ways.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes, or nothing for a foreign character, padding, an impossible length or trailing bits that are not zero.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};

    #[test]
    fn one_text_for_each_sequence_of_bytes() {
        assert_eq!(encode(&[0xfb, 0xff]), "-_8");
        assert_eq!(decode("-_8"), Some(vec![0xfb, 0xff]));
        for refused in ["-_9", "-_8=", "+/8", "-_8 ", " -_8", "-", "-_8\n", "-_8é"] {
            assert_eq!(decode(refused), None, "{refused:?}");
        }
    }
}
