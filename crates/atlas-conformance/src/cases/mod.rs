//! The table, and the proofs, a file for each group.

mod capability;
mod catalog;
mod job;
mod life;
mod listing;
mod mark;
mod patience;
mod refusal;
mod secrecy;
mod trouble;
mod volume;

use atlas_core::Capability;

use crate::case::{Case, Cost, Needs};

/// Shortens a row of the table to what differs.
macro_rules! case {
    ($name:literal, $promise:literal, $needs:expr, $cost:expr, $proof:path) => {
        Case {
            name: $name,
            promise: $promise,
            needs: $needs,
            cost: $cost,
            prove: |bench| Box::pin($proof(bench)),
            lingers: false,
        }
    };
    ($name:literal, $promise:literal, $needs:expr, $cost:expr, $proof:path, lingers) => {
        Case { lingers: true, ..case!($name, $promise, $needs, $cost, $proof) }
    };
}

const ANY: Needs = Needs::Nothing;
const FREE: Cost = Cost::Free;
const ONE: Cost = Cost::Machines(1);
const JOBS: Needs = with(Capability::Serverless);

const fn with(capability: Capability) -> Needs {
    Needs::With(capability)
}

const fn without(capability: Capability) -> Needs {
    Needs::Without(capability)
}

/// Every case, in the order in which they are reported.
pub const CASES: &[Case] = &[
    case!("life/spawn", "C1, C4: a create answers the machine, with account, kind and mark", ANY, ONE, life::spawn),
    case!("life/get", "a machine that was made is shown by its id", ANY, ONE, life::get),
    case!("life/runs", "a machine comes to run", ANY, ONE, life::runs),
    case!("life/price", "C7: a running machine says what it costs and where it is", ANY, ONE, life::price),
    case!("life/terminate", "a machine that is told to end is gone afterwards", ANY, ONE, life::terminate),
    case!("life/terminate-repeats", "C3: to end what is gone already is a success", ANY, ONE, life::terminate_repeats),
    case!("life/terminate-unknown", "C3: to end what nobody knows is a success", ANY, FREE, life::terminate_unknown),
    case!("life/get-gone", "C3: a machine that is gone is not_found or terminated", ANY, ONE, life::get_gone),
    case!(
        "life/get-unknown",
        "C8: an id that nobody knows is not_found, with the account's name",
        ANY,
        FREE,
        life::get_unknown
    ),
    case!("life/raw", "C5: the cloud's own answer is kept in raw", ANY, ONE, life::raw),
    case!(
        "life/many-at-once",
        "creates at once make machines of their own, all of them found",
        ANY,
        Cost::Machines(5),
        life::many_at_once
    ),
    case!("life/forwarded", "Arc and Box answer as what they hold", ANY, FREE, life::forwarded),
    case!(
        "life/stop",
        "a stopped machine is shown stopped, under its id",
        with(Capability::StopResume),
        ONE,
        life::stop
    ),
    case!("life/stop-repeats", "stop repeats safely", with(Capability::StopResume), ONE, life::stop_repeats),
    case!(
        "life/start",
        "a machine that is started again keeps id and mark",
        with(Capability::StopResume),
        ONE,
        life::start
    ),
    case!("life/start-repeats", "start repeats safely", with(Capability::StopResume), ONE, life::start_repeats),
    case!("life/stopped-ends", "a stopped machine can be ended", with(Capability::StopResume), ONE, life::stopped_ends),
    case!(
        "life/logs",
        "what a machine writes can be read, and the reading ends",
        with(Capability::Logs),
        ONE,
        life::logs
    ),
    case!("listing/complete", "C3: a listing shows each machine once", ANY, Cost::Machines(3), listing::complete),
    case!("listing/several-pages", "C3: a listing reads all pages", ANY, Cost::Machines(3), listing::several_pages),
    case!("listing/filters", "a filter admits what it says and nothing else", ANY, Cost::Machines(2), listing::filters),
    case!(
        "listing/stopped",
        "C3: a listing shows stopped machines",
        with(Capability::StopResume),
        ONE,
        listing::stopped
    ),
    case!("listing/gone", "a machine that is gone is in no listing, but as terminated", ANY, ONE, listing::gone),
    case!("listing/rented", "O1: what is rented is listed with its marks, all of it", ANY, ONE, listing::rented),
    case!("listing/same-as-get", "a listing and a read tell the same of a machine", ANY, ONE, listing::same_as_get),
    case!("mark/kept", "C4, O2: reads give the whole mark back", ANY, ONE, mark::kept),
    case!("mark/long-name", "O2: what is cut of a long name is never the token", ANY, ONE, mark::long_name),
    case!("mark/found", "C4: a machine is found by its token, and no other", ANY, Cost::Machines(2), mark::by_token),
    case!(
        "mark/found-none",
        "C4: a token that nothing bears is found nowhere, completely",
        ANY,
        FREE,
        mark::found_none
    ),
    case!(
        "mark/found-stopped",
        "C4: a stopped machine is found by its token",
        with(Capability::StopResume),
        ONE,
        mark::found_stopped
    ),
    case!(
        "mark/found-after-lost-answer",
        "C4: a machine whose create was never answered is found",
        ANY,
        ONE,
        mark::found_after_lost_answer
    ),
    case!(
        "mark/lost-answer-not-repeated",
        "a create whose answer is lost is not sent again",
        ANY,
        ONE,
        mark::lost_answer_not_repeated,
        lingers
    ),
    case!("mark/found-all", "C4: all that bear the token are found", ANY, Cost::Machines(2), mark::found_all),
    case!("mark/gone-not-found", "C4: what is terminated is not found", ANY, ONE, mark::gone_not_found),
    case!(
        "mark/not-after",
        "P2: nothing is created past the moment that the order names",
        ANY,
        FREE,
        mark::not_after,
        lingers
    ),
    case!(
        "mark/scope",
        "O3: the scope is the same each time, and another one under another key",
        ANY,
        FREE,
        mark::scope
    ),
    case!(
        "capability/stop",
        "C2: undeclared stop_resume is refused",
        without(Capability::StopResume),
        FREE,
        capability::stop
    ),
    case!("capability/logs", "C2: undeclared logs are refused", without(Capability::Logs), FREE, capability::logs),
    case!(
        "capability/serverless",
        "C2: undeclared serverless is refused",
        without(Capability::Serverless),
        FREE,
        capability::serverless
    ),
    case!(
        "capability/webhooks",
        "C2: a job with a webhook is refused where webhooks are not declared",
        without(Capability::Webhooks),
        FREE,
        capability::webhooks
    ),
    case!(
        "capability/endpoints-listed",
        "C2, O1: with serverless, endpoints are listed, so that they can be found again",
        with(Capability::Serverless),
        FREE,
        capability::endpoints_listed
    ),
    case!(
        "capability/network-volumes",
        "C2: undeclared network_volumes are refused",
        without(Capability::NetworkVolumes),
        FREE,
        capability::network_volumes
    ),
    case!(
        "capability/catalog",
        "C2: an undeclared catalog is refused",
        without(Capability::Catalog),
        FREE,
        capability::catalog
    ),
    case!("capability/spot", "C2: undeclared spot is refused", without(Capability::Spot), FREE, capability::spot),
    case!("capability/gpu", "C2: undeclared gpu is refused", without(Capability::Gpu), FREE, capability::gpu),
    case!(
        "capability/cpu",
        "C2: a machine without a GPU is refused where cpu is not declared",
        without(Capability::Cpu),
        FREE,
        capability::cpu
    ),
    case!(
        "capability/images",
        "C2: undeclared images are refused",
        without(Capability::Images),
        FREE,
        capability::images
    ),
    case!(
        "capability/commands",
        "C2: undeclared commands are refused",
        without(Capability::Commands),
        FREE,
        capability::commands
    ),
    case!(
        "capability/raw-tcp",
        "C2: a tcp port is refused where raw_tcp is not declared",
        without(Capability::RawTcp),
        FREE,
        capability::raw_tcp
    ),
    case!(
        "capability/http-proxy",
        "C2: with http_proxy, an http port has an https address",
        with(Capability::HttpProxy),
        ONE,
        capability::http_proxy
    ),
    case!(
        "capability/raw-tcp-works",
        "C2: with raw_tcp, a tcp port has an address and a number outside",
        with(Capability::RawTcp),
        ONE,
        capability::raw_tcp_works
    ),
    case!(
        "capability/spot-works",
        "C2: with spot, an interruptible machine is made",
        with(Capability::Spot),
        ONE,
        capability::spot_works
    ),
    case!(
        "refusal/nonsense",
        "what cannot be right on any cloud is refused before anything is sent",
        ANY,
        FREE,
        refusal::nonsense
    ),
    case!(
        "refusal/check-and-spawn-agree",
        "C6: what check refuses, spawn refuses before anything is sent",
        ANY,
        FREE,
        refusal::check_and_spawn_agree
    ),
    case!(
        "refusal/unknown-gpu",
        "a GPU that nobody has makes no machine",
        with(Capability::Gpu),
        FREE,
        refusal::unknown_gpu
    ),
    case!(
        "refusal/forbidden-options",
        "C5: an option that would change mark, token or key is refused",
        ANY,
        FREE,
        refusal::forbidden_options
    ),
    case!(
        "refusal/options-reach-the-cloud",
        "C5: options are merged last into what is sent",
        ANY,
        ONE,
        refusal::options_reach_the_cloud
    ),
    case!("secrecy/environment", "C5, C9: environment and key stand in no answer", ANY, ONE, secrecy::environment),
    case!("secrecy/errors", "C9: no error holds a key", ANY, FREE, secrecy::errors),
    case!(
        "trouble/never-arrived",
        "C8: a create that never arrived is not_sent, and made nothing",
        ANY,
        ONE,
        trouble::never_arrived,
        lingers
    ),
    case!(
        "trouble/no-capacity",
        "C8: want of machines is no_capacity, and provably made nothing",
        ANY,
        ONE,
        trouble::no_capacity,
        lingers
    ),
    case!("trouble/leftover", "C8: an error names what exists all the same", ANY, ONE, trouble::leftover),
    case!("trouble/key-unknown", "C8: a refused key is unauthorized", ANY, ONE, trouble::key_unknown),
    case!("trouble/unknown-status", "C5: a status that nobody knows is kept", ANY, ONE, trouble::unknown_status),
    case!("patience/timeout", "a call ends when its time-out says so", ANY, ONE, patience::timeout),
    case!(
        "patience/dropped",
        "a create whose future is dropped makes at most one machine, which is found",
        ANY,
        ONE,
        patience::dropped,
        lingers
    ),
    case!(
        "catalog/prices",
        "C7: the live catalog has names, memory and prices",
        with(Capability::Catalog),
        FREE,
        catalog::prices
    ),
    case!(
        "catalog/canonical",
        "C7: a canonical name in the catalog is one of Atlas's, and leads back",
        with(Capability::Catalog),
        FREE,
        catalog::canonical
    ),
    case!(
        "volume/life",
        "a volume is made with its mark, shown, and gone when it is deleted",
        with(Capability::NetworkVolumes),
        Cost::Little,
        volume::life
    ),
    case!(
        "volume/found",
        "O1: a volume is found by its token",
        with(Capability::NetworkVolumes),
        Cost::Little,
        volume::found
    ),
    case!(
        "volume/lost-answer",
        "O1: a volume whose create was never answered is found, and made once",
        with(Capability::NetworkVolumes),
        Cost::Little,
        volume::lost_answer
    ),
    case!(
        "volume/not-after",
        "P2: no volume is made past the moment that the order names",
        with(Capability::NetworkVolumes),
        FREE,
        volume::not_after
    ),
    case!(
        "volume/grows",
        "a volume can be made larger, safely again, and never smaller",
        with(Capability::NetworkVolumes),
        Cost::Little,
        volume::grows
    ),
    case!(
        "volume/delete-repeats",
        "to delete a volume that is gone is a success",
        with(Capability::NetworkVolumes),
        Cost::Little,
        volume::delete_repeats
    ),
    case!("job/ends", "a job comes to its output", JOBS, Cost::Little, job::ends),
    case!("job/sync", "a job that is waited for comes back done", JOBS, Cost::Little, job::sync),
    case!("job/sync-timeout", "a wait that is over says what became of the job", JOBS, Cost::Little, job::sync_timeout),
    case!(
        "job/lost-answer",
        "C8: a job whose answer is lost may run, and is not sent again",
        JOBS,
        Cost::Little,
        job::lost_answer
    ),
    case!("job/cancel", "a cancelled job is over, and cancelling repeats safely", JOBS, Cost::Little, job::cancel),
    case!(
        "job/stream",
        "a stream gives each piece once and in order, and ends by itself",
        JOBS,
        Cost::Little,
        job::stream
    ),
    case!("job/unknown", "a job that nobody knows is not_found", JOBS, FREE, job::unknown),
];
