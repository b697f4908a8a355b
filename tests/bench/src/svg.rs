//! The picture of growth: a panel for each curve, its costs against the first one.

use crate::results::Curve;
use crate::table;
use std::fmt::Write as _;

/// Of a panel, in pixels.
const WIDTH: f64 = 260.0;
const HEIGHT: f64 = 200.0;
const LEFT: f64 = 44.0;
const TOP: f64 = 44.0;
const PANEL: f64 = WIDTH + LEFT + 24.0;
const PICTURE_HEIGHT: f64 = HEIGHT + TOP + 56.0;

/// Draws curves of at least two points; colours fit a light and a dark page.
pub(crate) fn draw(curves: &[Curve]) -> String {
    let curves: Vec<&Curve> =
        curves.iter().filter(|curve| curve.points.len() > 1 && curve.growth().is_some()).collect();
    let width = PANEL * curves.len() as f64 + 8.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {PICTURE_HEIGHT:.0}\" \
         font-family=\"sans-serif\" font-size=\"11\" fill=\"#777\">\n"
    );
    for (index, curve) in curves.iter().enumerate() {
        let _ = writeln!(svg, "<g transform=\"translate({:.0} 0)\">", PANEL * index as f64 + LEFT);
        panel(curve, &mut svg);
        svg += "</g>\n";
    }
    svg + "</svg>\n"
}

fn panel(curve: &Curve, svg: &mut String) {
    let (Some(first), Some(last)) = (curve.points.first(), curve.points.last()) else { return };
    let relative: Vec<(f64, f64)> = curve.points.iter().map(|(size, cost)| (*size, cost / first.1)).collect();
    let highest = relative.iter().map(|(_, cost)| *cost).fold(Curve::ALLOWED * 1.15, f64::max);
    let decades = (last.0 / first.0).log10().max(f64::EPSILON);
    let x = |size: f64| (size / first.0).log10() / decades * WIDTH;
    let y = |cost: f64| TOP + HEIGHT * (1.0 - cost / highest);

    let _ = writeln!(svg, "<text y=\"16\" font-size=\"13\">{}</text>", escaped(&curve.what));
    for (cost, style) in [
        (0.0, "stroke=\"#777\""),
        (1.0, "stroke=\"#777\" stroke-opacity=\"0.3\""),
        (Curve::ALLOWED, "stroke=\"#c33\" stroke-dasharray=\"4 3\""),
    ] {
        let at = y(cost);
        let label = format!("{cost:.1}");
        let _ = writeln!(svg, "<line x1=\"0\" x2=\"{WIDTH}\" y1=\"{at:.1}\" y2=\"{at:.1}\" {style}/>");
        let _ = writeln!(svg, "<text x=\"-6\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>", at + 4.0);
    }
    let path: Vec<String> =
        relative.iter().map(|(size, cost)| format!("{:.1},{:.1}", x(*size), y(*cost))).collect();
    let _ = writeln!(
        svg,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"#27c\" stroke-width=\"2\"/>",
        path.join(" ")
    );
    for ((size, cost), (_, ns)) in relative.iter().zip(&curve.points) {
        let (x, y) = (x(*size), y(*cost));
        let _ = writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"#27c\"/>");
        let anchor = if x < 1.0 {
            "start"
        } else if x > WIDTH - 1.0 {
            "end"
        } else {
            "middle"
        };
        let cost = table::nanoseconds(*ns);
        let _ =
            writeln!(svg, "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{cost}</text>", y - 8.0);
        let label = table::size(*size, curve.unit);
        let below = TOP + HEIGHT + 18.0;
        let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{below:.1}\" text-anchor=\"{anchor}\">{label}</text>");
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Unit;

    #[test]
    fn each_curve_has_a_panel_and_each_point_a_dot() {
        let curve = |what: &str, points: &[(f64, f64)]| Curve {
            what: what.into(),
            points: points.to_vec(),
            unit: Unit::Count,
        };
        let svg = draw(&[
            curve("a < b", &[(10.0, 200.0), (100.0, 220.0), (1000.0, 500.0)]),
            curve("one point is no curve", &[(1.0, 1.0)]),
        ]);
        assert_eq!((svg.matches("<g ").count(), svg.matches("<circle").count()), (1, 3));
        assert!(svg.contains("a &lt; b") && svg.contains(">220 ns<") && !svg.contains("NaN"), "{svg}");
        assert_eq!(svg.matches("<g ").count(), svg.matches("</g>").count());
    }
}
