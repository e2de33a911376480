//! A service whose secret rotates every second while everything goes wrong: does it hold on to anything?
//!
//! ```sh
//! cargo run --example soak                      # one minute
//! cargo run --example soak -- --seconds 3600
//! cargo run --example soak -- --leak            # must fail: something is lost on purpose
//! ```
//!
//! The vault is an emulator in a process of its own, so that what is measured is the service alone: its resident memory, its
//! tokio tasks, its open files, and how many of those are sockets. After a third of the time, for warming up, none may grow any
//! more; at the end, with the settings shut down, tasks and files are those from before the start. The program prints the
//! figures and fails if that is not so. Linux only: the figures come from `/proc`.

mod sample;
mod service;
mod vault;
mod verdict;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use keyvault_examples::Outcome;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use self::sample::Sample;
use self::service::Service;
use self::vault::{RemoteVault, serve};
use self::verdict::{Verdict, judge};

/// Rotates a secret every second under faults, and watches what the service holds on to.
#[derive(Clone, Copy, Parser)]
struct Arguments {
    /// For how many seconds. At least 15.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(15..))]
    seconds: u64,
    /// Lose a task, a file and some memory each second, to see it found.
    #[arg(long)]
    leak: bool,
    /// Be the vault. The program starts itself so.
    #[arg(long, hide = true)]
    vault: bool,
}

async fn run(arguments: Arguments) -> Outcome {
    let vault = RemoteVault::start().await?;
    let before = left(|sample| sample.tasks == 0).await?;
    let service = Service::start(&vault).await?;
    println!("{}", Sample::HEAD);
    let samples = live_through(arguments, &vault, &service).await?;
    let story = service.end().await;
    println!("\n{story}");
    let after = left(|after| after.tasks <= before.tasks && after.files <= before.files).await?;
    println!("before the start: {before:#}\nafter the end:    {after:#}");

    let verdicts = judge(&samples);
    println!();
    verdicts.iter().for_each(|verdict| println!("{verdict}"));
    if !story.is_eventful(arguments.seconds) {
        return Err("too little happened to prove anything".into());
    }
    if !verdicts.iter().all(Verdict::is_flat) {
        return Err("the service holds on to more and more".into());
    }
    if after.tasks > before.tasks || after.files > before.files {
        return Err("the service left something behind".into());
    }
    Ok(())
}

/// A second after the other: a rotation, something that goes wrong, and a sample.
async fn live_through(arguments: Arguments, vault: &RemoteVault, service: &Service) -> Outcome<Vec<Sample>> {
    let begun = Instant::now();
    let mut ticks = interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    let mut samples = Vec::new();
    for second in 1..=arguments.seconds {
        vault.go_wrong(second).await?;
        let version = vault.rotate(second).await?;
        service.work(version);
        if arguments.leak {
            lose()?;
        }
        ticks.tick().await;
        let sample = Sample::take(begun.elapsed())?;
        if second % (arguments.seconds / 15) == 0 {
            println!("{sample} {:>8} |", service.generation());
        }
        samples.push(sample);
    }
    Ok(samples)
}

/// Waits for what ends by itself: connections that are closed, tasks that notice.
async fn left(is_settled: impl Fn(&Sample) -> bool) -> Outcome<Sample> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let sample = Sample::take(Duration::ZERO)?;
        if is_settled(&sample) || Instant::now() > deadline {
            return Ok(sample);
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// What a defect would do.
fn lose() -> Outcome {
    tokio::spawn(std::future::pending::<()>());
    std::mem::forget(std::fs::File::open("/dev/null")?);
    std::mem::forget(vec![1_u8; 512 * 1024]);
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = if arguments.vault { serve().await } else { run(arguments).await };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
