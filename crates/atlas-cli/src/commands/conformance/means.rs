//! What a person can tell the suite, so that it proves more than what machines show: an endpoint and a job for it, a place for
//! volumes, options of the provider's own.

use atlas::{Account, Capability, ComputeRequest, Error, JobRequest, VolumeRequest};
use clap::Args;
use serde_json::Value;

use crate::failure::Failure;
use crate::input;

/// An option of the provider's own, and where its value stands in `raw` afterwards.
type Shown = (String, Value, String);

/// The flags.
#[derive(Args)]
pub(super) struct Asked {
    /// An endpoint of yours, to hold the promises about jobs; five are run there, and cost what its workers cost
    #[arg(long, value_name = "ID", requires = "input", help_heading = "To prove more")]
    endpoint: Option<String>,
    /// The input of a job that takes a second or two there and streams two pieces at least: JSON, or @FILE with JSON in it
    #[arg(
        long,
        value_name = "JSON|@FILE",
        requires = "endpoint",
        allow_hyphen_values = true,
        help_heading = "To prove more"
    )]
    input: Option<String>,
    /// A data centre, to hold the promises about network volumes; four are made there, one after the other
    #[arg(long, value_name = "REGION", help_heading = "To prove more")]
    volume_region: Option<String>,
    /// How large they are, in gigabytes; one is made 10 larger
    #[arg(
        long,
        value_name = "N",
        default_value_t = 10,
        requires = "volume_region",
        allow_negative_numbers = true,
        help_heading = "To prove more"
    )]
    volume_size_gb: u32,
    /// One of the provider's own options, that must reach the cloud
    #[arg(long, value_name = "KEY=JSON", requires = "opt_shown", help_heading = "To prove more")]
    opt: Option<String>,
    /// Where its value stands in `raw` afterwards, such as /gpu/count
    #[arg(long, value_name = "POINTER", requires = "opt", help_heading = "To prove more")]
    opt_shown: Option<String>,
    /// An option that would change a mark, a token or a key, and must be refused; repeat for more
    #[arg(long, value_name = "KEY=JSON", help_heading = "To prove more")]
    forbidden_opt: Vec<String>,
}

/// Inputs and options may hold secrets.
impl std::fmt::Debug for Asked {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Asked").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// What they come to.
#[derive(Default)]
pub(super) struct Means {
    pub(super) job: Option<JobRequest>,
    pub(super) volume: Option<VolumeRequest>,
    pub(super) option: Option<Shown>,
    pub(super) forbidden: Vec<(String, Value)>,
}

impl Asked {
    /// Reads them, and refuses what this account cannot have: nobody pays for a run that proves less than was asked for.
    pub(super) fn read(&self, account: &Account) -> Result<Means, Failure> {
        let mut means = Means::default();
        if let (Some(endpoint), Some(input)) = (&self.endpoint, &self.input) {
            has(account, Capability::Serverless)?;
            let job = JobRequest::new(endpoint.as_str(), input::json("--input", input)?);
            job.validate()?;
            means.job = Some(job);
        }
        if let Some(region) = &self.volume_region {
            has(account, Capability::NetworkVolumes)?;
            let volume = VolumeRequest::new(region.as_str(), self.volume_size_gb).name("data");
            volume.validate().and_then(|()| account.provider().check_volume(&volume))?;
            means.volume = Some(volume);
        }
        if let (Some(option), Some(shown)) = (&self.opt, &self.opt_shown) {
            if !shown.starts_with('/') {
                return Err(Failure::usage("--opt-shown is no JSON pointer: write it such as /gpu/count"));
            }
            let (name, value) = input::option_of("--opt", option)?;
            means.option = Some((name, value, shown.clone()));
        }
        let forbidden = self.forbidden_opt.iter().map(|option| input::option_of("--forbidden-opt", option));
        means.forbidden = forbidden.collect::<Result<_, _>>()?;
        Ok(means)
    }
}

impl Means {
    /// Refuses an option that the machine of the cases cannot have.
    pub(super) fn check(&self, account: &Account, machine: &ComputeRequest) -> Result<(), Failure> {
        let Some((name, value, _)) = &self.option else { return Ok(()) };
        let checked = account.provider().check(&machine.clone().option(name.as_str(), value.clone()));
        checked.map_err(|error: Error| Failure::from(error.context("--opt")))
    }
}

fn has(account: &Account, capability: Capability) -> Result<(), Failure> {
    let provider = account.provider();
    if provider.traits().has(capability) {
        return Ok(());
    }
    Err(provider.unsupported("conformance", capability).into())
}
