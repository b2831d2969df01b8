//! Where a machine may stand: a region hint is a data centre (`EU-RO-1`), a country (`FR`) or a part of the world
//! (`europe`). RunPod takes data centres only, and holds to them: it is no mere hint there.

use std::collections::BTreeSet;

use atlas_core::error::excerpt;
use atlas_core::{Error, Result};

use crate::api::catalog::{DataCenter, Gpu};

/// What a hint names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Hint {
    DataCenter(String),
    Country(String),
    Region(String),
}

/// Reads a hint, in whatever case. RunPod takes ids in lower case and then does not find them.
pub(crate) fn hint(text: &str) -> Hint {
    let upper = text.trim().to_ascii_uppercase();
    if upper.len() == 2 && upper.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        Hint::Country(upper)
    } else if upper.bytes().any(|byte| byte.is_ascii_digit()) {
        Hint::DataCenter(upper)
    } else {
        Hint::Region(upper.replace([' ', '-'], "_"))
    }
}

/// The data centre of this id; `None` for the list means that it could not be read, and the id is taken at its word.
pub(crate) fn data_center(id: &str, known: Option<&[DataCenter]>) -> Result<String> {
    match known {
        Some(known) if !known.iter().any(|center| center.id.eq_ignore_ascii_case(id)) => {
            let ids: Vec<_> = known.iter().map(|center| center.id.as_str()).collect();
            Err(Error::validation(format!(
                "\"{}\" is no data centre of RunPod; it has {}",
                excerpt(id),
                ids.join(", ")
            )))
        }
        _ => Ok(id.to_owned()),
    }
}

/// The data centres of a part of the world.
pub(crate) fn in_region(region: &str, known: &[DataCenter]) -> Result<Vec<String>> {
    let there: Vec<_> = known
        .iter()
        .filter(|center| center.region.as_deref().is_some_and(|found| found.eq_ignore_ascii_case(region)))
        .map(|center| center.id.clone())
        .collect();
    if there.is_empty() {
        let regions: BTreeSet<_> = known.iter().filter_map(|center| center.region.as_deref()).collect();
        let regions: Vec<_> = regions.into_iter().map(str::to_ascii_lowercase).collect();
        let message = format!(
            "\"{}\" is no region of RunPod: name a data centre, a country by its two letters, or one of {}",
            excerpt(&region.to_ascii_lowercase()),
            regions.join(", ")
        );
        return Err(Error::validation(message));
    }
    Ok(there)
}

/// The data centres of a country: those that the catalog shows when it is asked for that country only.
pub(crate) fn in_country(country: &str, shown: &[Gpu]) -> Result<Vec<String>> {
    let there: BTreeSet<_> =
        shown.iter().flat_map(|gpu| &gpu.data_centers).map(|center| center.id.to_ascii_uppercase()).collect();
    if there.is_empty() {
        return Err(Error::validation(format!("RunPod has no data centre in {}", excerpt(country))));
    }
    Ok(there.into_iter().collect())
}

/// Refuses places that exclude the data centre in which the network volume stands.
pub(crate) fn with_volume(volume: &str, center: Option<String>, places: Vec<String>) -> Result<Vec<String>> {
    match center {
        Some(center) if places.is_empty() || places.contains(&center) => Ok(vec![center]),
        Some(center) => Err(Error::validation(format!(
            "network volume {volume} stands in {center}, and the regions asked for are {}",
            places.join(", ")
        ))),
        None => Ok(places),
    }
}

#[cfg(test)]
mod tests {
    //! Hints in the words of people.

    use super::*;

    fn centers() -> Vec<DataCenter> {
        let center = |id: &str, region: &str| DataCenter {
            id: id.to_owned(),
            region: Some(region.to_owned()),
            network_volume_types: Vec::new(),
        };
        vec![center("EU-RO-1", "EUROPE"), center("EUR-IS-1", "EUROPE"), center("US-CA-2", "NORTH_AMERICA")]
    }

    #[test]
    fn a_hint_is_a_data_centre_a_country_or_a_region() {
        assert_eq!(hint("eu-ro-1"), Hint::DataCenter("EU-RO-1".to_owned()));
        assert_eq!(hint("fr"), Hint::Country("FR".to_owned()));
        assert_eq!(hint("North America"), Hint::Region("NORTH_AMERICA".to_owned()));
        assert_eq!(hint("europe"), Hint::Region("EUROPE".to_owned()));
    }

    #[test]
    fn what_there_is_none_of_is_refused_and_told() {
        assert_eq!(data_center("US-CA-2", Some(&centers())).unwrap(), "US-CA-2");
        assert_eq!(data_center("XX-9", None).unwrap(), "XX-9");
        let error = data_center("XX-9", Some(&centers())).unwrap_err();
        assert_eq!(error.to_string(), "\"XX-9\" is no data centre of RunPod; it has EU-RO-1, EUR-IS-1, US-CA-2");
        assert_eq!(in_region("EUROPE", &centers()).unwrap(), ["EU-RO-1", "EUR-IS-1"]);
        assert!(in_region("MARS", &centers()).unwrap_err().to_string().contains("europe, north_america"));
        assert!(in_country("FR", &[]).unwrap_err().to_string().contains("FR"));
    }

    #[test]
    fn a_volume_decides_where_its_machine_stands() {
        let center = || Some("EU-RO-1".to_owned());
        assert_eq!(with_volume("v1", center(), Vec::new()).unwrap(), ["EU-RO-1"]);
        assert_eq!(with_volume("v1", center(), vec!["EU-CZ-1".into(), "EU-RO-1".into()]).unwrap(), ["EU-RO-1"]);
        assert!(
            with_volume("v1", center(), vec!["US-CA-2".into()]).unwrap_err().to_string().contains("stands in EU-RO-1")
        );
        assert_eq!(with_volume("v1", None, vec!["US-CA-2".into()]).unwrap(), ["US-CA-2"]);
    }
}
