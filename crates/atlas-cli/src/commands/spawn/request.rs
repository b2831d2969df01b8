//! From flags to a request. What is wrong on any cloud is found by the request itself; here only what is wrong as text.

use std::path::PathBuf;

use atlas::auth::Secret;
use atlas::{CloudType, ComputeRequest, PortSpec};
use clap::Args;

use crate::failure::Failure;
use crate::input;

/// What kind of machine.
#[derive(Args)]
pub(super) struct Asked {
    /// GPUs in order of preference, such as h100,a100_80g; a cloud's own name is taken too
    #[arg(long, value_name = "GPU", value_delimiter = ',', conflicts_with_all = ["cpus", "memory_mb"], help_heading = "Machine")]
    gpu: Vec<String>,
    /// How many GPUs [default: 1]
    #[arg(long, value_name = "N", requires = "gpu", allow_negative_numbers = true, help_heading = "Machine")]
    gpu_count: Option<u32>,
    /// How many virtual CPUs at least
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Machine")]
    cpus: Option<u32>,
    /// How much memory at least, in mebibytes
    #[arg(long, value_name = "M", allow_negative_numbers = true, help_heading = "Machine")]
    memory_mb: Option<u64>,
    /// The disk of the container, in gigabytes
    #[arg(long, value_name = "G", allow_negative_numbers = true, help_heading = "Machine")]
    disk_gb: Option<u32>,
    /// A disk that outlives a stop, in gigabytes
    #[arg(long, value_name = "G", allow_negative_numbers = true, help_heading = "Machine")]
    volume_gb: Option<u32>,
    /// A network volume to attach
    #[arg(long, value_name = "ID", allow_hyphen_values = true, help_heading = "Machine")]
    network_volume: Option<String>,
    /// An interruptible machine will do
    #[arg(long, help_heading = "Machine")]
    spot: bool,
    /// Which part of the cloud's offer: secure, community or any
    #[arg(long, value_name = "TYPE", default_value = "any", help_heading = "Machine")]
    cloud_type: CloudType,
    /// Where, in the cloud's own words; repeat for more, best first
    #[arg(long, value_name = "REGION", help_heading = "Where")]
    region: Vec<String>,
    /// The container image
    #[arg(long, value_name = "IMAGE", help_heading = "What runs")]
    image: Option<String>,
    /// Credentials of the image's registry, by the cloud's id
    #[arg(long, value_name = "ID", allow_hyphen_values = true, help_heading = "What runs")]
    registry_auth: Option<String>,
    /// A template of the cloud
    #[arg(long, value_name = "ID", allow_hyphen_values = true, help_heading = "What runs")]
    template: Option<String>,
    /// A port to open, such as 8000/http or 22/tcp; repeat for more
    #[arg(long, value_name = "PORT/PROTOCOL", allow_hyphen_values = true, help_heading = "What runs")]
    port: Vec<PortSpec>,
    /// A variable of the environment; repeat for more
    #[arg(long, value_name = "NAME=VALUE", allow_hyphen_values = true, help_heading = "What runs")]
    env: Vec<String>,
    /// A file of variables, a line NAME=VALUE each; --env goes before it
    #[arg(long, value_name = "FILE", help_heading = "What runs")]
    env_file: Option<PathBuf>,
    /// Your name for the machine
    #[arg(long, allow_hyphen_values = true, help_heading = "What runs")]
    name: Option<String>,
    /// One of the provider's own options; repeat for more
    #[arg(long, value_name = "KEY=JSON", help_heading = "Where")]
    opt: Vec<String>,
    /// The command to run, with its arguments [default: the image's own]
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// Variables and options may hold secrets.
impl std::fmt::Debug for Asked {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Asked").field("gpu", &self.gpu).field("image", &self.image).finish_non_exhaustive()
    }
}

impl Asked {
    /// The request, as far as the flags can be read.
    pub(super) fn request(&self) -> Result<ComputeRequest, Failure> {
        let mut request = ComputeRequest::cpu();
        request.gpu.clone_from(&self.gpu);
        request.gpu_count = self.gpu_count;
        request.cpus = self.cpus;
        request.memory_mb = self.memory_mb;
        request.container_disk_gb = self.disk_gb;
        request.volume_gb = self.volume_gb;
        request.network_volume_id.clone_from(&self.network_volume);
        request.spot = self.spot;
        request.cloud_type = self.cloud_type;
        request.region_hints.clone_from(&self.region);
        request.image.clone_from(&self.image);
        request.registry_auth = self.registry_auth.as_deref().map(Secret::from);
        request.template_id.clone_from(&self.template);
        request.ports.clone_from(&self.port);
        request.name.clone_from(&self.name);
        request.command.clone_from(&self.command);
        request.env.extend(input::environment(self.env_file.as_deref(), &self.env)?);
        request.provider_opts = input::options(&self.opt)?;
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    //! Every flag reaches the request, and none is read as something else.

    use atlas::Field;
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        asked: Asked,
    }

    fn request(words: &str) -> Result<ComputeRequest, String> {
        let line = Line::try_parse_from(["spawn"].into_iter().chain(words.split_whitespace()))
            .map_err(|error| error.to_string())?;
        line.asked.request().map_err(|failure| failure.error().to_string())
    }

    #[test]
    fn every_flag_reaches_the_request() {
        let machine = request(
            "--gpu h100,a100_80g --gpu-count 2 --disk-gb 20 --volume-gb 50 --network-volume -v1 --spot --cloud-type secure \
             --region eu --region us --image me/app:1 --registry-auth r1 --template t1 --port 8000/http --port 22/tcp \
             --env A=b=c --name mine --opt depth={\"a\":1} -- tool --json -x",
        )
        .expect("all of it is good");
        assert_eq!(machine.gpu, ["h100", "a100_80g"]);
        assert_eq!(machine.ports, [PortSpec::http(8000), PortSpec::tcp(22)]);
        assert_eq!(machine.region_hints, ["eu", "us"]);
        assert_eq!(machine.env["A"].expose(), "b=c");
        assert_eq!(machine.command, ["tool", "--json", "-x"]);
        assert_eq!(machine.network_volume_id.as_deref(), Some("-v1"));
        let cpu = request("--cpus 2 --memory-mb 2048").expect("all of it is good");
        let mut fields = [machine.set_fields(), cpu.set_fields()].concat();
        fields.sort();
        fields.dedup();
        assert_eq!(fields.len(), 18, "a field of the request that no flag sets: {fields:?}");
        assert!(fields.contains(&Field::RegistryAuth));
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for words in [
            "--port 8000",
            "--port 0/http",
            "--port http/8000",
            "--port -1/http",
            "--gpu-count 2",
            "--gpu h100 --gpu-count -1",
            "--gpu h100 --cpus 2",
            "--cpus -2",
            "--cpus 99999999999",
            "--memory-mb 1.5",
            "--cloud-type nice",
            "--env NOVALUE",
            "--opt x",
            "--opt x=text",
            "--opt x=1 --opt x=2",
        ] {
            let error = request(words).expect_err(words);
            assert!(!error.is_empty());
        }
    }

    #[test]
    fn no_secret_is_shown() {
        let error = request("--opt key=hunter2").expect_err("no JSON");
        assert!(!error.contains("hunter2"), "{error}");
        let line = Line::try_parse_from(["spawn", "--env", "KEY=hunter2"]).expect("good");
        assert!(!format!("{line:?}").contains("hunter2"));
    }
}
