//! Draws what the benchmarks measured: `cargo run -p keyvault-benches --bin plot`.
//!
//! It reads `docs/performance/load.json` and `read.json`, which `cargo bench` writes, and writes an SVG beside each.

use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

fn main() -> Result<(), Box<dyn Error>> {
    let directory = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/performance"));
    for (name, draw) in [("load", load as fn(&Value) -> Option<String>), ("read", read)] {
        let measured: Value = serde_json::from_str(&fs::read_to_string(directory.join(format!("{name}.json")))?)?;
        let body = draw(&measured).ok_or("the file is not what a benchmark writes")?;
        fs::write(directory.join(format!("{name}.svg")), page(&body))?;
    }
    Ok(())
}

fn page(body: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"13\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n{body}</svg>\n"
    )
}

/// Cold load against the number of secrets, both axes logarithmic.
fn load(measured: &Value) -> Option<String> {
    let mut svg = title("Cold load over HTTP/2, 20 ms a request (milliseconds, log scale)");
    let points = measured.as_array()?;
    let x = |secrets: f64| LEFT + (secrets.log10() - 1.0) / 2.0 * (WIDTH - LEFT - RIGHT);
    let y = |milliseconds: f64| BOTTOM - (milliseconds.log10() - 1.0) / 2.3 * (BOTTOM - TOP);
    for tick in [10.0, 30.0, 100.0, 300.0, 1_000.0] {
        label(&mut svg, x(tick), BOTTOM + 20.0, "middle", "#333", &format!("{tick}"));
        line(&mut svg, &[(x(tick), BOTTOM), (x(tick), TOP)], "#eee");
    }
    for tick in [10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0] {
        label(&mut svg, LEFT - 8.0, y(tick) + 4.0, "end", "#333", &format!("{tick}"));
        line(&mut svg, &[(LEFT, y(tick)), (WIDTH - RIGHT, y(tick))], "#eee");
    }
    label(&mut svg, (LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 8.0, "middle", "#333", "secrets in the vault");
    for (n, (peer, name, colour)) in [
        ("official", "azure_security_keyvault_secrets", "#c0392b"),
        ("ours", "keyvault", "#1f6feb"),
        ("bound", "bound: (pages + 1) round trips", "#555"),
    ]
    .into_iter()
    .enumerate()
    {
        let at = |point: &Value| Some((x(point["secrets"].as_f64()?), y(point["milliseconds"][peer].as_f64()?)));
        let way: Vec<(f64, f64)> = points.iter().map(at).collect::<Option<_>>()?;
        line(&mut svg, &way, colour);
        label(&mut svg, LEFT + 14.0, TOP + 18.0 + 18.0 * n as f64, "start", colour, name);
    }
    Some(svg)
}

/// One read, a bar for each way to do it, on a logarithmic axis.
fn read(measured: &Value) -> Option<String> {
    let mut svg = title("One read of the settings (nanoseconds, log scale)");
    let bars = measured.as_array()?;
    let x = |nanoseconds: f64| 170.0 + ((nanoseconds.log10() + 1.0) / 5.0).max(0.0) * (WIDTH - 170.0 - 90.0);
    let step = (BOTTOM - TOP) / bars.len() as f64;
    for (n, bar) in bars.iter().enumerate() {
        let (name, time) = (bar["name"].as_str()?, bar["nanoseconds"].as_f64()?);
        let top = TOP + step * n as f64;
        let ours = name == "current";
        let (colour, name) = match name {
            "current" => ("#1f6feb", "live.current()"),
            name => ("#999", name),
        };
        label(&mut svg, 162.0, top + step / 2.0 + 4.0, "end", if ours { colour } else { "#333" }, name);
        writeln!(
            svg,
            "<rect x=\"170\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{colour}\"/>",
            top + step * 0.2,
            x(time) - 170.0,
            step * 0.6
        )
        .ok()?;
        label(&mut svg, x(time) + 6.0, top + step / 2.0 + 4.0, "start", "#333", &format!("{time:.1}"));
    }
    Some(svg)
}

fn title(text: &str) -> String {
    let mut svg = String::new();
    label(&mut svg, WIDTH / 2.0, 24.0, "middle", "#111", text);
    svg
}

fn label(svg: &mut String, x: f64, y: f64, anchor: &str, colour: &str, text: &str) {
    // Writing to a `String` does not fail.
    _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{colour}\">{text}</text>");
}

fn line(svg: &mut String, way: &[(f64, f64)], colour: &str) {
    let points: Vec<String> = way.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    _ = writeln!(
        svg,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
        points.join(" ")
    );
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 370.0;
