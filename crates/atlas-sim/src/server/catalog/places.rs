//! Data centres.

/// One data centre.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) struct DataCenter {
    pub(in crate::server) id: &'static str,
    pub(in crate::server) name: &'static str,
    pub(in crate::server) region: &'static str,
    /// The country, as ISO 3166 writes it.
    pub(in crate::server) country: &'static str,
    pub(in crate::server) global_network: bool,
    pub(in crate::server) volumes: &'static [&'static str],
    pub(in crate::server) compliance: &'static [&'static str],
}

const BOTH: &[&str] = &["STANDARD", "HIGH_PERFORMANCE"];
const PLAIN: &[&str] = &["STANDARD"];
const EUROPEAN: &[&str] = &["GDPR", "ISO_IEC_27001"];
const AMERICAN: &[&str] = &["SOC_2_TYPE_2", "ISO_IEC_27001"];

const fn eu(
    id: &'static str,
    name: &'static str,
    country: &'static str,
    volumes: &'static [&'static str],
) -> DataCenter {
    DataCenter { id, name, region: "EUROPE", country, global_network: true, volumes, compliance: EUROPEAN }
}

const fn us(id: &'static str, name: &'static str, volumes: &'static [&'static str]) -> DataCenter {
    let (region, country) = ("NORTH_AMERICA", "US");
    DataCenter { id, name, region, country, global_network: true, volumes, compliance: AMERICAN }
}

static PLACES: [DataCenter; 19] = [
    us("US-KS-2", "US Kansas 2", BOTH),
    us("US-CA-2", "US California 2", BOTH),
    us("US-GA-2", "US Georgia 2", PLAIN),
    us("US-IL-1", "US Illinois 1", PLAIN),
    us("US-MD-1", "US Maryland 1", PLAIN),
    us("US-MO-1", "US Missouri 1", PLAIN),
    us("US-MO-2", "US Missouri 2", PLAIN),
    us("US-NC-1", "US North Carolina 1", PLAIN),
    us("US-NC-2", "US North Carolina 2", PLAIN),
    us("US-NE-1", "US Nebraska 1", PLAIN),
    us("US-WA-1", "US Washington 1", PLAIN),
    us("US-TX-1", "US Texas 1", &[]),
    eu("EU-CZ-1", "EU Czechia 1", "CZ", PLAIN),
    eu("EU-RO-1", "EU Romania 1", "RO", BOTH),
    eu("EUR-IS-1", "Europe Iceland 1", "IS", PLAIN),
    eu("EUR-NO-1", "Europe Norway 1", "NO", PLAIN),
    eu("EU-FR-1", "EU France 1", "FR", &[]),
    eu("EU-SE-1", "EU Sweden 1", "SE", &[]),
    DataCenter {
        id: "AP-JP-1",
        name: "Asia-Pacific Japan 1",
        region: "ASIA",
        country: "JP",
        global_network: false,
        volumes: &[],
        compliance: &[],
    },
];

/// All of them, in the order in which they are tried.
pub(in crate::server) fn data_centers() -> &'static [DataCenter] {
    &PLACES
}

/// The one of this id.
pub(in crate::server) fn data_center(id: &str) -> Option<&'static DataCenter> {
    PLACES.iter().find(|place| place.id == id)
}

/// The ids of those that have network volumes.
pub(in crate::server) fn with_volumes() -> Vec<&'static str> {
    PLACES.iter().filter(|place| !place.volumes.is_empty()).map(|place| place.id).collect()
}
