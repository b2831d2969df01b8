//! The calls that a cloud hears.

use std::fmt;

macro_rules! operations {
    ($($variant:ident => $name:literal, $thing:literal;)*) => {
        /// A call to the cloud.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Operation {
            $(#[doc = concat!("`", $name, "`")] $variant,)*
        }

        impl Operation {
            /// Every operation.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$variant),*];

            /// Its name, as errors have it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it acts on: what is not there when it finds nothing.
            pub(crate) const fn thing(self) -> &'static str {
                match self { $(Self::$variant => $thing,)* }
            }
        }
    };
}

operations! {
    Spawn => "spawn", "machine";
    Get => "get", "machine";
    List => "list", "machine";
    Find => "find_spawned", "machine";
    Terminate => "terminate", "machine";
    Stop => "stop", "machine";
    Start => "start", "machine";
    GpuTypes => "list_gpu_types", "GPU";
    RunJob => "run_job", "endpoint";
    GetJob => "get_job", "job";
    CancelJob => "cancel_job", "job";
    StreamJob => "stream_job", "job";
    CreateVolume => "create_volume", "network volume";
    GetVolume => "get_volume", "network volume";
    ListVolumes => "list_volumes", "network volume";
    GrowVolume => "grow_volume", "network volume";
    DeleteVolume => "delete_volume", "network volume";
    ListEndpoints => "list_rented", "endpoint";
    EndEndpoint => "end_rented", "endpoint";
}

impl Operation {
    /// Whether it changes nothing.
    pub(crate) const fn reads(self) -> bool {
        match self {
            Self::Get
            | Self::List
            | Self::Find
            | Self::GpuTypes
            | Self::GetJob
            | Self::StreamJob
            | Self::GetVolume
            | Self::ListVolumes
            | Self::ListEndpoints => true,
            Self::Spawn
            | Self::Terminate
            | Self::Stop
            | Self::Start
            | Self::RunJob
            | Self::CancelJob
            | Self::CreateVolume
            | Self::GrowVolume
            | Self::DeleteVolume
            | Self::EndEndpoint => false,
        }
    }

    /// Whether its answer names something new.
    pub(crate) const fn makes(self) -> bool {
        matches!(self, Self::Spawn | Self::CreateVolume | Self::RunJob)
    }

    /// Whether it makes something that bears a mark in its name.
    pub(crate) const fn names(self) -> bool {
        matches!(self, Self::Spawn | Self::CreateVolume)
    }

    /// Whether it names nobody and shows everybody.
    pub(crate) const fn is_listing(self) -> bool {
        matches!(self, Self::List | Self::Find | Self::ListVolumes | Self::ListEndpoints)
    }

    /// Whether it is about machines that there are already.
    pub(crate) const fn meets_machines(self) -> bool {
        matches!(self, Self::Get | Self::List | Self::Find | Self::Terminate | Self::Stop | Self::Start)
    }

    /// Whether it is about network volumes that there are already.
    pub(crate) const fn meets_volumes(self) -> bool {
        matches!(self, Self::GetVolume | Self::ListVolumes | Self::GrowVolume | Self::DeleteVolume)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
