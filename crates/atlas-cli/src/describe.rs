//! Computes and their keys, in words for people and as JSON for machines.

use std::time::Duration;

use atlas::auth::Timestamp;
use atlas::{Compute, Credentials, Mark, Money, Spawned, TokenKind};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::table::{Table, pairs};

/// How long the signed URLs in the answer of `spawn` hold. Their key is kept nowhere, so they cannot be made again.
pub(crate) const SIGNED_FOR: Duration = Duration::from_hours(24);

/// A table of computes.
pub(crate) fn table(computes: &[Compute]) -> Table {
    let mut table = Table::new(&["ID", "NAME", "PROVIDER", "STATUS", "FOR", "GPU", "PRICE/H", "ADDRESS"]);
    for compute in computes {
        table.row([
            compute.id.to_string(),
            name(compute),
            compute.provider.to_string(),
            status(compute),
            purpose(compute).to_owned(),
            gpu(compute),
            compute.cost_per_hour.map(dollars).unwrap_or_default(),
            compute.ports.iter().find_map(address).unwrap_or_default(),
        ]);
    }
    table
}

/// All that a person wants to know of one compute.
pub(crate) fn details(compute: &Compute) -> Vec<(&'static str, String)> {
    let mut lines = vec![
        ("id", compute.id.to_string()),
        ("name", name(compute)),
        ("provider", compute.provider.to_string()),
        ("status", status(compute)),
        ("for", purpose(compute).to_owned()),
        ("region", compute.region.clone().unwrap_or_default()),
        ("image", compute.image.clone().unwrap_or_default()),
        ("gpu", gpu(compute)),
        ("price/h", compute.cost_per_hour.map(dollars).unwrap_or_default()),
        ("created", compute.created_at.map(|at| at.to_string()).unwrap_or_default()),
    ];
    lines.retain(|(_, value)| !value.is_empty());
    for port in &compute.ports {
        let reached = address(port).unwrap_or_else(|| "not reachable yet".to_owned());
        lines.push(("port", format!("{}/{}  {reached}", port.container_port, port.protocol)));
    }
    lines
}

/// One line of what a machine is doing and where it answers.
pub(crate) fn in_a_word(compute: &Compute) -> String {
    let reached = compute.ports.iter().find_map(address).map(|address| format!("  {address}")).unwrap_or_default();
    format!("{} {}{reached}", compute.id, status(compute))
}

/// The answer of `spawn` for people: the compute, and its keys, which are shown once.
pub(crate) fn spawned_in_words(spawned: &Spawned, now: Timestamp) -> Result<String, Failure> {
    let mut lines = details(&spawned.compute);
    match &spawned.credentials {
        Credentials::Bearer(token) => {
            lines.push(("key", token.expose().to_owned()));
            if let Some(url) = spawned.compute.first_http().and_then(|port| port.url.as_deref()) {
                lines.push(("try", format!("curl -H '{}' {url}", token.header().expose())));
            }
        }
        Credentials::Signing(..) => {
            for signed in signed_urls(spawned, now)? {
                lines.push(("url", format!("{}  (until {})", signed.url, signed.expires_at)));
            }
        }
        _ => {}
    }
    Ok(pairs(&lines))
}

/// The answer of `spawn` for machines: the compute with `auth` beside it.
pub(crate) fn spawned_as_json(spawned: &Spawned, now: Timestamp) -> Result<Value, Failure> {
    let mut value =
        serde_json::to_value(&spawned.compute).map_err(|cause| Failure::from(std::io::Error::other(cause)))?;
    let auth = match &spawned.credentials {
        Credentials::Bearer(token) => Some(json!({ "kind": "bearer", "token": token.expose() })),
        Credentials::Signing(..) => {
            let urls: Vec<Value> = signed_urls(spawned, now)?
                .into_iter()
                .map(|signed| {
                    json!({
                        "container_port": signed.container_port,
                        "url": signed.url,
                        "expires_at": signed.expires_at,
                    })
                })
                .collect();
            Some(json!({ "kind": "signed_url", "urls": urls }))
        }
        _ => None,
    };
    if let (Some(fields), Some(auth)) = (value.as_object_mut(), auth) {
        fields.insert("auth".to_owned(), auth);
    }
    Ok(value)
}

struct Signed {
    container_port: u16,
    url: String,
    expires_at: Timestamp,
}

/// The root of each http port that has an address, signed.
fn signed_urls(spawned: &Spawned, now: Timestamp) -> Result<Vec<Signed>, Failure> {
    let expires_at = Timestamp::from_seconds(now.plus(SIGNED_FOR).as_seconds());
    let mut signed = Vec::new();
    for port in &spawned.compute.ports {
        if let (atlas::Protocol::Http, Some(url)) = (port.protocol, &port.url) {
            let url = spawned.credentials.sign("GET", url, expires_at)?.expose().to_owned();
            signed.push(Signed { container_port: port.container_port, url, expires_at });
        }
    }
    Ok(signed)
}

fn name(compute: &Compute) -> String {
    user_name(compute.mark.as_ref(), compute.name.as_deref())
}

/// The user's name for it; for one without our mark the cloud's.
pub(crate) fn user_name(mark: Option<&Mark>, named: Option<&str>) -> String {
    match mark {
        Some(mark) => mark.name.clone().unwrap_or_default(),
        None => named.unwrap_or_default().to_owned(),
    }
}

fn status(compute: &Compute) -> String {
    match compute.exit_code {
        Some(code) => format!("{} ({code})", compute.status),
        None => compute.status.to_string(),
    }
}

/// Who holds it (rule O6).
fn purpose(compute: &Compute) -> &'static str {
    match compute.mark.as_ref().map(|mark| mark.token.kind()) {
        Some(TokenKind::Session) => "session",
        Some(TokenKind::Plain) => "plain",
        Some(_) => "newer atlas",
        None => "foreign",
    }
}

fn gpu(compute: &Compute) -> String {
    match (&compute.gpu_type, compute.gpu_count) {
        (None, _) => String::new(),
        (Some(name), 0 | 1) => name.clone(),
        (Some(name), count) => format!("{count} x {name}"),
    }
}

fn address(port: &atlas::Port) -> Option<String> {
    port.url.clone().or_else(|| port.public_port.map(|public| format!(":{public}")))
}

/// Dollars with two places, or as many as it takes.
pub(crate) fn dollars(amount: Money) -> String {
    let text = amount.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let kept = fraction.trim_end_matches('0');
    format!("${whole}.{kept:0<2}")
}

#[cfg(test)]
mod tests {
    //! Amounts are never rounded.

    use super::*;

    #[test]
    fn dollars_are_exact() {
        let shown: Vec<_> =
            [0, 100_000, 2_390_000, 12, 5_000_000].map(|micros| dollars(Money::from_micros(micros))).into();
        assert_eq!(shown, ["$0.00", "$0.10", "$2.39", "$0.000012", "$5.00"]);
    }
}
