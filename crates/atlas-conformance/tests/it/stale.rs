//! What a run that crashed has left is ended by the next one, once it is too old to be of a run that goes on.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use atlas_auth::Clock;
use atlas_conformance::{Harness, Options, Report, run};
use atlas_core::{ComputeRequest, Provider, VolumeRequest};
use atlas_sim::Mock;

use crate::broken::{Broken, Defect};

/// The simulated cloud as a real one is: nothing resets it. Its provider has one defect.
struct Lasting {
    cloud: Mock,
    defect: Defect,
}

#[async_trait]
impl Harness for Lasting {
    fn provider(&self) -> Arc<dyn Provider> {
        Arc::new(Broken::new(self.cloud.clone(), self.defect))
    }

    fn machine(&self) -> ComputeRequest {
        ComputeRequest::gpu("rtx_4090").image("service:1").http_port(8000)
    }

    fn volume(&self) -> Option<VolumeRequest> {
        Some(VolumeRequest::new("mock-east", 10).name("data"))
    }

    async fn pass(&self, span: Duration) {
        self.cloud.advance(span);
        tokio::task::yield_now().await;
    }

    fn time_is_free(&self) -> bool {
        true
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.cloud.clock()
    }
}

/// A cloud at which two runs crashed: one left a machine, one a volume.
async fn after_two_crashes() -> Mock {
    let cloud = Mock::builder().key("k").build();
    for case in ["life/spawn", "volume/found"] {
        let harness = Lasting { cloud: cloud.clone(), defect: Defect::NeverEnds };
        let options = Options::default().exactly(case);
        let crashed = tokio::time::timeout(Duration::from_mins(1), run(&harness, &options)).await;
        assert!(crashed.is_err(), "{case} is given up while it cleans up");
    }
    assert_eq!(left(&cloud), (1, 1));
    cloud
}

/// How many machines and volumes there are.
fn left(cloud: &Mock) -> (usize, usize) {
    (cloud.live().len(), cloud.volumes().len())
}

/// A later run, of a case that makes nothing.
async fn next(cloud: &Mock, defect: Defect) -> Report {
    let harness = Lasting { cloud: cloud.clone(), defect };
    let report = run(&harness, &Options::default().exactly("life/terminate-unknown")).await;
    assert!(report.failed().is_empty(), "{report}");
    report
}

#[tokio::test(start_paused = true)]
async fn an_old_leftover_is_ended_though_the_cloud_does_not_say_its_age() {
    let cloud = after_two_crashes().await;
    let (machine, volume) = (cloud.foreign_machine("theirs"), cloud.foreign_volume("theirs", "mock-east", 10));
    cloud.advance(Duration::from_mins(61));
    let report = next(&cloud, Defect::TellsNoAge).await;
    assert!(report.holds(), "{report}");
    assert_eq!(cloud.live(), [machine]);
    assert_eq!(cloud.volumes().into_iter().map(|volume| volume.id).collect::<Vec<_>>(), [volume]);
}

#[tokio::test(start_paused = true)]
async fn a_young_one_may_be_of_a_run_that_goes_on_and_is_left_alone() {
    let cloud = after_two_crashes().await;
    cloud.advance(Duration::from_mins(50));
    let report = next(&cloud, Defect::TellsNoAge).await;
    assert!(report.holds(), "{report}");
    assert_eq!(left(&cloud), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_old_leftover_that_cannot_be_ended_is_told() {
    let cloud = after_two_crashes().await;
    cloud.advance(Duration::from_hours(2));
    let report = next(&cloud, Defect::EndsNothing).await;
    let told = |id: &str| report.left.iter().any(|words| words.contains(id));
    assert!(told(cloud.live()[0].as_str()) && !report.holds(), "{report}");
}
