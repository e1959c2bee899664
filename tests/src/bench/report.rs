//! The table that a run ends with: Markdown, as it stands in `docs/performance.md`.

use super::{Figure, Verdict, figure::Spread};

const HEADINGS: [&str; 6] = ["Figure", "Median", "Min … max", "Rounds", "Goal", ""];

/// The table of all figures.
#[must_use]
pub fn table(figures: &[Figure]) -> String {
    let rows: Vec<[String; 6]> = figures.iter().map(row).collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells
            .chain([HEADINGS[column].chars().count(), 3])
            .max()
            .unwrap_or(3)
    };
    let widths: [usize; 6] = std::array::from_fn(width);
    let line = |cells: [&str; 6]| {
        let mut line = String::from("|");
        for (cell, width) in cells.iter().zip(widths) {
            line.push_str(&format!(" {cell:width$} |"));
        }
        line.push('\n');
        line
    };
    let mut text = line(HEADINGS);
    text.push_str(&line(
        widths
            .map(|width| "-".repeat(width))
            .each_ref()
            .map(String::as_str),
    ));
    for row in &rows {
        text.push_str(&line(row.each_ref().map(String::as_str)));
    }
    text
}

/// How many goals are met, and which are not.
#[must_use]
pub fn summary(figures: &[Figure]) -> String {
    let of = |verdict: Verdict| {
        figures
            .iter()
            .filter(move |figure| figure.verdict() == verdict)
    };
    let missed: Vec<&str> = of(Verdict::Missed)
        .map(|figure| figure.what.as_str())
        .collect();
    let met = of(Verdict::Met).count();
    if missed.is_empty() {
        return format!("All {met} goals are met.");
    }
    format!(
        "{met} goals are met, {} MISSED:\n  {}",
        missed.len(),
        missed.join("\n  ")
    )
}

fn row(figure: &Figure) -> [String; 6] {
    let Spread {
        min,
        median,
        max,
        rounds,
    } = figure.measured;
    let unit = figure.unit;
    let range = if rounds == 1 {
        String::new()
    } else {
        format!("{} … {}", unit.show(min), unit.show(max))
    };
    [
        figure.what.clone(),
        unit.show(median),
        range,
        rounds.to_string(),
        figure.goal.map_or_else(String::new, |goal| goal.show(unit)),
        figure.verdict().to_string(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Goal, Unit};

    #[test]
    fn a_missed_goal_is_said_twice_and_clearly() {
        let figures = [
            Figure::with_goal(
                "speed",
                Spread::of([1.0, 1.2, 1.4]),
                Unit::Times,
                Goal::AtMost(1.15),
            ),
            Figure::for_reading("  bare", Spread::exactly(57.0), Unit::Microseconds),
        ];
        let text = table(&figures);
        let mut lines = text.lines();
        assert_eq!(
            lines.next().unwrap(),
            "| Figure | Median  | Min … max   | Rounds | Goal   |        |"
        );
        assert_eq!(
            lines.nth(1).unwrap(),
            "| speed  | 1.20    | 1.00 … 1.40 | 3      | ≤ 1.15 | MISSED |"
        );
        assert!(lines.next().unwrap().contains("57.0 µs"));
        assert_eq!(summary(&figures), "0 goals are met, 1 MISSED:\n  speed");
        assert_eq!(summary(&figures[1..]), "All 0 goals are met.");
    }
}
