//! Dates in headers and bodies.

use std::time::Duration;

use time::format_description::well_known::Rfc3339;
use time::{Date, Month, OffsetDateTime, Time, UtcOffset};

/// Parses a date. Like the service it accepts more than HTTP dates: ISO 8601, the form that the Azure SDK for Python
/// signs, `May, 11 2018 18:48:36.000000 GMT`, and the offset that Java writes in place of `GMT`.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let date = parse_iso(text.trim()).or_else(|| parse_words(text))?;
    let nanos = u64::try_from(date.unix_timestamp_nanos()).ok()?;
    Some(Duration::from_nanos(nanos))
}

fn parse_iso(text: &str) -> Option<OffsetDateTime> {
    let (date, rest) = text.split_once(['T', 't', ' '])?;
    let (clock, offset) = rest.split_at(rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len()));
    // Java omits the seconds of a whole minute, and Python the offset of a UTC time.
    let seconds = if clock.matches(':').count() == 1 { ":00" } else { "" };
    let offset = if offset.is_empty() { "Z" } else { offset };
    OffsetDateTime::parse(&format!("{date}T{clock}{seconds}{offset}"), &Rfc3339).ok()
}

/// Parses a date whose parts are in any order, except that a day comes before its year, and an offset is last.
fn parse_words(text: &str) -> Option<OffsetDateTime> {
    let (mut day, mut month, mut year, mut time) = (None, None, None, None);
    let (text, offset) = split_offset(text.trim()).unwrap_or((text, UtcOffset::UTC));
    for word in text.split([' ', ',', '-']).filter(|word| !word.is_empty()) {
        if word.contains(':') {
            time = Some(parse_time(word)?);
        } else if let Ok(number) = word.parse::<u16>() {
            if day.is_none() { day = Some(u8::try_from(number).ok()?) } else { year = Some(full_year(number, word)) }
        } else if let Some(found) = word.get(..3).and_then(parse_month) {
            month = Some(found);
        } else if !is_zone_or_weekday(word) {
            return None;
        }
    }
    let date = Date::from_calendar_date(i32::from(year?), month?, day?).ok()?;
    Some(date.with_time(time?).assume_offset(offset))
}

/// Splits the offset off a date: `+0200` or `+02:00` after a space.
fn split_offset(text: &str) -> Option<(&str, UtcOffset)> {
    let (rest, word) = text.rsplit_once(' ')?;
    let sign = if word.starts_with('-') { -1 } else { 1 };
    let digits = word.strip_prefix(['+', '-'])?.replacen(':', "", 1);
    if digits.len() != 4 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes) = (digits[..2].parse::<i8>().ok()?, digits[2..].parse::<i8>().ok()?);
    Some((rest, UtcOffset::from_hms(sign * hours, sign * minutes, 0).ok()?))
}

fn parse_time(word: &str) -> Option<Time> {
    let (clock, fraction) = word.split_once('.').unwrap_or((word, ""));
    let numbers: Vec<u8> = clock.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let [hour, minute, second] = *numbers else { return None };
    let is_fraction = fraction.len() <= 9 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let nanos = is_fraction.then(|| format!("{fraction:0<9}").parse().ok())??;
    Time::from_hms_nano(hour, minute, second, nanos).ok()
}

/// Returns a year with four digits. See [RFC 9110](https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7).
fn full_year(year: u16, word: &str) -> u16 {
    match word.len() {
        2 if year >= 70 => 1900 + year,
        2 => 2000 + year,
        _ => year,
    }
}

fn parse_month(word: &str) -> Option<Month> {
    let found = MONTHS.iter().position(|month| month.eq_ignore_ascii_case(word))?;
    Month::try_from(u8::try_from(found + 1).ok()?).ok()
}

fn is_zone_or_weekday(word: &str) -> bool {
    let is = |known: &&str| word.get(..3).is_some_and(|start| start.eq_ignore_ascii_case(known));
    ["GMT", "UTC"].iter().any(|zone| zone.eq_ignore_ascii_case(word)) || WEEKDAYS.iter().any(is)
}

/// Writes a date for a header: `Fri, 11 May 2018 18:48:36 GMT`.
pub(super) fn http(time: Duration) -> String {
    let date = date(time);
    let weekday = WEEKDAYS[usize::from(date.weekday().number_days_from_monday())];
    let month = MONTHS[usize::from(u8::from(date.month()) - 1)];
    let (hour, minute, second) = date.to_hms();
    format!("{weekday}, {:02} {month} {:04} {hour:02}:{minute:02}:{second:02} GMT", date.day(), date.year())
}

/// Writes a date for a body, in whole seconds as the service does: `2018-05-11T18:48:36+00:00`.
pub(super) fn iso(time: Duration) -> String {
    let date = date(time);
    let (hour, minute, second) = date.to_hms();
    let (year, month, day) = date.to_calendar_date();
    format!("{year:04}-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}+00:00", u8::from(month))
}

fn date(time: Duration) -> OffsetDateTime {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_that_a_client_sends_is_parsed() {
        let whole = Some(Duration::from_secs(1_526_064_516));
        for (text, expected) in [
            ("Fri, 11 May 2018 18:48:36 GMT", whole),
            ("fri, 11 may 2018 18:48:36 utc", whole),
            ("Friday, 11-May-18 18:48:36 GMT", whole),
            ("Fri May 11 18:48:36 2018", whole),
            ("2018-05-11T18:48:36Z", whole),
            ("2018-05-11T18:48:36.000Z", whole),
            ("2018-05-11 20:48:36+02:00", whole),
            ("2018-05-11 18:48:36.000", whole),
            ("May, 11 2018 18:48:36.000000 GMT", whole),
            ("May, 11 2018 18:48:36.250000 GMT", Some(Duration::from_millis(1_526_064_516_250))),
            // `OffsetDateTime.toString` and `DateTimeFormatter.RFC_1123_DATE_TIME` of Java.
            ("2018-05-11T18:48Z", Some(Duration::from_secs(1_526_064_480))),
            ("2018-05-11T20:48+02:00", Some(Duration::from_secs(1_526_064_480))),
            ("2018-05-11T18:48", Some(Duration::from_secs(1_526_064_480))),
            ("2018-05-11T20:48:36.25+02:00", Some(Duration::from_millis(1_526_064_516_250))),
            ("Fri, 11 May 2018 20:48:36 +0200", whole),
            ("Fri, 11 May 2018 13:18:36 -0530", whole),
            ("Fri, 11 May 2018 20:48:36 +02:00", whole),
            ("Sat, 5 May 2018 18:48:36 +0000", Some(Duration::from_secs(1_525_546_116))),
            ("2018-05-11T18Z", None),
            ("2018-05-11T18:48:", None),
            ("Fri, 11 May 2018 20:48:36 +9900", None),
            ("Fri, 11 May 2018 20:48:36 +02", None),
            ("Fri, 11 May 20:48:36 +0200", None),
            ("Fri, 11 May 2018 20:48:36 +é00", None),
            ("", None),
            ("11 May 2018", None),
            ("Fri, 11 Mai 2018 18:48:36 GMT", None),
            ("Fri, 41 May 2018 18:48:36 GMT", None),
            ("Fri, 11 May 2018 25:48:36 GMT", None),
            ("Fri, 11 May 2018 18:48 GMT", None),
            ("Fri, 11 May 2018 18:48:36.1x GMT", None),
            ("Fri, 11 May 2018 18:48:36 CET", None),
            ("é, 300 300 300", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    #[test]
    fn dates_are_written_in_the_forms_of_the_service() {
        let time = Duration::from_millis(1_526_064_516_999);
        assert_eq!(http(time), "Fri, 11 May 2018 18:48:36 GMT");
        assert_eq!(iso(time), "2018-05-11T18:48:36+00:00");
        assert_eq!(parse(&http(time)), Some(Duration::from_secs(1_526_064_516)));
    }
}
