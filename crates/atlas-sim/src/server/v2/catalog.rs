//! `/v2/catalog`: what there is, what it costs, and how much of it is free.

use atlas_auth::Timestamp;
use atlas_core::{CloudType, Stock};
use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use serde_json::{Value, json};

use super::super::app::{App, World};
use super::super::catalog::{self, DataCenter, Flavour, Gpu, cloud_type, dollars};
use super::super::keys::Caller;
use super::super::reply::{self, Answer, Problem};
use super::super::shape::is_version;
use super::order::CUDA;
use crate::faults::Operation;

/// What is asked for beside the thing itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Wish {
    includes: Vec<String>,
    products: Vec<String>,
    count: Option<u32>,
    cloud: Option<String>,
    countries: Vec<String>,
    cuda: Vec<String>,
    regions: Vec<String>,
    volumes: Vec<String>,
    compliance: Vec<String>,
    global: Option<bool>,
}

impl Wish {
    fn read(query: Option<&str>, includes: &[&str]) -> Result<Self, Problem> {
        let mut wish = Self::default();
        let wrong = |name: &str| Problem::unprocessable(vec![format!("{name}: value is not allowed")]);
        let words = |name: &str, value: &str, known: &[&str]| {
            let words: Vec<_> = value.split(',').map(str::to_owned).collect();
            let fits = known.is_empty() || words.iter().all(|word| known.contains(&word.as_str()));
            if fits { Ok(words) } else { Err(wrong(name)) }
        };
        for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            match &*name {
                "include" => wish.includes = words("include", &value, includes)?,
                "product" => wish.products = words("product", &value, &["POD", "CLUSTER", "SERVERLESS"])?,
                "count" | "vcpuCount" => {
                    let count = value.parse().ok().filter(|count| *count > 0);
                    wish.count = Some(count.ok_or_else(|| wrong(&name))?);
                }
                "cloud" => {
                    words("cloud", &value, &["SECURE", "COMMUNITY"])?;
                    wish.cloud = Some(value.into_owned());
                }
                "countryCodes" => wish.countries = words("countryCodes", &value, &[])?,
                "cudaVersions" => wish.cuda = words("cudaVersions", &value, &[])?,
                "minCudaVersion" if value.contains('.') && !is_version(&value) => return Err(wrong("minCudaVersion")),
                "regions" => wish.regions = words("regions", &value, &[])?,
                "networkVolumeTypes" => wish.volumes = words("networkVolumeTypes", &value, &[])?,
                "compliance" => wish.compliance = words("compliance", &value, &[])?,
                "globalNetwork" => wish.global = value.parse().ok(),
                _ => {}
            }
        }
        Ok(wish)
    }

    /// Availability is asked for with a product, and a product with availability.
    fn paired(self) -> Result<Self, Problem> {
        match (self.includes.is_empty(), self.products.is_empty()) {
            (false, true) => Err(Problem::bad_request("product is required when include=AVAILABILITY is set")),
            (true, false) => Err(Problem::bad_request("product is only allowed when include=AVAILABILITY is set")),
            _ => Ok(self),
        }
    }

    fn admits(&self, place: &DataCenter) -> bool {
        self.countries.is_empty() || self.countries.iter().any(|code| code == place.country)
    }
}

/// REST's word for how much there is.
fn word(stock: &Stock) -> &'static str {
    match stock {
        Stock::High => "HIGH",
        Stock::Medium => "MEDIUM",
        Stock::Low => "LOW",
        _ => "NONE",
    }
}

fn gpu(world: &World, gpu: &Gpu, wish: &Wish, now: Timestamp) -> Value {
    let price = |cloud| dollars(gpu.price(cloud).unwrap_or(0));
    let mut prices = json!({ "secure": price("SECURE"), "community": price("COMMUNITY") });
    if gpu.serverless > 0 {
        prices["serverless"] = dollars(gpu.serverless * 1000).into();
    }
    let mut shown = json!({
        "id": gpu.id,
        "name": gpu.name,
        "pool": gpu.pool,
        "manufacturer": gpu.manufacturer(),
        "memory": gpu.memory,
        "secure": gpu.price("SECURE").is_some(),
        "community": gpu.price("COMMUNITY").is_some(),
        "price": prices,
        "maxCount": { "secure": gpu.most("SECURE"), "community": gpu.most("COMMUNITY") },
    });
    if wish.includes.is_empty() {
        return shown;
    }
    let (cloud, count) = (wish.cloud.as_deref().unwrap_or("SECURE"), wish.count.unwrap_or(1));
    let has =
        gpu.most(cloud) >= count && (wish.cuda.is_empty() || wish.cuda.iter().any(|cuda| CUDA.contains(&&**cuda)));
    let places = catalog::data_centers().iter().filter(|place| has && wish.admits(place));
    let mut best = Stock::None;
    let places: Vec<_> = places
        .map(|place| {
            let stock = world.level(gpu.id, Some(place.id), cloud_type(cloud), count, now);
            let shown = json!({ "id": place.id, "name": place.name, "availability": word(&stock) });
            best = better(&best, stock);
            shown
        })
        .collect();
    shown["availability"] = word(&best).into();
    shown["dataCenters"] = places.into();
    let cuda = |version: &&str| json!({ "version": version, "available": best != Stock::None });
    shown["cudaVersions"] = CUDA.iter().map(cuda).collect();
    shown
}

fn better(one: &Stock, other: Stock) -> Stock {
    let rank = |stock: &Stock| ["NONE", "LOW", "MEDIUM", "HIGH"].iter().position(|known| *known == word(stock));
    if rank(&other) > rank(one) { other } else { one.clone() }
}

pub(super) async fn gpus(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> Response {
    app.visit(&caller, Operation::GpuTypes, None, |world, visit| {
        let now = visit.now;
        let wish = Wish::read(query.as_deref(), &["AVAILABILITY"])?.paired()?;
        let gpus: Vec<_> = catalog::gpus().iter().map(|one| gpu(world, one, &wish, now)).collect();
        Ok(reply::ok(&json!({ "gpus": gpus })))
    })
    .await
}

pub(super) async fn one_gpu(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    app.visit(&caller, Operation::GpuTypes, None, |world, visit| {
        let wish = Wish::read(query.as_deref(), &["AVAILABILITY"])?.paired()?;
        let one = catalog::gpu(&id).ok_or_else(|| Problem::not_found("gpu type"))?;
        Ok(reply::ok(&gpu(world, one, &wish, visit.now)))
    })
    .await
}

fn cpu(world: &World, flavour: &Flavour, wish: &Wish, now: Timestamp) -> Value {
    let mut shown = json!({
        "id": flavour.id,
        "name": flavour.name,
        "group": flavour.group,
        "vcpu": { "min": flavour.least, "max": flavour.most },
        "ramGbPerVcpu": flavour.ram_per_vcpu,
        "price": { "securePerVcpu": dollars(flavour.price), "serverlessPerVcpu": dollars(flavour.price) },
    });
    if !wish.includes.is_empty() {
        let stock = |at| word(&world.level(flavour.id, at, CloudType::Secure, 1, now));
        let place =
            |place: &DataCenter| json!({ "id": place.id, "name": place.name, "availability": stock(Some(place.id)) });
        shown["availability"] = stock(None).into();
        shown["dataCenters"] = catalog::data_centers().iter().map(place).collect();
    }
    shown
}

pub(super) async fn cpus(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> Response {
    app.visit(&caller, Operation::CpuTypes, None, |world, visit| {
        let now = visit.now;
        let wish = Wish::read(query.as_deref(), &["AVAILABILITY"])?.paired()?;
        let cpus: Vec<_> = catalog::flavours().iter().map(|one| cpu(world, one, &wish, now)).collect();
        Ok(reply::ok(&json!({ "cpus": cpus })))
    })
    .await
}

pub(super) async fn one_cpu(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    app.visit(&caller, Operation::CpuTypes, None, |world, visit| {
        let wish = Wish::read(query.as_deref(), &["AVAILABILITY"])?.paired()?;
        let one = catalog::flavour(&id).ok_or_else(|| Problem::not_found("cpu type"))?;
        Ok(reply::ok(&cpu(world, one, &wish, visit.now)))
    })
    .await
}

fn place(world: &World, place: &DataCenter, wish: &Wish, now: Timestamp) -> Value {
    let mut shown = json!({
        "id": place.id,
        "name": place.name,
        "region": place.region,
        "globalNetwork": place.global_network,
        "networkVolumeTypes": place.volumes,
        "compliance": place.compliance,
    });
    let level = |id: &str| word(&world.level(id, Some(place.id), CloudType::Secure, 1, now));
    let includes = |word: &str| wish.includes.iter().any(|include| include == word);
    if includes("GPU_AVAILABILITY") {
        let offered = catalog::gpus().iter().filter(|gpu| gpu.price("SECURE").is_some());
        let one = |gpu: &Gpu| json!({ "id": gpu.id, "name": gpu.name, "availability": level(gpu.id) });
        shown["gpuAvailability"] = offered.map(one).collect();
    }
    if includes("CPU_AVAILABILITY") {
        let one = |cpu: &Flavour| json!({ "id": cpu.id, "name": cpu.name, "availability": level(cpu.id) });
        shown["cpuAvailability"] = catalog::flavours().iter().map(one).collect();
    }
    shown
}

const PLACE_INCLUDES: [&str; 2] = ["GPU_AVAILABILITY", "CPU_AVAILABILITY"];

pub(super) async fn data_centers(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> Response {
    app.visit(&caller, Operation::DataCentres, None, |world, visit| {
        let now = visit.now;
        let wish = Wish::read(query.as_deref(), &PLACE_INCLUDES)?;
        let any = |asked: &[String], has: &[&str]| asked.is_empty() || asked.iter().any(|word| has.contains(&&**word));
        let wanted = catalog::data_centers().iter().filter(|place| {
            any(&wish.regions, &[place.region])
                && any(&wish.volumes, place.volumes)
                && any(&wish.compliance, place.compliance)
                && wish.global.is_none_or(|global| place.global_network == global)
        });
        let places: Vec<_> = wanted.map(|one| place(world, one, &wish, now)).collect();
        Ok(reply::ok(&json!({ "dataCenters": places })))
    })
    .await
}

pub(super) async fn one_data_center(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    app.visit(&caller, Operation::DataCentres, None, |world, visit| {
        let wish = Wish::read(query.as_deref(), &PLACE_INCLUDES)?;
        let one = catalog::data_center(&id).ok_or_else(|| Problem::not_found("data center"))?;
        Ok(reply::ok(&place(world, one, &wish, visit.now)))
    })
    .await
}

/// Templates of others: there are none.
pub(super) async fn templates() -> Answer {
    Ok(reply::ok(&json!({ "templates": [], "pagination": super::paging::Pagination::last() })))
}
