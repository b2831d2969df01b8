//! A state directory with accounts on it, and an end for whatever was started there.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use atlas_auth::{Clock, MasterKey, Sealer, SystemClock, SystemEntropy};
use atlas_core::testing::Forgotten;
use atlas_core::{
    Auth, CallContext, Compute, ComputeFilter, ComputeId, ComputeRequest, ComputeStatus, Credentials, Deployment,
    Installation, Intent, Mark, Money, Provider, ProviderId, Result, SpawnOrder, SpawnToken, TokenKind,
};
use atlas_local::{Local, PodProgram};
use atlas_pod::Pod;

/// How long anything on this machine may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The example that carries its pod, which cargo builds beside the tests.
pub(crate) fn example() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let program = own.parent().unwrap().parent().unwrap().join("examples/carries_its_pod");
    assert!(
        program.exists(),
        "{} is missing: `cargo test` builds it, `cargo test --test it` does not",
        program.display()
    );
    program
}

pub(crate) fn pod_program() -> PodProgram {
    PodProgram::new(example()).prefix(["__pod"])
}

/// A state directory. Dropping it ends every machine in it.
pub(crate) struct Ground {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) master: MasterKey,
}

impl Ground {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), master: MasterKey::generate(&SystemEntropy) }
    }

    pub(crate) fn state_dir(&self) -> &Path {
        self.folder.path()
    }

    /// The account `local`; each call gives a provider that shares nothing with another but the folder, as in two
    /// processes.
    pub(crate) fn local(&self) -> Local {
        self.account("local")
    }

    pub(crate) fn account(&self, name: &str) -> Local {
        provider(self.state_dir(), &self.master, name)
    }

    pub(crate) fn account_folder(&self) -> PathBuf {
        self.state_dir().join("local/local")
    }

    pub(crate) fn machine_folder(&self, id: &ComputeId) -> PathBuf {
        self.account_folder().join(id.as_str())
    }

    /// The names in the account's folder that belong to machines, whole, half made or half removed.
    pub(crate) fn remains(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.account_folder()) else { return Vec::new() };
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        // A process that was killed while it wrote the identity leaves what it wrote beside it.
        names.filter(|name| name != "lock" && !name.starts_with("identity")).collect()
    }
}

pub(crate) fn provider(state_dir: &Path, master: &MasterKey, name: &str) -> Local {
    Local::builder(state_dir, Arc::new(Sealer::from_master(master, "provider/local")))
        .id(ProviderId::parse(name).unwrap())
        .pod(pod_program())
        .price_per_hour(Money::parse("0.10").unwrap())
        .grace(Duration::from_secs(2))
        .build()
        .unwrap()
}

impl Drop for Ground {
    fn drop(&mut self) {
        end_all(self.state_dir());
    }
}

/// Ends every machine under a state directory.
pub(crate) fn end_all(state_dir: &Path) {
    let accounts = std::fs::read_dir(state_dir.join("local")).into_iter().flatten();
    let machines: Vec<PathBuf> = accounts
        .flat_map(|account| std::fs::read_dir(account.unwrap().path()).into_iter().flatten())
        .map(|machine| machine.unwrap().path())
        .filter(|path| path.join("pod.lock").exists())
        .collect();
    // A thread of its own: the test's runtime may be the one that this runs in.
    let ending = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for machine in machines {
            let _ = runtime.block_on(Pod::new(machine).end(Duration::from_millis(100)));
        }
    });
    let _ = ending.join();
}

pub(crate) async fn order_until(
    local: &Local,
    request: ComputeRequest,
    auth: Auth,
    not_after: atlas_auth::Timestamp,
) -> (SpawnOrder, Credentials) {
    let token = SpawnToken::generate(TokenKind::Plain, &SystemEntropy);
    let mark = Mark::new(Deployment::default(), Installation::generate(&SystemEntropy), token, request.name.clone());
    let credentials = Credentials::mint(auth, &SystemEntropy);
    let scope = local.scope(&CallContext::new());
    let intent = Intent::machine(mark, local.id(), scope, SystemClock.now(), not_after);
    let order = SpawnOrder::record(&Forgotten, &intent, request, &credentials, local.traits()).await.unwrap();
    (order, credentials)
}

pub(crate) async fn order(local: &Local, request: ComputeRequest, auth: Auth) -> (SpawnOrder, Credentials) {
    order_until(local, request, auth, SystemClock.now().plus(Duration::from_mins(1))).await
}

pub(crate) async fn spawn(local: &Local, request: ComputeRequest) -> Result<Compute> {
    let (order, _) = order(local, request, Auth::None).await;
    local.spawn(&CallContext::new(), &order).await
}

/// A machine that runs until it is ended.
pub(crate) fn sleeper() -> ComputeRequest {
    ComputeRequest::cpu().command(["sleep", "1000"])
}

/// A machine that runs this in a shell.
pub(crate) fn shell(script: &str) -> ComputeRequest {
    ComputeRequest::cpu().command(["sh", "-c", script])
}

pub(crate) async fn get(local: &Local, id: &ComputeId) -> Result<Compute> {
    local.get(&CallContext::new(), id).await
}

pub(crate) async fn list(local: &Local) -> Result<Vec<Compute>> {
    local.list(&CallContext::new(), &ComputeFilter::all()).await
}

pub(crate) async fn stop(local: &Local, id: &ComputeId) -> Result<()> {
    local.stop(&CallContext::new(), id).await
}

pub(crate) async fn start(local: &Local, id: &ComputeId) -> Result<()> {
    local.start(&CallContext::new(), id).await
}

pub(crate) async fn terminate(local: &Local, id: &ComputeId) -> Result<()> {
    local.terminate(&CallContext::new(), id).await
}

/// Waits until something holds, looking again and again.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = SystemClock.monotonic();
    while !holds().await {
        assert!(SystemClock.monotonic().saturating_sub(begun) < PATIENCE, "it never came to this: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) async fn wait_status(local: &Local, id: &ComputeId, wanted: ComputeStatus) -> Compute {
    eventually(wanted.as_str(), async || get(local, id).await.unwrap().status == wanted).await;
    get(local, id).await.unwrap()
}

pub(crate) fn supervisor(compute: &Compute) -> i32 {
    i32::try_from(compute.raw["pod"]["pid"].as_i64().unwrap()).unwrap()
}

pub(crate) fn kill_9(pid: i32) {
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), rustix::process::Signal::KILL).unwrap();
}

/// The live processes that were started as part of the machine.
pub(crate) fn processes_of(id: &ComputeId) -> Vec<i32> {
    let entry = format!("ATLAS_COMPUTE_ID={id}");
    let numbers =
        std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    numbers
        .filter(|pid: &i32| {
            std::fs::read(format!("/proc/{pid}/environ"))
                .is_ok_and(|environment| environment.split(|byte| *byte == 0).any(|one| one == entry.as_bytes()))
        })
        .collect()
}

pub(crate) fn assert_no_process(id: &ComputeId) {
    let left = processes_of(id);
    assert!(left.is_empty(), "processes of machine {id} are left: {left:?}");
}

/// The public number of a machine's first port.
pub(crate) fn port(compute: &Compute) -> u16 {
    compute.ports[0].public_port.expect("it runs")
}

/// Asks `/` of a port: the status, or why there is none.
pub(crate) fn ask(port: u16, key: Option<&str>) -> std::io::Result<u16> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let key = key.map_or(String::new(), |key| format!("authorization: Bearer {key}\r\n"));
    write!(stream, "GET / HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n{key}\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.ok_or_else(|| std::io::Error::other(format!("no answer of HTTP: {answer}")))
}

/// Waits until the machine's own answer comes.
pub(crate) async fn ask_until_up(port: u16, key: Option<&str>) -> u16 {
    let mut last = 0;
    eventually("an answer", async || {
        let key = key.map(str::to_owned);
        last = tokio::task::spawn_blocking(move || ask(port, key.as_deref())).await.unwrap().unwrap_or(0);
        last != 0 && last != 502
    })
    .await;
    last
}

/// Makes a file look as if it had been written so long ago.
pub(crate) fn set_age(path: &Path, age: Duration) {
    let written = std::time::SystemTime::now() - age;
    std::fs::File::options().write(true).open(path).unwrap().set_modified(written).unwrap();
}
