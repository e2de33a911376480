//! Exports the spans and metrics of a service to OpenTelemetry.
//!
//! ```sh
//! cargo run -p keyvault-examples-opentelemetry --example opentelemetry
//! ```
//!
//! The service starts, a secret rotates, and then the vault denies access. The exporters keep everything in memory, so
//! that the example can print it: a service replaces the two by those of `opentelemetry-otlp`. The vault is an emulator
//! in this process. The example fails if a span or a metric is missing.
//!
//! The example is not among the default members of the workspace, because of the number of its dependencies.

use std::sync::Arc;

use figment::Figment;
use figment::providers::Serialized;
use keyvault::{Derived, Live};
use keyvault_emulator::{Denial, Emulator, Operation};
use keyvault_examples_support::{Result, client, ensure, print_heading};
use metrics_exporter_opentelemetry::Recorder;
use opentelemetry::metrics::MeterProvider;
use opentelemetry::trace::{SpanId, Status, TracerProvider};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, SdkMeterProvider};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use secrecy::SecretString;
use serde::Deserialize;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::prelude::*;

#[derive(Deserialize)]
struct Settings {
    password: SecretString,
}

/// Stands for a connection pool.
struct Pool {
    _password: SecretString,
}

/// Sends spans and events of this crate to OpenTelemetry. Without the filter, the spans of the HTTP client follow.
fn export_spans(provider: &SdkTracerProvider) {
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("shop"));
    let layer = layer.with_location(false).with_threads(false).with_target(false).with_tracked_inactivity(false);
    let ours = Targets::new().with_target("keyvault", LevelFilter::INFO);
    tracing_subscriber::registry().with(layer.with_filter(ours)).init();
}

/// Sends the metrics of this crate, and of every other that uses the facade, to OpenTelemetry.
fn export_metrics(provider: &SdkMeterProvider) -> Result {
    metrics::set_global_recorder(Recorder::with_meter(provider.meter("shop")))?;
    Ok(())
}

async fn run_service() -> Result {
    let emulator = Emulator::start().await?;
    emulator.set("db-password", "a password before the rotation");
    let layers = || Figment::from(Serialized::default("password", "@KeyVault(SecretName=db-password)"));
    let live: Live<Settings> = keyvault_figment::layered(client(&emulator)?, layers).start().await?;
    let build = |settings: Arc<Settings>| async move { Ok(Pool { _password: settings.password.clone() }) };
    let pool: Derived<Pool> = live.derive(["password"], build).await?;

    let mut replaced = pool.watch();
    emulator.set("db-password", "a password after the rotation");
    live.refresh_now().await?;
    replaced.replaced().await.ok_or("the pool is not replaced")?;

    emulator.deny(Denial::Rbac, &[Operation::Get, Operation::List]);
    ensure(live.refresh_now().await.is_err(), "the vault denies access")?;
    live.shutdown().await;
    emulator.stop().await;
    Ok(())
}

/// Prints a span with its attributes and those inside of it.
fn print_tree(spans: &[SpanData], parent: SpanId, depth: usize) {
    for span in spans.iter().filter(|span| span.parent_span_id == parent) {
        let attributes = span.attributes.iter().map(|attribute| format!(" {}={}", attribute.key, attribute.value));
        let status = if matches!(span.status, Status::Error { .. }) { " ERROR" } else { "" };
        println!("{:indent$}{}{}{status}", "", span.name, attributes.collect::<String>(), indent = 2 * depth);
        for event in span.events.iter() {
            println!("{:indent$}- {}", "", event.name, indent = 2 * depth + 2);
        }
        print_tree(spans, span.span_context.span_id(), depth + 1);
    }
}

fn check_spans(spans: &[SpanData]) -> Result {
    let has = |span: &SpanData, key: &str, value: &str| {
        span.attributes.iter().any(|attribute| attribute.key.as_str() == key && attribute.value.as_str() == value)
    };
    for (name, key, value, count) in [
        ("keyvault.start", "outcome", "loaded", 1),
        ("keyvault.refresh", "outcome", "changed", 1),
        ("keyvault.refresh", "outcome", "failed", 1),
        ("keyvault.derive", "outcome", "built", 2),
    ] {
        let found: Vec<&SpanData> = spans.iter().filter(|span| span.name == name && has(span, key, value)).collect();
        ensure(found.len() == count, &format!("{count} spans {name} with {key}={value}: {spans:?}"))?;
        for span in found {
            let is_error = matches!(span.status, Status::Error { .. });
            ensure(is_error == (value == "failed"), "the status of a span is its outcome")?;
            let is_parent = spans.iter().any(|request| request.parent_span_id == span.span_context.span_id());
            ensure(is_parent == (name != "keyvault.derive"), "the requests are inside of the start or the refresh")?;
        }
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result {
    let (spans, measurements) = (InMemorySpanExporter::default(), InMemoryMetricExporter::default());
    let tracers = SdkTracerProvider::builder().with_simple_exporter(spans.clone()).build();
    let meters = SdkMeterProvider::builder().with_periodic_exporter(measurements.clone()).build();
    export_spans(&tracers);
    export_metrics(&meters)?;

    run_service().await?;

    meters.force_flush()?;
    let spans = spans.get_finished_spans()?;
    print_heading("Spans");
    print_tree(&spans, SpanId::INVALID, 0);
    check_spans(&spans)?;

    print_heading("Metrics");
    let exported = measurements.get_finished_metrics()?;
    let scopes = exported.iter().flat_map(|resource| resource.scope_metrics());
    let names: Vec<&str> = scopes.flat_map(|scope| scope.metrics()).map(|metric| metric.name()).collect();
    names.iter().for_each(|name| println!("{name}"));
    for name in ["keyvault_refreshes_total", "keyvault_settings_age_seconds", "keyvault_derived_builds_total"] {
        ensure(names.contains(&name), "a metric is missing")?;
    }
    ensure(!format!("{spans:?} {exported:?}").contains("the rotation"), "a password was exported")?;
    Ok(())
}
