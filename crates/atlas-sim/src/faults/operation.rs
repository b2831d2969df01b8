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
    Restart => "restart", "machine";
    Update => "update", "machine";
    Logs => "logs", "machine";
    GpuTypes => "list_gpu_types", "GPU";
    CpuTypes => "list_cpu_types", "CPU";
    DataCentres => "list_data_centers", "data centre";
    RunJob => "run_job", "endpoint";
    GetJob => "get_job", "job";
    CancelJob => "cancel_job", "job";
    StreamJob => "stream_job", "job";
    RetryJob => "retry_job", "job";
    PurgeQueue => "purge_queue", "endpoint";
    CreateVolume => "create_volume", "network volume";
    GetVolume => "get_volume", "network volume";
    ListVolumes => "list_volumes", "network volume";
    GrowVolume => "grow_volume", "network volume";
    DeleteVolume => "delete_volume", "network volume";
    ListEndpoints => "list_rented", "endpoint";
    EndEndpoint => "end_rented", "endpoint";
    CreateEndpoint => "create_endpoint", "endpoint";
    GetEndpoint => "get_endpoint", "endpoint";
    UpdateEndpoint => "update_endpoint", "endpoint";
    EndpointWorkers => "endpoint_workers", "endpoint";
    EndpointHealth => "endpoint_health", "endpoint";
    CreateTemplate => "create_template", "template";
    GetTemplate => "get_template", "template";
    ListTemplates => "list_templates", "template";
    UpdateTemplate => "update_template", "template";
    DeleteTemplate => "delete_template", "template";
    CreateRegistry => "create_registry", "registry";
    GetRegistry => "get_registry", "registry";
    ListRegistries => "list_registries", "registry";
    DeleteRegistry => "delete_registry", "registry";
    Billing => "billing_history", "bill";
    Balance => "balance", "account";
}

impl Operation {
    /// Whether only a cloud that is served hears it: the mock has no such call, so nothing can go wrong in it there.
    pub const fn is_served_only(self) -> bool {
        match self {
            Self::Spawn
            | Self::Get
            | Self::List
            | Self::Find
            | Self::Terminate
            | Self::Stop
            | Self::Start
            | Self::GpuTypes
            | Self::RunJob
            | Self::GetJob
            | Self::CancelJob
            | Self::StreamJob
            | Self::CreateVolume
            | Self::GetVolume
            | Self::ListVolumes
            | Self::GrowVolume
            | Self::DeleteVolume
            | Self::ListEndpoints
            | Self::EndEndpoint => false,
            Self::Restart
            | Self::Update
            | Self::Logs
            | Self::CpuTypes
            | Self::DataCentres
            | Self::RetryJob
            | Self::PurgeQueue
            | Self::CreateEndpoint
            | Self::GetEndpoint
            | Self::UpdateEndpoint
            | Self::EndpointWorkers
            | Self::EndpointHealth
            | Self::CreateTemplate
            | Self::GetTemplate
            | Self::ListTemplates
            | Self::UpdateTemplate
            | Self::DeleteTemplate
            | Self::CreateRegistry
            | Self::GetRegistry
            | Self::ListRegistries
            | Self::DeleteRegistry
            | Self::Billing
            | Self::Balance => true,
        }
    }

    /// Whether it changes nothing.
    pub(crate) const fn reads(self) -> bool {
        match self {
            Self::Get
            | Self::List
            | Self::Find
            | Self::Logs
            | Self::GpuTypes
            | Self::CpuTypes
            | Self::DataCentres
            | Self::GetJob
            | Self::StreamJob
            | Self::GetVolume
            | Self::ListVolumes
            | Self::ListEndpoints
            | Self::GetEndpoint
            | Self::EndpointWorkers
            | Self::EndpointHealth
            | Self::GetTemplate
            | Self::ListTemplates
            | Self::GetRegistry
            | Self::ListRegistries
            | Self::Billing
            | Self::Balance => true,
            Self::Spawn
            | Self::Terminate
            | Self::Stop
            | Self::Start
            | Self::Restart
            | Self::Update
            | Self::RunJob
            | Self::CancelJob
            | Self::RetryJob
            | Self::PurgeQueue
            | Self::CreateVolume
            | Self::GrowVolume
            | Self::DeleteVolume
            | Self::EndEndpoint
            | Self::CreateEndpoint
            | Self::UpdateEndpoint
            | Self::CreateTemplate
            | Self::UpdateTemplate
            | Self::DeleteTemplate
            | Self::CreateRegistry
            | Self::DeleteRegistry => false,
        }
    }

    /// Whether what it does may come to be only later; everything else is done at once.
    pub(crate) const fn may_land_late(self) -> bool {
        self.makes()
            || matches!(
                self,
                Self::Terminate | Self::Stop | Self::Start | Self::CancelJob | Self::GrowVolume | Self::DeleteVolume
            )
    }

    /// Whether its answer names something new that may land late, or be seen late.
    pub(crate) const fn makes(self) -> bool {
        matches!(self, Self::Spawn | Self::CreateVolume | Self::RunJob)
    }

    /// Whether it makes something that bears a mark in its name.
    pub(crate) const fn names(self) -> bool {
        matches!(self, Self::Spawn | Self::CreateVolume | Self::CreateEndpoint)
    }

    /// Whether it names nobody and shows everybody.
    pub(crate) const fn is_listing(self) -> bool {
        matches!(
            self,
            Self::List
                | Self::Find
                | Self::ListVolumes
                | Self::ListEndpoints
                | Self::ListTemplates
                | Self::ListRegistries
        )
    }

    /// Whether it is a listing that comes in pages.
    #[cfg(feature = "server")]
    pub(crate) const fn has_pages(self) -> bool {
        matches!(self, Self::List | Self::ListEndpoints | Self::ListTemplates)
    }

    /// Whether it is about machines that there are already.
    pub(crate) const fn meets_machines(self) -> bool {
        matches!(
            self,
            Self::Get
                | Self::List
                | Self::Find
                | Self::Terminate
                | Self::Stop
                | Self::Start
                | Self::Restart
                | Self::Update
                | Self::Logs
        )
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
