//! What a simulated cloud offers: GPUs, CPU flavours, data centres, how many there are of what, and what they cost.

use atlas_core::{CloudType, Money};

/// The name under which machines without a GPU have their price and their stock.
pub(crate) const CPU: &str = "cpu";

/// How many of one kind one machine can have where nobody says otherwise.
const MAX_COUNT: u32 = 8;

/// One way to rent a GPU.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CatalogOffer {
    /// Which part of the cloud: `secure` or `community`.
    pub cloud_type: CloudType,
    /// What one costs an hour; `None` for the cloud's general price.
    pub price: Option<Money>,
    /// The same for an interruptible machine; `None` for half the ordinary price.
    pub spot_price: Option<Money>,
    /// How many one machine can have at the most.
    pub max_count: u32,
}

impl CatalogOffer {
    /// An offer of this part of the cloud; `None` for the cloud's general price.
    pub const fn new(cloud_type: CloudType, price: Option<Money>) -> Self {
        Self { cloud_type, price, spot_price: None, max_count: MAX_COUNT }
    }
}

/// One model of GPU that the cloud has.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CatalogGpu {
    /// The cloud's own name for it.
    pub name: String,
    /// The cloud's name for people.
    pub display: String,
    /// Who makes it.
    pub manufacturer: String,
    /// The memory of one, in gigabytes as sold.
    pub memory_gb: u32,
    /// The group under which serverless workers are asked for.
    pub pool: Option<String>,
    /// What one costs an hour in a serverless worker; `None` for the price of its first offer.
    pub serverless_price: Option<Money>,
    /// The ways to rent it. Who does not care which gets the first that is free.
    pub offers: Vec<CatalogOffer>,
    /// In which data centres it stands; empty for all.
    pub data_centres: Vec<String>,
}

impl CatalogGpu {
    /// A model that nobody offers yet.
    pub fn new(name: impl Into<String>, memory_gb: u32) -> Self {
        let name = name.into();
        Self {
            display: name.clone(),
            name,
            manufacturer: "NVIDIA".to_owned(),
            memory_gb,
            pool: None,
            serverless_price: None,
            offers: Vec::new(),
            data_centres: Vec::new(),
        }
    }

    /// The cloud's name for people.
    #[must_use]
    pub fn display(mut self, display: impl Into<String>) -> Self {
        self.display = display.into();
        self
    }

    /// Who makes it; NVIDIA otherwise.
    #[must_use]
    pub fn manufacturer(mut self, manufacturer: impl Into<String>) -> Self {
        self.manufacturer = manufacturer.into();
        self
    }

    /// The group under which serverless workers are asked for, and what one costs an hour there.
    #[must_use]
    pub fn serverless(mut self, pool: impl Into<String>, price: Option<Money>) -> Self {
        self.pool = Some(pool.into());
        self.serverless_price = price;
        self
    }

    /// One more way to rent it.
    #[must_use]
    pub fn offer(mut self, offer: CatalogOffer) -> Self {
        self.offers.push(offer);
        self
    }

    /// One more data centre in which it stands.
    #[must_use]
    pub fn data_centre(mut self, name: impl Into<String>) -> Self {
        self.data_centres.push(name.into());
        self
    }

    /// The way to rent it in this part of the cloud.
    pub fn offered(&self, cloud_type: CloudType) -> Option<&CatalogOffer> {
        self.offers.iter().find(|offer| offer.cloud_type == cloud_type)
    }

    /// Whether it stands in this data centre.
    pub fn stands_in(&self, data_centre: &str) -> bool {
        self.data_centres.is_empty() || self.data_centres.iter().any(|name| name == data_centre)
    }
}

/// One kind of machine without a GPU.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CatalogCpu {
    /// The cloud's own name for it.
    pub name: String,
    /// The cloud's name for people.
    pub display: String,
    /// The fewest and the most virtual CPUs of one machine.
    pub vcpus: (u32, u32),
    /// How much memory comes with each, in gigabytes.
    pub memory_gb_per_vcpu: u32,
    /// What one virtual CPU costs an hour.
    pub price_per_vcpu: Money,
    /// The same in a serverless worker; `None` for the same price.
    pub serverless_price_per_vcpu: Option<Money>,
}

impl CatalogCpu {
    /// A flavour of 2 to 32 virtual CPUs.
    pub fn new(name: impl Into<String>, memory_gb_per_vcpu: u32, price_per_vcpu: Money) -> Self {
        let name = name.into();
        Self {
            display: name.clone(),
            name,
            vcpus: (2, 32),
            memory_gb_per_vcpu,
            price_per_vcpu,
            serverless_price_per_vcpu: None,
        }
    }

    /// The cloud's name for people.
    #[must_use]
    pub fn display(mut self, display: impl Into<String>) -> Self {
        self.display = display.into();
        self
    }
}

/// A place where machines stand.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DataCentre {
    /// The cloud's own name for it.
    pub name: String,
    /// The cloud's name for people.
    pub display: String,
    /// The part of the world, in the cloud's own words.
    pub area: String,
    /// The country, by its two letters; empty where the cloud does not say.
    pub country: String,
    /// Whether it has network volumes.
    pub has_volumes: bool,
}

impl DataCentre {
    /// A data centre with network volumes.
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        Self { display: name.clone(), name, area: String::new(), country: String::new(), has_volumes: true }
    }

    /// Where in the world it is.
    #[must_use]
    pub fn located(mut self, area: impl Into<String>, country: impl Into<String>) -> Self {
        self.area = area.into();
        self.country = country.into();
        self
    }

    /// Without network volumes.
    #[must_use]
    pub fn without_volumes(mut self) -> Self {
        self.has_volumes = false;
        self
    }
}

/// How many there are of something: in all, or in one part of the cloud, or in one data centre.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Limit {
    pub(super) what: String,
    pub(super) cloud_type: CloudType,
    pub(super) data_centre: Option<String>,
    pub(super) count: u32,
}

impl Limit {
    fn is_for(&self, what: &str, cloud_type: CloudType, data_centre: Option<&str>) -> bool {
        self.what == what && self.cloud_type == cloud_type && self.data_centre.as_deref() == data_centre
    }

    /// Whether what stands at `place` counts against it.
    pub(super) fn bounds(&self, place: &Place) -> bool {
        self.what == place.what
            && (self.cloud_type == CloudType::Any || self.cloud_type == place.cloud_type)
            && self.data_centre.as_ref().is_none_or(|name| *name == place.region)
    }
}

/// What a machine is made of, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Place {
    /// The cloud's name of the GPU or of the CPU flavour; `cpu` for no flavour.
    pub(crate) what: String,
    pub(crate) cloud_type: CloudType,
    pub(crate) region: String,
}

/// What a cloud offers. Of what has no limit there is always one more.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Catalog {
    /// The models of GPU.
    pub gpus: Vec<CatalogGpu>,
    /// The kinds of machines without a GPU, beside the plain one.
    pub cpus: Vec<CatalogCpu>,
    /// The data centres, the usual one first.
    pub data_centres: Vec<DataCentre>,
    /// What a machine without a GPU and without a flavour costs.
    pub(super) plain: PlainPrice,
    pub(super) limits: Vec<Limit>,
}

/// What a machine without a GPU and without a flavour costs an hour, where it is not the general price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct PlainPrice {
    pub(super) ordinary: Option<Money>,
    pub(super) spot: Option<Money>,
}

impl Catalog {
    /// Nothing at all.
    pub fn new() -> Self {
        Self::default()
    }

    /// One more model of GPU.
    #[must_use]
    pub fn gpu(mut self, gpu: CatalogGpu) -> Self {
        self.gpus.push(gpu);
        self
    }

    /// One more kind of machine without a GPU.
    #[must_use]
    pub fn cpu(mut self, cpu: CatalogCpu) -> Self {
        self.cpus.push(cpu);
        self
    }

    /// One more data centre.
    #[must_use]
    pub fn data_centre(mut self, data_centre: DataCentre) -> Self {
        self.data_centres.push(data_centre);
        self
    }

    /// How many there are in one part of the cloud ([`CloudType::Any`] for all) and one data centre (`None` for all):
    /// each bound holds by itself. `what` is a GPU, a CPU flavour, or `cpu`.
    #[must_use]
    pub fn capacity(mut self, what: &str, cloud_type: CloudType, data_centre: Option<&str>, count: u32) -> Self {
        self.set_capacity(what, cloud_type, data_centre, count);
        self
    }

    pub(crate) fn set_capacity(&mut self, what: &str, cloud_type: CloudType, data_centre: Option<&str>, count: u32) {
        match self.limits.iter_mut().find(|limit| limit.is_for(what, cloud_type, data_centre)) {
            Some(limit) => limit.count = count,
            None => self.limits.push(Limit {
                what: what.to_owned(),
                cloud_type,
                data_centre: data_centre.map(str::to_owned),
                count,
            }),
        }
    }

    /// Sets what one costs an hour, in every part of the cloud.
    pub(crate) fn set_price(&mut self, what: &str, price: Money) {
        if what == CPU {
            self.plain.ordinary = Some(price);
        }
        for gpu in self.gpus.iter_mut().filter(|gpu| gpu.name == what) {
            gpu.offers.iter_mut().for_each(|offer| offer.price = Some(price));
        }
        for cpu in self.cpus.iter_mut().filter(|cpu| cpu.name == what) {
            cpu.price_per_vcpu = price;
        }
    }

    /// The same for interruptible machines.
    pub(crate) fn set_spot_price(&mut self, what: &str, price: Money) {
        if what == CPU {
            self.plain.spot = Some(price);
        }
        for gpu in self.gpus.iter_mut().filter(|gpu| gpu.name == what) {
            gpu.offers.iter_mut().for_each(|offer| offer.spot_price = Some(price));
        }
    }

    /// The model of this name.
    pub fn find_gpu(&self, name: &str) -> Option<&CatalogGpu> {
        self.gpus.iter().find(|gpu| gpu.name == name)
    }

    /// The flavour of this name.
    pub fn find_cpu(&self, name: &str) -> Option<&CatalogCpu> {
        self.cpus.iter().find(|cpu| cpu.name == name)
    }

    /// The data centre of this name.
    pub fn find_data_centre(&self, name: &str) -> Option<&DataCentre> {
        self.data_centres.iter().find(|data_centre| data_centre.name == name)
    }

    /// The names of all data centres, the usual one first.
    pub fn data_centre_names(&self) -> Vec<&str> {
        self.data_centres.iter().map(|data_centre| data_centre.name.as_str()).collect()
    }
}
