//! The broken providers: what is wrong with each, and which cases must fail for it.

use atlas_core::Capability;

/// One broken provider.
#[derive(Debug)]
pub(crate) struct Mutant {
    pub(crate) defect: Defect,
    /// What it does, as `docs/conformance.md` has it.
    pub(crate) words: &'static str,
    /// The cases that fail for it, in the order of their table.
    pub(crate) fails: &'static [&'static str],
    /// What its cloud does not declare.
    pub(crate) lacks: Option<Capability>,
}

macro_rules! mutants {
    ($($defect:ident $(lacks $capability:ident)?: $words:literal => $($case:literal),+;)*) => {
        /// What is wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Defect {
            $($defect,)*
            // These hold against no case: they are for what the suite does beside its cases.
            EndsNothing,
            NeverEnds,
            TellsNoAge,
        }

        /// Each broken provider.
        pub(crate) const MUTANTS: &[Mutant] = &[$(Mutant {
            defect: Defect::$defect,
            words: $words,
            fails: &[$($case),+],
            lacks: [$(Some(Capability::$capability),)? None][0],
        }),*];
    };
}

mutants! {
    AnswersWithoutMark: "answers a create without the mark" => "life/spawn";
    ReadsAnotherId: "reads a machine under another id" => "life/get";
    NeverRuns: "never shows a machine running"
        => "life/runs", "life/price", "life/terminate", "life/stop", "life/stop-repeats", "life/start",
        "life/start-repeats", "life/start-same-keys", "life/stopped-ends", "life/logs", "life/logs-hold",
        "listing/filters", "listing/stopped", "listing/same-as-get", "mark/found-stopped", "capability/http-proxy",
        "capability/raw-tcp-works", "capability/cpu-works", "capability/gpu-works", "capability/images-work",
        "capability/commands-work", "trouble/unknown-status";
    EndsRunningOnlyOnceListed: "ends what runs only after a listing has shown it" => "life/terminate";
    EndsStoppedOnlyOnceListed: "ends what is stopped only after a listing has shown it" => "life/stopped-ends";
    FailsToReadGone: "reads what is gone as a failure" => "life/get-gone";
    LosesMarkOnRead: "alters the name on reads"
        => "life/stop", "life/start", "listing/same-as-get", "mark/kept", "mark/long-name";
    LosesMarkOfTheStopped: "alters the name of a stopped machine on reads" => "life/stop";
    LosesMarkOfTheStarted: "alters the name of a machine that was started again" => "life/start";
    ReadsAnotherDeployment: "reads another deployment in the mark of a machine with a name" => "mark/kept";
    CutsLongNamesOnRead: "cuts long names on reads" => "mark/long-name";
    ForbidsUnknown: "calls an unknown id forbidden" => "life/get-unknown";
    HidesWhichAccount: "leaves the account out of errors" => "life/get-unknown";
    FailsToEndUnknown: "fails to end what nobody knows" => "life/terminate-unknown";
    FailsToEndGone: "fails to end what is gone" => "life/terminate-repeats";
    SaysNoPrice: "says no price" => "life/price";
    SaysNoPlace: "says no region" => "life/price";
    KeepsNoRaw: "keeps nothing in raw" => "life/raw", "refusal/options-reach-the-cloud";
    KeepsRawOfTheLabelled: "keeps raw of labelled machines alone" => "life/raw";
    MakesOneAtOnce: "makes one machine of creates at once" => "life/many-at-once";
    ScopeChanges: "has another scope each time" => "life/forwarded", "mark/scope";
    ListsTwice: "lists a machine twice" => "listing/complete", "listing/several-pages";
    ListsEndOfFullPageTwice: "lists the last machine of a full page twice" => "listing/complete";
    ReadsTwoPages: "reads two pages of a listing" => "listing/several-pages";
    ListsWithoutStopped: "lists no stopped machines" => "listing/stopped";
    ListsGoneAsStopped: "lists what is gone as stopped" => "listing/gone";
    ListsOtherwise: "tells another price in listings" => "listing/same-as-get";
    ListsAnotherAccount: "lists machines of another account" => "listing/account";
    ListsNothingOnFailure: "takes a listing that failed for an empty one" => "listing/whole-or-error";
    FindsNothingOnFailure: "takes a search that failed for one that found nothing" => "mark/found-or-error";
    IgnoresNameFilter: "ignores a filter" => "listing/filters";
    FindsOnlyOne: "finds only one of two" => "mark/found-all";
    FindsNoStopped: "finds no stopped machines" => "mark/found-stopped";
    FindsGone: "finds what is gone" => "mark/gone-not-found";
    FindsOnlyWhatWasAnswered: "finds nothing whose create was not answered" => "mark/found-after-lost-answer";
    NeverLooksEverywhere: "never says that it looked everywhere"
        => "mark/found", "mark/found-none", "mark/found-stopped", "mark/found-after-lost-answer",
        "mark/lost-answer-not-repeated", "mark/found-all", "mark/gone-not-found", "mark/not-after",
        "trouble/never-arrived", "trouble/no-capacity", "patience/dropped";
    LooksWhereNobodyElseIs: "does not look everywhere where others are" => "mark/found";
    LooksForItsOwnOnly: "looks everywhere for tokens alone that it was told" => "mark/found-none";
    SendsAgain: "sends a create again after a lost answer" => "mark/lost-answer-not-repeated";
    CallsLostRejected: "calls a lost answer rejected"
        => "mark/found-after-lost-answer", "mark/lost-answer-not-repeated";
    SendsExpired: "sends an expired order, and no key" => "life/start-same-keys", "mark/not-after";
    SendsWhatItRefuses: "refuses an expired order, and sends it" => "mark/not-after";
    ScopeIgnoresKey: "has one scope for all keys" => "mark/scope";
    ScopeHoldsKey: "shows the key in its scope" => "mark/scope";
    StopsUndeclared lacks StopResume: "says yes to what it does not declare" => "capability/stop";
    StopsOnlyOnce: "refuses a second stop" => "life/stop-repeats";
    StartsOnlyStopped: "refuses to start what runs" => "life/start-repeats";
    LacksDeclaredLogs: "declares what it lacks" => "life/logs", "life/logs-hold";
    LogsNothing: "has only empty logs" => "life/logs-hold";
    RotatesKeysOnStart: "gives a machine that is started again another key" => "life/start-same-keys";
    HasUndeclaredLogs lacks Logs: "gives an empty log that it does not declare" => "capability/logs";
    HasUndeclaredCatalog lacks Catalog: "gives an empty catalog that it does not declare" => "capability/catalog";
    ListsUndeclaredVolumes lacks NetworkVolumes: "lists volumes that it does not declare"
        => "capability/network-volumes";
    TakesSpotForOrdinary lacks Spot: "drops what was asked for" => "capability/spot";
    DropsGpu lacks Gpu: "makes a machine without the GPU that was asked for" => "capability/gpu";
    AddsGpu lacks Cpu: "makes a machine with a GPU that nobody asked for" => "capability/cpu";
    DropsImage lacks Images: "makes a machine without the image that was asked for" => "capability/images";
    DropsCommand lacks Commands: "makes a machine without the command that was asked for" => "capability/commands";
    DropsTcpPorts lacks RawTcp: "makes a machine without the tcp port that was asked for" => "capability/raw-tcp";
    CallsTlsPlain: "calls an encrypted address plain" => "capability/http-proxy";
    RefusesDeclaredCpu: "declares cpu and refuses it" => "capability/cpu-works";
    SaysNoGpu: "does not say which GPU a machine has" => "capability/gpu-works";
    SaysNoImage: "does not say which image a machine runs" => "capability/images-work";
    RefusesDeclaredCommand: "declares commands and refuses them" => "capability/commands-work";
    TakesSymmetricPorts: "takes an option for symmetric ports, and has none" => "capability/symmetric-ports";
    TakesGlobalNetworking: "takes an option for global networking, and has none" => "capability/global-networking";
    LacksSymmetricPorts: "declares symmetric ports, and gives none" => "capability/symmetric-ports-work";
    LacksGlobalNetworking: "declares global networking, and gives none" => "capability/global-networking-works";
    HasNoPublicAddress: "gives machines no public address" => "capability/raw-tcp-works";
    RefusesDeclaredSpot: "declares spot and refuses it" => "capability/spot-works";
    ChecksNothing: "checks nothing"
        => "capability/symmetric-ports", "capability/global-networking", "refusal/nonsense";
    ChecksNoSizes: "checks no sizes" => "refusal/nonsense";
    MakesWhatItRefuses: "makes what its check refuses" => "refusal/check-and-spawn-agree";
    TakesAnotherGpu: "takes another GPU for one that it does not know" => "refusal/unknown-gpu";
    DropsOptions: "drops options" => "refusal/options-reach-the-cloud";
    TakesForbiddenOptions: "takes options that change a key" => "refusal/forbidden-options";
    ShowsEnvironment: "shows the environment in raw" => "secrecy/environment";
    ShowsKey: "shows the key in errors" => "secrecy/errors";
    LogsKey: "tells the key to its traces" => "secrecy/traces";
    LogsEnvironment: "tells the environment to its traces" => "secrecy/traces";
    IgnoresTimeout: "ignores time-outs" => "patience/timeout";
    RepeatsWhatIsGivenUp: "makes once more what is given up" => "patience/dropped";
    RefusesUnknownStatus: "cannot read a new status" => "trouble/unknown-status";
    ForgetsLeftover: "does not name a leftover" => "trouble/leftover";
    TakesAlteredMark: "answers a machine whose mark was altered" => "trouble/altered-mark";
    CallsCapacityFailure: "calls want of machines a failure" => "trouble/no-capacity";
    CallsKeyNotFound: "calls a refused key not found" => "trouble/key-unknown";
    DoubtsNotSent: "doubts what was never sent" => "trouble/never-arrived";
    PricesNothing: "offers GPUs for nothing" => "catalog/prices";
    MisnamesGpus: "calls a GPU by another's canonical name" => "catalog/canonical";
    RentsUnlisted: "leaves a machine out of what is rented" => "listing/rented";
    EndsRentedMachinesOnce: "fails to end a machine that is gone, as what is rented" => "rented/machine-ends";
    EndsRentedVolumesOnce: "fails to end a volume that is gone, as what is rented" => "rented/volume-ends";
    EndsEndpointsOnce: "fails to end an endpoint that is gone" => "rented/endpoint-ends";
    FailsToEndUnknownEndpoints: "fails to end an endpoint that nobody knows" => "rented/unknown-ends";
    RentsNothingOnFailure: "takes a listing of what is rented that failed for an empty one"
        => "rented/whole-or-error";
    ListsUndeclared lacks Serverless: "lists endpoints that it does not declare" => "capability/serverless";
    ListsNoEndpoints: "declares serverless and lists no endpoints"
        => "rented/endpoint-ends", "rented/whole-or-error", "capability/endpoints-listed";
    ListsEndpointsAsVolumes: "lists endpoints as volumes" => "capability/endpoints-listed";
    ReadsAnotherVolume: "reads a volume under another id" => "volume/life";
    ListsDeletedVolumes: "lists volumes that were deleted" => "volume/life";
    FindsNoVolumes: "finds no volume by its token" => "rented/volume-ends", "volume/found", "volume/lost-answer";
    ListsVolumesWithoutMark: "lists volumes without their marks" => "volume/found", "volume/lost-answer";
    ListsVolumesByAnotherId: "lists volumes under another id" => "rented/volume-ends", "volume/found";
    ForgetsMarkOfAnsweredVolumes: "lists no mark of a volume whose create was answered" => "volume/found";
    CallsLostVolumeRejected: "calls a lost answer of a volume rejected" => "volume/lost-answer";
    SendsVolumeAgain: "sends the create of a volume again" => "volume/lost-answer";
    SendsExpiredVolume: "makes a volume of an expired order" => "volume/not-after";
    ChecksNoVolume: "checks no volume" => "volume/nonsense";
    ListsNoVolumesOnFailure: "takes a listing of volumes that failed for an empty one" => "volume/whole-or-error";
    GrowsOnce: "refuses to make a volume as large as it is" => "volume/grows";
    SaysItGrows: "says that a volume is larger, and leaves it" => "volume/grows";
    TakesSmallerSize: "says yes to a smaller volume" => "volume/grows";
    DeletesVolumesOnce: "fails to delete a volume that is gone" => "volume/delete-repeats";
    ReadsNoOutput: "reads a job without its output" => "job/ends";
    WaitsForNoOutput: "comes back without the output that was waited for" => "job/sync";
    StreamsTwice: "streams each piece twice" => "job/stream", "job/stream-survives";
    BreaksOffStreams: "gives a stream up when a poll fails" => "job/stream-survives";
    CancelsWhatIsOver: "calls cancelled what was over" => "job/cancel-over";
    CallsNobody: "declares webhooks and calls nobody" => "job/webhook";
    EndsWhatItWaitedFor: "cancels a job whose wait is over" => "job/sync-timeout";
    ForgetsWhichJob: "does not say which job a wait was for" => "job/sync-timeout";
    SendsJobAgain: "sends a job again whose answer was lost" => "job/lost-answer";
    CallsLostJobRejected: "calls a lost answer of a job rejected" => "job/lost-answer";
    TakesWebhooks lacks Webhooks: "takes a job's webhook and calls nobody" => "capability/webhooks";
    CancelsOnce: "refuses to cancel what is over" => "job/cancel", "job/cancel-over";
    AnswersBeforeItCancels: "answers a job as it was before it was cancelled" => "job/cancel";
    DoubtsForgottenJobs: "calls a forgotten job a failure" => "job/unknown";
}

/// The cases that no provider can break alone, and why. Each fails with others for some provider of the table.
pub(crate) const NEVER_ALONE: &[(&str, &str)] = &[
    ("life/logs", "a log that cannot be read shows nothing of what was written either"),
    ("job/stream", "whatever a stream gives wrong it gives wrong, too, where one of its polls failed"),
    ("life/runs", "every case that needs a running machine waits for one in the same way"),
    (
        "life/forwarded",
        "the pointers are the core's own: a provider can only contradict itself, and others see that too",
    ),
];
