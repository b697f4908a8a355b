//! What a client would like to get, by its headers.

use super::encode::Format;

/// The format for an `Accept` header. What asks for neither gets Prometheus' own: no client is turned away.
pub fn format(accept: Option<&str>) -> Format {
    let wish = |matches: fn(&Range<'_>) -> bool| {
        let ranges = accept.unwrap_or_default().split(',').take(MAX_RANGES).filter_map(Range::parse);
        ranges.filter(matches).map(|range| range.weight).max().unwrap_or(0)
    };
    let open_metrics = wish(|range| {
        range.name.eq_ignore_ascii_case("application/openmetrics-text")
            && range.version.is_none_or(|version| version == "1.0.0")
    });
    let prometheus = wish(|range| {
        ["text/plain", "text/*", "*/*"].iter().any(|name| range.name.eq_ignore_ascii_case(name))
            && range.version.is_none_or(|version| version == "0.0.4")
    });
    if open_metrics > 0 && open_metrics >= prometheus { Format::OpenMetrics } else { Format::Prometheus }
}

/// Whether an `Accept-Encoding` header allows gzip.
pub fn gzip(accept_encoding: Option<&str>) -> bool {
    let ranges = || accept_encoding.unwrap_or_default().split(',').take(MAX_RANGES).filter_map(Range::parse);
    let named = |names: &[&str]| {
        ranges().find(|range| names.iter().any(|name| range.name.eq_ignore_ascii_case(name)))
    };
    named(&["gzip", "x-gzip"]).or_else(|| named(&["*"])).is_some_and(|range| range.weight > 0)
}

/// More alternatives than these are nobody's honest wish.
const MAX_RANGES: usize = 32;

/// One alternative of such a header.
struct Range<'a> {
    name: &'a str,
    version: Option<&'a str>,
    /// In thousandths, 0..=1000; 0 = not this.
    weight: u16,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let name = parts.next().filter(|name| !name.is_empty())?;
        let mut range = Self { name, version: None, weight: 1_000 };
        for (key, value) in parts.filter_map(|part| part.split_once('=')) {
            let value = value.trim().trim_matches('"');
            match key.trim() {
                "q" | "Q" => range.weight = weight(value)?,
                "version" => range.version = Some(value),
                _ => {}
            }
        }
        Some(range)
    }
}

fn weight(text: &str) -> Option<u16> {
    let weight: f32 = text.parse().ok()?;
    (0.0..=1.0).contains(&weight).then(|| (weight * 1_000.0).round() as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_weighed() {
        let prometheus_2 = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;\
             q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let cases = [
            (prometheus_2, Format::OpenMetrics),
            (
                "application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5",
                Format::Prometheus,
            ),
            ("application/openmetrics-text;q=0.2, text/plain;q=0.9", Format::Prometheus),
            ("application/openmetrics-text;q=0", Format::Prometheus),
            ("Application/OpenMetrics-Text", Format::OpenMetrics),
            ("text/html,application/xhtml+xml,*/*;q=0.8", Format::Prometheus),
            ("application/openmetrics-text;q=2", Format::Prometheus),
            (";;,,q=1,", Format::Prometheus),
            ("", Format::Prometheus),
        ];
        for (accept, expected) in cases {
            assert_eq!(format(Some(accept)), expected, "{accept}");
        }
        assert_eq!(format(None), Format::Prometheus);
    }

    #[test]
    fn gzip_is_sent_to_who_takes_it() {
        for accepted in ["gzip", "deflate, gzip;q=0.5", "*", "GZIP", "x-gzip"] {
            assert!(gzip(Some(accepted)), "{accepted}");
        }
        for refused in ["", "identity", "gzip;q=0", "*;q=1, gzip;q=0", "br", "gzip;q=x"] {
            assert!(!gzip(Some(refused)), "{refused}");
        }
        assert!(!gzip(None));
    }
}
