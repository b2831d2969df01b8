//! The benchmarks: each compares a part of Atlas with the plainest thing that does as much, in the same run.
//!
//! `cargo xtask bench` runs it. What each figure means, and how it is taken, stands in `docs/benchmarks.md`.
#![allow(clippy::disallowed_methods, reason = "measuring stands outside the seams")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to the person who runs it")]

mod creations;
mod figure;
mod flood;
mod lateness;
mod memory;
mod numbers;
mod process;
mod recovery;
mod runpod;
mod stops;
mod touch;
mod version;

use std::process::ExitCode;
use std::time::Duration;

use atlas_tests::{Crowd, Filled, Outcome};

use figure::Figure;

/// How many sessions the figures of size are taken with.
const MANY: u32 = 100_000;

/// The parts, in the order in which they run.
const PARTS: &[&str] = &[
    "touch",
    "memory",
    "creations",
    "recovery",
    "lateness",
    "stops",
    "flood",
    "version",
    "life",
    "get",
    "list",
    "stream",
    "sim",
];

/// What was asked for.
struct Asked {
    json: bool,
    parts: Vec<String>,
}

fn main() -> ExitCode {
    // For what is written by hand: Atlas itself brings its own to each connection.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        eprintln!("bench: a provider of cryptography is there already");
    }
    let words: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match words.split_first() {
        Some((first, rest)) if first == "child" => child(rest),
        Some((first, [what])) if first == "serve" => runpod::serve(what),
        _ => asked(&words).and_then(|asked| run(&asked)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn asked(words: &[String]) -> Outcome<Asked> {
    let mut asked = Asked { json: false, parts: Vec::new() };
    for word in words {
        match word.as_str() {
            "--json" => asked.json = true,
            part if PARTS.contains(&part) => asked.parts.push(part.to_owned()),
            other => {
                return Err(
                    format!("\"{other}\" is not understood: give --json, or some of {}", PARTS.join(", ")).into()
                );
            }
        }
    }
    Ok(asked)
}

/// A process of its own for what only a whole process can show: memory, and starting from nothing.
fn child(words: &[String]) -> Outcome<()> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let answer = match words.as_slice() {
        ["memory-map", folder] => memory::map(folder.as_ref())?,
        ["memory-orchestrator", folder] => runtime()?.block_on(memory::orchestrator(folder.as_ref()))?,
        ["recovery", folder] => runtime()?.block_on(recovery::recover(folder.as_ref()))?,
        ["scan", folder] => recovery::scan(folder.as_ref())?,
        ["version", atlas] => version::measure(atlas.as_ref())?,
        _ => return Err("no such child".into()),
    };
    println!("{answer}");
    // Nothing is closed: a child that was measured has nothing more to do.
    std::process::exit(0);
}

fn runtime() -> Outcome<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

fn run(asked: &Asked) -> Outcome<()> {
    let runtime = runtime()?;
    let wanted = |part: &str| asked.parts.is_empty() || asked.parts.iter().any(|asked| asked == part);
    let mut figures = Vec::new();
    let mut filled = None;
    for part in PARTS.iter().filter(|part| wanted(part)) {
        let needs_many = ["touch", "memory", "recovery"].contains(part);
        if needs_many && filled.is_none() {
            eprintln!("bench: {MANY} sessions are written");
            filled = Some(runtime.block_on(many())?);
        }
        eprintln!("bench: {part}");
        figures.extend(match (*part, &filled) {
            ("touch", Some(filled)) => runtime.block_on(touch::run(filled))?,
            ("memory", Some(filled)) => memory::run(filled)?,
            ("recovery", Some(filled)) => recovery::run(filled)?,
            ("creations", _) => runtime.block_on(creations::run())?,
            ("lateness", _) => runtime.block_on(lateness::run())?,
            ("stops", _) => runtime.block_on(stops::run())?,
            ("flood", _) => runtime.block_on(flood::run())?,
            ("version", _) => version::run()?,
            (part, _) if runpod::PARTS.contains(&part) => runpod::run(part)?,
            _ => return Err(format!("part {part} is not wired").into()),
        });
    }
    println!("{}", if asked.json { Figure::json(&figures) } else { Figure::table(&figures) });
    Ok(())
}

/// The sessions that three of the parts work with.
async fn many() -> Outcome<Filled> {
    let crowd = Crowd {
        sessions: MANY,
        idle_ttl: Duration::from_hours(12),
        ttl_step: Duration::ZERO,
        looks_within: Duration::from_hours(1),
    };
    crowd.fill().await
}
