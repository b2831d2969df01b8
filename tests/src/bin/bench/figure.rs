//! A figure beside its goal, and how figures are shown.

use serde_json::{Value, json};

/// What a figure shall be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    AtMost(f64),
    AtLeast(f64),
}

/// One figure.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    /// What was measured.
    pub(crate) what: &'static str,
    pub(crate) goal: Goal,
    pub(crate) value: f64,
    /// `×` for a ratio.
    pub(crate) unit: &'static str,
    /// What stands behind the figure.
    pub(crate) detail: String,
}

impl Figure {
    fn is_met(&self) -> bool {
        match self.goal {
            Goal::AtMost(most) => self.value <= most,
            Goal::AtLeast(least) => self.value >= least,
        }
    }

    fn verdict(&self) -> &'static str {
        if self.is_met() { "met" } else { "missed" }
    }

    fn goal(&self) -> String {
        match self.goal {
            Goal::AtMost(most) => format!("≤ {}", self.number(most)),
            Goal::AtLeast(least) => format!("≥ {}", self.number(least)),
        }
    }

    fn number(&self, number: f64) -> String {
        let text = if number.abs() >= 100.0 || number.fract().abs() < f64::EPSILON {
            format!("{number:.0}")
        } else {
            format!("{number:.2}")
        };
        if self.unit == "×" { format!("{text}×") } else { format!("{text} {}", self.unit).trim_end().to_owned() }
    }

    /// All of them for a person.
    pub(crate) fn table(figures: &[Self]) -> String {
        let head = ["what", "goal", "figure", "", "behind it"].map(str::to_owned);
        let mut rows = vec![head];
        rows.extend(figures.iter().map(|figure| {
            let what = figure.what.to_owned();
            [what, figure.goal(), figure.number(figure.value), figure.verdict().to_owned(), figure.detail.clone()]
        }));
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths = [0, 1, 2, 3].map(width);
        let lines = rows.iter().map(|row| {
            let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
            format!("{}  {}", cells.collect::<Vec<_>>().join("  "), row[4])
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// All of them for a program.
    pub(crate) fn json(figures: &[Self]) -> String {
        let figures: Vec<Value> = figures
            .iter()
            .map(|figure| {
                let (bound, goal) = match figure.goal {
                    Goal::AtMost(most) => ("at_most", most),
                    Goal::AtLeast(least) => ("at_least", least),
                };
                json!({
                    "what": figure.what,
                    bound: goal,
                    "figure": figure.value,
                    "unit": figure.unit,
                    "met": figure.is_met(),
                    "behind_it": figure.detail,
                })
            })
            .collect();
        json!({ "figures": figures }).to_string()
    }
}
