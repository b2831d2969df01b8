//! What came of a run: a table for people, JSON and JUnit XML for machines.

use std::fmt::{self, Write};

use atlas_core::{Money, ProviderId};
use serde::Serialize;

/// What came of one case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "outcome", content = "why")]
#[non_exhaustive]
pub enum Outcome {
    /// The promise holds.
    Passed,
    /// The promise is broken.
    Failed(String),
    /// The means to prove it are lacking.
    NotProvable(String),
    /// It does not apply to what the provider declares.
    NotApplicable,
    /// It would have cost more than may be spent.
    TooDear,
}

impl Outcome {
    fn word(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed(_) => "FAILED",
            Self::NotProvable(_) => "not provable",
            Self::NotApplicable => "not applicable",
            Self::TooDear => "too dear",
        }
    }

    fn why(&self) -> Option<&str> {
        match self {
            Self::Failed(why) | Self::NotProvable(why) => Some(why),
            Self::Passed | Self::NotApplicable | Self::TooDear => None,
        }
    }
}

/// One case, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Row {
    /// The case.
    pub case: &'static str,
    /// Its promise.
    pub promise: &'static str,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What came of a run. Shown as a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The account.
    pub provider: ProviderId,
    /// The cases, in the order of the table.
    pub rows: Vec<Row>,
    /// What it cost, in dollars, as far as the provider says its prices.
    pub spent: Money,
    /// What could not be ended, in words.
    pub left: Vec<String>,
}

impl Report {
    pub(crate) fn new(provider: &ProviderId) -> Self {
        Self { provider: provider.clone(), rows: Vec::new(), spent: Money::ZERO, left: Vec::new() }
    }

    /// Whether no promise is broken and nothing is left.
    pub fn holds(&self) -> bool {
        self.left.is_empty() && !self.rows.iter().any(|row| matches!(row.outcome, Outcome::Failed(_)))
    }

    /// The names of the cases that failed.
    pub fn failed(&self) -> Vec<&'static str> {
        self.rows.iter().filter(|row| matches!(row.outcome, Outcome::Failed(_))).map(|row| row.case).collect()
    }

    /// As JUnit XML, which build servers read.
    pub fn to_junit(&self) -> String {
        let count = |wanted: fn(&Outcome) -> bool| self.rows.iter().filter(|row| wanted(&row.outcome)).count();
        let failures = count(|outcome| matches!(outcome, Outcome::Failed(_)));
        let skipped = count(|outcome| !matches!(outcome, Outcome::Failed(_) | Outcome::Passed));
        let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        let _ = writeln!(
            xml,
            "<testsuite name=\"conformance of {}\" tests=\"{}\" failures=\"{failures}\" skipped=\"{skipped}\">",
            escaped(self.provider.as_str()),
            self.rows.len()
        );
        for row in &self.rows {
            let name = escaped(row.case);
            let _ = match &row.outcome {
                Outcome::Passed => writeln!(xml, "  <testcase name=\"{name}\"/>"),
                Outcome::Failed(why) => writeln!(
                    xml,
                    "  <testcase name=\"{name}\"><failure message=\"{}\">{}</failure></testcase>",
                    escaped(row.promise),
                    escaped(why)
                ),
                other => {
                    let why = other.why().unwrap_or_else(|| other.word());
                    writeln!(xml, "  <testcase name=\"{name}\"><skipped message=\"{}\"/></testcase>", escaped(why))
                }
            };
        }
        for left in &self.left {
            let _ = writeln!(xml, "  <system-err>{}</system-err>", escaped(left));
        }
        xml.push_str("</testsuite>\n");
        xml
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.rows.iter().map(|row| row.case.len()).max().unwrap_or(0);
        for row in &self.rows {
            match row.outcome.why() {
                Some(why) => writeln!(formatter, "{:width$}  {:14}  {why}", row.case, row.outcome.word())?,
                None => writeln!(formatter, "{:width$}  {}", row.case, row.outcome.word())?,
            }
            if let Outcome::Failed(_) = row.outcome {
                writeln!(formatter, "{:width$}  promised: {}", "", row.promise)?;
            }
        }
        for left in &self.left {
            writeln!(formatter, "LEFT: {left}")?;
        }
        let count = |word: &str| self.rows.iter().filter(|row| row.outcome.word() == word).count();
        writeln!(
            formatter,
            "{}: {} passed, {} failed, {} not provable, {} not applicable, {} too dear; {} dollars spent",
            self.provider,
            count("passed"),
            count("FAILED"),
            count("not provable"),
            count("not applicable"),
            count("too dear"),
            self.spent
        )
    }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            // XML has no word for these, not even an escaped one.
            other if other.is_control() && !matches!(other, '\n' | '\t') => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    //! The three forms of a report.

    use super::*;

    fn report() -> Report {
        let mut report = Report::new(&ProviderId::parse("mine").unwrap());
        let row = |case, outcome| Row { case, promise: "it is <so>", outcome };
        report.rows = vec![
            row("life/a", Outcome::Passed),
            row("life/bb", Outcome::Failed("it was \"not\"\u{1b}[2J".to_owned())),
            row("mark/c", Outcome::NotProvable("no means".to_owned())),
            row("mark/d", Outcome::NotApplicable),
            row("mark/e", Outcome::TooDear),
        ];
        report.left = vec!["machine m1 is left".to_owned()];
        report
    }

    #[test]
    fn as_a_table() {
        insta::assert_snapshot!(report().to_string().replace('\u{1b}', "^"));
        assert!(!report().holds());
        assert_eq!(report().failed(), ["life/bb"]);
    }

    #[test]
    fn as_junit() {
        insta::assert_snapshot!(report().to_junit());
    }

    #[test]
    fn as_json() {
        insta::assert_json_snapshot!(report());
    }
}
