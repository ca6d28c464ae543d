//! Lines that have code, and whether they were run.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// By file, relative to the root: the lines that have code, each with whether it was run.
#[derive(Debug, Default, PartialEq)]
pub struct Lines(BTreeMap<String, BTreeMap<u32, bool>>);

impl Lines {
    /// Notes a line; one that was run anywhere was run.
    pub fn note(&mut self, file: &str, line: u32, run: bool) {
        if line == 0 {
            return; // code that the compiler made up
        }
        let file = match self.0.get_mut(file) {
            Some(file) => file,
            None => self.0.entry(file.to_owned()).or_default(),
        };
        *file.entry(line).or_default() |= run;
    }

    /// Takes another's files in.
    pub fn extend(&mut self, other: Self) {
        for (file, lines) in other.0 {
            for (line, run) in lines {
                self.note(&file, line, run);
            }
        }
    }

    /// Keeps the lines for which `keep` says so.
    pub fn retain(&mut self, keep: impl Fn(&str, u32) -> bool) {
        for (file, lines) in &mut self.0 {
            lines.retain(|line, _| keep(file, *line));
        }
        self.0.retain(|_, lines| !lines.is_empty());
    }

    /// The files in order.
    pub fn files(&self) -> impl Iterator<Item = (&str, Count)> {
        self.0.iter().map(|(file, lines)| (file.as_str(), Count::of(lines)))
    }

    /// The lines of a file that were not run.
    pub fn not_run(&self, file: &str) -> Vec<u32> {
        self.0.get(file).into_iter().flatten().filter(|(_, run)| !**run).map(|(line, _)| *line).collect()
    }

    /// The lines of a file that were not run, neighbours together: lines without code between two of them count as such.
    pub fn missed(&self, file: &str) -> Vec<RangeInclusive<u32>> {
        let mut ranges: Vec<RangeInclusive<u32>> = Vec::new();
        let mut open = false;
        for (line, run) in self.0.get(file).into_iter().flatten() {
            match ranges.last_mut().filter(|_| open && !run) {
                Some(last) => *last = *last.start()..=*line,
                None if !run => ranges.push(*line..=*line),
                None => {}
            }
            open = !run;
        }
        ranges
    }
}

/// How many lines have code, and how many of them were run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Count {
    /// Lines with code.
    pub lines: usize,
    /// Those that were run.
    pub run: usize,
}

impl Count {
    fn of(lines: &BTreeMap<u32, bool>) -> Self {
        Self { lines: lines.len(), run: lines.values().filter(|run| **run).count() }
    }

    /// Both together.
    pub fn plus(self, other: Self) -> Self {
        Self { lines: self.lines + other.lines, run: self.run + other.run }
    }

    /// The part that was run in tenths of a per cent, rounded down: only all is all.
    pub fn permille(self) -> usize {
        if self.lines == 0 { 1_000 } else { self.run * 1_000 / self.lines }
    }
}

/// The first line of a file's unit tests; their lines are no lines of the product.
pub fn first_test_line(text: &str) -> Option<u32> {
    let at = text.lines().position(|line| line.starts_with("#[cfg(test)]"))?;
    u32::try_from(at + 1).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(runs: &[(u32, bool)]) -> Lines {
        let mut lines = Lines::default();
        for (line, run) in runs {
            lines.note("a.rs", *line, *run);
        }
        lines
    }

    #[test]
    fn a_line_that_was_run_once_was_run() {
        let lines = lines(&[(3, false), (3, true), (3, false), (0, true), (4, false)]);
        assert_eq!(lines.files().collect::<Vec<_>>(), [("a.rs", Count { lines: 2, run: 1 })]);
    }

    #[test]
    fn missed_lines_with_no_code_between_them_are_one_range() {
        let lines = lines(&[(1, true), (2, false), (5, false), (6, true), (7, false), (9, true), (12, false)]);
        assert_eq!(lines.missed("a.rs"), [2..=5, 7..=7, 12..=12]);
        assert_eq!(lines.missed("b.rs"), []);
    }

    #[test]
    fn only_all_lines_are_a_hundred_per_cent() {
        assert_eq!(Count { lines: 1_999, run: 1_998 }.permille(), 999);
        assert_eq!(Count { lines: 2, run: 2 }.permille(), 1_000);
        assert_eq!(Count::default().permille(), 1_000);
    }

    #[test]
    fn unit_tests_begin_where_their_attribute_stands_at_the_margin() {
        assert_eq!(first_test_line("a\n    #[cfg(test)]\n#[cfg(test)]\nmod tests {\n"), Some(3));
        assert_eq!(first_test_line("a\n"), None);
    }
}
