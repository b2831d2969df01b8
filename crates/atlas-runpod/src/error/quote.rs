//! Whether an error quotes a secret. Pure.
//!
//! Invariant. What an error shows went through [`excerpt`](atlas_core::error::excerpt): it was cut, and its control
//! characters became blanks. A secret is therefore looked for as it looks after that: in whole, as JSON writes it, line by
//! line, up to where the text was cut, and of a long one any longer piece.

use std::collections::HashSet;
use std::error::Error as _;

use atlas_auth::Secret;
use atlas_core::Error;

/// Shorter texts stand in every sentence by chance, and are no secrets that could be kept anyway.
const SHORTEST: usize = 6;

/// No sentence holds so many bytes of a secret by chance.
const PIECE: usize = 32;

/// Whether the error shows any of them, in whole or in part.
pub(super) fn any<'a>(error: &Error, secrets: impl IntoIterator<Item = &'a Secret>) -> bool {
    let mut shown = vec![error.message().to_owned(), format!("{error:?}")];
    shown.extend(error.source().map(ToString::to_string));
    let pieces: HashSet<&[u8]> = shown.iter().flat_map(|text| text.as_bytes().windows(PIECE)).collect();
    secrets.into_iter().any(|secret| {
        let forms = forms(secret.expose());
        forms.iter().any(|form| {
            shown.iter().any(|text| text.contains(form.as_str()) || is_cut_within(text, form))
                || form.as_bytes().windows(PIECE).any(|piece| pieces.contains(piece))
        })
    })
}

/// How a secret may look in an error, where it is long enough to be one.
fn forms(secret: &str) -> Vec<String> {
    let written = serde_json::Value::from(secret).to_string();
    let written = written.trim_matches('"');
    let all = [secret, written].into_iter().chain(secret.lines());
    let plain = |text: &str| text.chars().map(|each| if each.is_control() { ' ' } else { each }).collect::<String>();
    let mut forms: Vec<String> = all.map(|text| plain(text).trim().to_owned()).collect();
    forms.retain(|form| form.len() >= SHORTEST);
    forms.dedup();
    forms
}

/// Whether the text ends, or was cut or joined to another, in the midst of the secret.
fn is_cut_within(text: &str, secret: &str) -> bool {
    let ends = ["…", "; ", " ("].into_iter().flat_map(|mark| text.match_indices(mark)).map(|(at, _)| at);
    ends.chain([text.len()]).any(|end| {
        let told = &text.as_bytes()[..end];
        (SHORTEST..=secret.len().min(told.len())).any(|length| told.ends_with(&secret.as_bytes()[..length]))
    })
}
