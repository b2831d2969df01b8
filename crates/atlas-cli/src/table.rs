//! Aligned tables. Widths are counted in characters; the last column is never padded.

use std::fmt::Write;

/// Columns by name, and rows.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table with these columns.
    pub(crate) fn new(head: &[&'static str]) -> Self {
        Self { head: head.to_vec(), rows: Vec::new() }
    }

    /// Adds a row; an empty cell is shown as `-`.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let shown = |cell: String| if cell.is_empty() { "-".to_owned() } else { one_line(&cell) };
        self.rows.push(cells.into_iter().map(shown).collect());
    }

    /// Whether it has no rows.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The text, a line for each row.
    pub(crate) fn render(&self, bold_head: bool) -> String {
        let widths: Vec<usize> = (0..self.head.len())
            .map(|column| {
                let cells = self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
                cells.chain([self.head[column].len()]).max().unwrap_or(0)
            })
            .collect();
        let mut head = String::new();
        line(&mut head, self.head.iter().copied(), &widths);
        let mut text = if bold_head { format!("\x1b[1m{}\x1b[0m\n", head.trim_end()) } else { head };
        for row in &self.rows {
            line(&mut text, row.iter().map(String::as_str), &widths);
        }
        text
    }
}

/// Lines of a name and a value each, aligned.
pub(crate) fn pairs(pairs: &[(&str, String)]) -> String {
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    pairs.iter().fold(String::new(), |mut text, (name, value)| {
        let _ = writeln!(text, "{name:width$}  {}", one_line(value));
        text
    })
}

fn line<'a>(text: &mut String, cells: impl Iterator<Item = &'a str>, widths: &[usize]) {
    let last = widths.len().saturating_sub(1);
    for (column, cell) in cells.enumerate() {
        if column == last {
            text.push_str(cell);
        } else {
            let _ = write!(text, "{cell:width$}  ", width = widths[column]);
        }
    }
    text.push('\n');
}

/// A cloud's text may hold anything; a terminal would obey it.
fn one_line(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    //! Columns line up, whatever is in them.

    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(&["ID", "NAME", "STATUS"]);
        table.row(["a".to_owned(), "größer als sonst".to_owned(), "running".to_owned()]);
        table.row(["abcdef".to_owned(), String::new(), "stopped\x1b[2J".to_owned()]);
        insta::assert_snapshot!(table.render(false), @"
        ID      NAME              STATUS
        a       größer als sonst  running
        abcdef  -                 stopped [2J
        ");
    }

    #[test]
    fn pairs_line_up() {
        insta::assert_snapshot!(pairs(&[("id", "x".to_owned()), ("status", "running".to_owned())]), @"
        id      x
        status  running
        ");
    }
}
