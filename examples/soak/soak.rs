//! Rotates a secret every second under faults, and fails if the service holds on to memory, tasks or files.
//!
//! ```sh
//! cargo run --example soak                      # one minute
//! cargo run --example soak -- --seconds 3600
//! cargo run --example soak -- --leak            # must fail: it leaks on purpose
//! ```
//!
//! The vault is an emulator in a process of its own, so that the figures are those of the service alone: its resident
//! memory, its tokio tasks, its open files, and how many of those are sockets. The first third of the time is the
//! warm-up. After it, no figure may grow; after the shutdown, tasks and files are back where they were before the
//! start. The program prints the figures. It runs on Linux only, because the figures come from `/proc`.

use std::fs::File;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use keyvault_examples_soak::{RemoteVault, Sample, Service, Verdict, judge, serve};
use keyvault_examples_support::{Result, ensure};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

/// Rotates a secret every second under faults, and measures what the service holds on to.
#[derive(Clone, Copy, Parser)]
struct Arguments {
    /// The duration in seconds. At least 15.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(15..))]
    seconds: u64,
    /// Leak a task, a file and some memory each second, to test the measurement.
    #[arg(long)]
    leak: bool,
    /// Run the vault. The program starts itself with this option.
    #[arg(long, hide = true)]
    vault: bool,
}

async fn run(arguments: Arguments) -> Result {
    let vault = RemoteVault::start().await?;
    let before = sample_when(|sample| sample.tasks == 0).await?;
    let service = Service::start(&vault).await?;
    println!("{}", Sample::HEAD);
    let samples = sample_each_second(arguments, &vault, &service).await?;
    let totals = service.shutdown().await;
    println!("\n{totals}");
    let after = sample_when(|after| after.tasks <= before.tasks && after.files <= before.files).await?;
    println!("before the start:   {before:#}\nafter the shutdown: {after:#}");

    let verdicts = judge(&samples);
    println!();
    verdicts.iter().for_each(|verdict| println!("{verdict}"));
    ensure(totals.is_significant(arguments.seconds), "too few events to prove anything")?;
    ensure(verdicts.iter().all(Verdict::is_flat), "the service holds on to more and more")?;
    ensure(after.tasks <= before.tasks && after.files <= before.files, "the service left tasks or files behind")
}

/// Injects a fault, rotates the secret and takes a sample, once a second.
async fn sample_each_second(arguments: Arguments, vault: &RemoteVault, service: &Service) -> Result<Vec<Sample>> {
    let started = Instant::now();
    let mut ticks = interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    let mut samples = Vec::new();
    for second in 1..=arguments.seconds {
        vault.inject_fault(second).await?;
        let version = vault.rotate(second).await?;
        service.work(&version);
        if arguments.leak {
            leak()?;
        }
        ticks.tick().await;
        let sample = Sample::take(started.elapsed())?;
        if second % (arguments.seconds / 15) == 0 {
            println!("{sample} {:>8} |", service.generation());
        }
        samples.push(sample);
    }
    Ok(samples)
}

/// Returns the first sample that meets `condition`, or the last one after 20 seconds: connections and tasks take a
/// moment to close.
async fn sample_when(condition: impl Fn(&Sample) -> bool) -> Result<Sample> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let sample = Sample::take(Duration::ZERO)?;
        if condition(&sample) || Instant::now() > deadline {
            return Ok(sample);
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// Leaks a task, a file and 512 KiB.
fn leak() -> Result {
    tokio::spawn(std::future::pending::<()>());
    std::mem::forget(File::open("/dev/null")?);
    std::mem::forget(vec![1_u8; 512 * 1024]);
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    // `reqwest` without a TLS provider of its own uses that of the process.
    _ = rustls::crypto::ring::default_provider().install_default();
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
