//! What a container writes, as it may be shown: it could steer the terminal, and it comes from a stranger's machine.

use anstyle_parse::{DefaultCharAccumulator, Params, Parser, Perform};

/// A line as a terminal would show it in the end: of a progress bar the last state. Escape sequences are left out whole, and so is
/// everything else that steers a terminal.
pub(crate) fn printable(line: &str) -> String {
    shown(line, false)
}

/// The same, with colours and other styles of text where `styles` is set; they end with the line.
pub(crate) fn shown(line: &str, styles: bool) -> String {
    let mut screen =
        Screen { text: String::with_capacity(line.len()), styles, styled: false, returned: false, floor: 0 };
    let mut parser = Parser::<DefaultCharAccumulator>::new();
    line.bytes().for_each(|byte| parser.advance(&mut screen, byte));
    if screen.styled {
        screen.text.push_str("\u{1b}[0m");
    }
    screen.text
}

struct Screen {
    text: String,
    styles: bool,
    styled: bool,
    /// The cursor is at the beginning of the line: what comes next is written over what is there.
    returned: bool,
    /// Where the last style ends: what erases characters stops there.
    floor: usize,
}

impl Screen {
    fn write(&mut self, text: &str) {
        if std::mem::take(&mut self.returned) {
            self.text.clear();
            self.floor = 0;
        }
        self.text.push_str(text);
    }
}

impl Perform for Screen {
    fn print(&mut self, c: char) {
        // Among these are the marks that turn the direction of writing.
        let steers =
            c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        let mut bytes = [0; 4];
        self.write(if steers { "\u{fffd}" } else { c.encode_utf8(&mut bytes) });
    }

    fn execute(&mut self, byte: u8) {
        match byte {
            b'\r' => self.returned = true,
            b'\t' => self.write("\t"),
            // A bell, and what erases the character before.
            0x07 => {}
            0x08 if self.text.len() > self.floor => {
                self.text.pop();
            }
            0x08 => {}
            _ => self.write("\u{fffd}"),
        }
    }

    fn csi_dispatch(&mut self, params: &Params, intermediates: &[u8], ignore: bool, action: u8) {
        if action != b'm' || !self.styles || ignore || !intermediates.is_empty() {
            return;
        }
        let part = |part: &[u16]| part.iter().map(u16::to_string).collect::<Vec<_>>().join(":");
        let params: Vec<String> = params.iter().map(part).collect();
        self.write(&format!("\u{1b}[{}m", params.join(";")));
        (self.styled, self.floor) = (true, self.text.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report13_of_a_progress_bar_the_last_state_is_shown() {
        let bar: String = (0..=100).map(|n| format!("\r{n:3}%|##")).collect();
        assert_eq!(printable(&bar), "100%|##");
        assert_eq!(printable("done\r"), "done", "lines of another system end so");
        assert_eq!(printable("12\u{8}3"), "13");
    }

    #[test]
    fn report13_colours_stay_on_a_terminal_and_end_with_their_line() {
        let red = "\u{1b}[31mred\u{1b}[0m plain \u{1b}[38;5;208mo\u{1b}[38:2::1:2:3mx";
        assert_eq!(shown(red, true), "\u{1b}[31mred\u{1b}[0m plain \u{1b}[38;5;208mo\u{1b}[38:2:0:1:2:3mx\u{1b}[0m");
        assert_eq!(shown(red, false), "red plain ox");
        assert_eq!(shown("plain", true), "plain");
    }

    #[test]
    fn threat_08_nothing_of_a_line_steers_the_terminal() {
        for (line, seen) in [
            ("\u{1b}]0;title\u{7}text", "text"),
            ("\u{1b}]52;c;ZXZpbA==\u{1b}\\text", "text"),
            ("\u{1b}[2J\u{1b}[H\u{1b}[?1049htext", "text"),
            ("\u{1b}P$q\u{1b}\\text\u{1b}c", "text"),
            ("a\u{0}b\u{9b}31mc\ttab", "a\u{fffd}b\u{fffd}31mc\ttab"),
            ("abc\u{202e}def", "abc\u{fffd}def"),
            ("ends in \u{1b}[31", "ends in "),
            ("abc\u{8}\u{8}\u{8}\u{8}", ""),
        ] {
            for styles in [false, true] {
                assert_eq!(shown(line, styles), seen, "{line:?}");
            }
        }
    }

    #[test]
    fn threat_08_what_erases_characters_does_not_cut_a_style_open() {
        assert_eq!(shown("\u{1b}[2m\u{8}J", true), "\u{1b}[2mJ\u{1b}[0m");
        assert_eq!(shown("x\u{1b}[m\u{8}\u{8}\u{8}]52;c;x", true), "x\u{1b}[0m]52;c;x\u{1b}[0m");
    }

    proptest::proptest! {
        #[test]
        fn threat_08_no_line_at_all_leaves_a_control_character_but_tabs(line in "(\\PC|\u{1b}|\\[|\r|[0-9;:m]|\u{9b}|\u{7}|\u{8})*") {
            let plain = printable(&line);
            assert!(!plain.chars().any(|c| c.is_control() && c != '\t'), "{line:?} {plain:?}");
            let styled = shown(&line, true);
            for part in styled.split('\u{1b}').skip(1) {
                let end = part.find('m').expect("a style ends");
                assert!(part.starts_with('[') && part[1..end].chars().all(|c| "0123456789;:".contains(c)), "{line:?} {styled:?}");
            }
        }
    }
}
