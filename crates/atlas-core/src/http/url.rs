//! Where a cloud is: https, or this very machine.

use url::{Host, Url};

use crate::error::excerpt;
use crate::{Error, Result};

/// Reads the setting `name` as the address under which an API is found, without a trailing slash.
///
/// Only https, or http on loopback: a key never travels in the open. No query, fragment or user name.
pub fn base_url(name: &str, text: &str) -> Result<Url> {
    let wrong = |why: &str| Err(Error::validation(format!("{name}: \"{}\" {why}", excerpt(text))));
    // An address may hold a password, and is then not shown.
    let Ok(mut url) = Url::parse(text.trim_end_matches('/')) else {
        return wrong("is no address: write one such as https://api.example.com/v2");
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Error::validation(format!("{name}: an address with a user name in it is refused: use api_key")));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(Error::validation(format!("{name}: an address with a query or a fragment is refused")));
    }
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        _ => return wrong("is not https: a key would travel in the open"),
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

/// Whether `url` never leaves this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    //! What is taken as an address of a cloud, and what is not.

    use super::*;

    #[test]
    fn only_https_or_loopback_is_an_address_of_a_cloud() {
        for good in [
            "https://api.runpod.io/v2",
            "https://api.runpod.io/v2/",
            "http://127.0.0.1:4010/v2",
            "http://[::1]:9",
            "http://localhost:1",
        ] {
            let url = base_url("base_url", good).unwrap();
            assert!(url.path() == "/" || !url.path().ends_with('/'), "{url}");
        }
        for bad in [
            "",
            "api.runpod.io",
            "http://api.runpod.io",
            "ftp://127.0.0.1",
            "https://a:canary@b",
            "https://a/?x=1",
            "https://a/#b",
        ] {
            let error = base_url("base_url", bad).unwrap_err().to_string();
            assert!(error.starts_with("base_url: "), "{error}");
            assert!(!error.contains("canary"), "{error}");
        }
    }
}
