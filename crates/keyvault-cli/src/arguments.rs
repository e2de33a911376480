//! Options that several subcommands share.

use std::time::Duration;

/// The interval of the commands that keep running.
#[derive(clap::Args)]
pub(crate) struct PollArguments {
    /// How often to check for new versions, at least 1s
    #[arg(long, value_name = "TIME", value_parser = interval, default_value = "60s")]
    pub(crate) interval: Duration,
}

/// Parses the time between two checks.
pub(crate) fn interval(text: &str) -> Result<Duration, String> {
    let interval = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if interval < Duration::from_secs(1) { Err("must be at least 1s".to_owned()) } else { Ok(interval) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_at_least_a_second() {
        assert!(interval("999ms").is_err() && interval("1s").is_ok());
    }
}
