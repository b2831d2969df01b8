//! The commands, a file for each: its flags, its help, what it does.

mod conformance;
mod demo;
mod ending;
mod endpoint;
mod get;
mod gpus;
mod holdings;
mod job;
mod list;
mod logs;
mod making;
mod providers;
mod reap;
mod sim;
mod spawn;
mod start;
mod stop;
mod terminate;
mod token;
mod url;
mod volume;

use clap::Subcommand;

use crate::Outcome;
use crate::arguments::{Arguments, Global};
use crate::context::Context;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::output::Output;

pub(crate) use demo::{CHILD as DEMO_CHILD, serve as serve_demo};

/// What there is to do. The words for each stand with its flags.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(demo::Demo),
    Providers(providers::Providers),
    Gpus(gpus::Gpus),
    Spawn(Box<spawn::Spawn>),
    Get(get::Get),
    List(list::List),
    Stop(stop::Stop),
    Start(start::Start),
    Terminate(terminate::Terminate),
    Logs(logs::Logs),
    #[command(subcommand)]
    Job(job::Job),
    #[command(subcommand)]
    Volume(volume::Volume),
    #[command(subcommand)]
    Endpoint(endpoint::Endpoint),
    Reap(reap::Reap),
    Sim(sim::Sim),
    Conformance(conformance::Conformance),
    #[command(subcommand)]
    Token(token::Token),
    #[command(subcommand)]
    Url(url::Url),
}

/// Does what is asked.
pub(crate) fn run(arguments: Arguments, output: Output) -> Outcome {
    let global = &arguments.global;
    match arguments.command {
        // These need no configuration, no runtime and no network.
        Command::Token(command) => command.run(output),
        Command::Url(command) => command.run(output),
        Command::Providers(command) => with_clouds(global, output, async |context| command.run(context)),
        Command::Gpus(command) => with_clouds(global, output, async |context| command.run(context).await),
        Command::Job(command) => with_clouds(global, output, async |context| command.run(context).await),
        Command::Volume(command) => with_clouds(global, output, async |context| Box::pin(command.run(context)).await),
        Command::Endpoint(command) => with_clouds(global, output, async |context| Box::pin(command.run(context)).await),
        Command::Sim(command) => with_runtime(output, async |interrupt| command.run(output, &interrupt).await),
        Command::Conformance(command) => with_clouds(global, output, async |context| command.run(context).await),
        Command::Demo(command) => with_clouds(global, output, async |context| command.run(context).await),
        Command::Reap(command) => with_clouds(global, output, async |context| command.run(context).await),
        Command::Spawn(command) => with_clouds(global, output, async |context| Box::pin(command.run(context)).await),
        Command::Get(command) => with_clouds(global, output, async |context| command.run(context).await),
        Command::List(command) => with_clouds(global, output, async |context| command.run(context).await),
        Command::Stop(command) => with_clouds(global, output, async |context| command.run(context).await),
        Command::Start(command) => with_clouds(global, output, async |context| command.run(context).await),
        Command::Terminate(command) => with_clouds(global, output, async |context| command.run(context).await),
        Command::Logs(command) => with_clouds(global, output, async |context| command.run(context).await),
    }
}

/// Runs what talks to clouds.
fn with_clouds(global: &Global, output: Output, command: impl AsyncFnOnce(&Context) -> Outcome) -> Outcome {
    with_runtime(output, async |interrupt| command(&Context::new(global, output, interrupt)?).await)
}

/// Runs what waits. Only here a runtime is made, so that `--version` and `--help` cost nothing.
fn with_runtime(output: Output, command: impl AsyncFnOnce(Interrupt) -> Outcome) -> Outcome {
    let unable = |cause: std::io::Error| {
        Failure::from(atlas::Error::unknown(format!("the operating system gives no threads or signals: {cause}")))
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(unable)?;
    let outcome = runtime.block_on(async {
        let interrupt = Interrupt::listen(runtime.handle(), output).map_err(unable)?;
        command(interrupt).await
    });
    // What is still being asked of a cloud or the disk is given up: its answer is nobody's any more.
    runtime.shutdown_background();
    outcome
}
