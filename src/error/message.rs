//! The words of an error: one line, the path first, without characters that a terminal would act on. Memory for them
//! may be refused.

use std::ffi::CStr;
use std::fmt::{self, Display, Write};
use std::io;

/// Separates the path from the cause.
const AFTER_PATH: &str = ": ";
/// Stands for text that was left out.
pub(super) const ELLIPSIS: &str = "\u{2026}";
/// The most bytes of a cause with its advice, so that both fit into the message of the C interface. Names in a cause
/// are [`Brief`], and its other text is short.
const CAUSE_BYTES_MAX: usize = 479;
/// How many bytes of a name a cause shows.
const BRIEF_BYTES: usize = 60;
/// How many bytes of a reason that is not the operating system's a cause shows.
const REASON_BYTES: usize = 120;

/// A name in a cause. Of a long name only the end is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Brief<'a>(pub &'a str);

impl Display for Brief<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut end_shown_bytes = 0;
        let is_shown = |letter: &char| {
            end_shown_bytes += shown_bytes(*letter);
            end_shown_bytes <= BRIEF_BYTES
        };
        let end_bytes: usize = self.0.chars().rev().take_while(is_shown).map(char::len_utf8).sum();
        let left_out = self.0.len() - end_bytes;
        f.write_str(if left_out > 0 { ELLIPSIS } else { "" })?;
        f.write_str(&self.0[left_out..])
    }
}

/// A message that is being written. Memory for it may be refused; control characters in it are escaped.
#[derive(Debug, Default)]
pub(super) struct Line {
    pub(super) text: String,
    /// How much of the text is the path that it begins with.
    pub(super) path_bytes: usize,
}

impl Line {
    /// The part of the text after the path.
    pub(super) fn cause(&self) -> &str {
        let rest = &self.text[self.path_bytes..];
        rest.strip_prefix(AFTER_PATH).unwrap_or(rest)
    }
}

/// The message about `path`, which may be empty, with `cause`.
pub(super) fn line(path: impl Display, cause: fmt::Arguments<'_>) -> Result<Line, fmt::Error> {
    let mut line = Line::default();
    write!(line, "{path}")?;
    line.path_bytes = line.text.len();
    if line.path_bytes > 0 {
        line.write_str(AFTER_PATH)?;
    }
    let cause = Shortened { text: cause, limit_bytes: CAUSE_BYTES_MAX };
    // The library's own causes fit, and its tests see to that. Programs in Rust word errors of their own.
    assert!(cause.fits() || !cfg!(any(test, feature = "simulated")), "too long a cause: {cause}");
    write!(line, "{cause}")?;
    Ok(line)
}

impl fmt::Write for Line {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        for piece in part.split_inclusive(is_control) {
            let escaped = piece.chars().next_back().filter(|last| is_control(*last));
            let plain = escaped.map_or(piece, |last| &piece[..piece.len() - last.len_utf8()]);
            let escape = escaped.map(char::escape_default).into_iter().flatten();
            self.text.try_reserve(plain.len() + escape.clone().count()).map_err(|_| fmt::Error)?;
            self.text.push_str(plain);
            self.text.extend(escape);
        }
        Ok(())
    }
}

/// Whether a terminal may take `letter` for something other than a letter: it moves, colours, breaks or reorders what
/// it shows.
fn is_control(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// How many bytes of a message `letter` takes.
fn shown_bytes(letter: char) -> usize {
    if is_control(letter) { letter.escape_default().len() } else { letter.len_utf8() }
}

/// Text with `\xNN` for each byte that is not UTF-8.
pub(super) struct Bytewise<'a>(pub &'a [u8]);

impl Display for Bytewise<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            f.write_str(chunk.valid())?;
            chunk.invalid().iter().try_for_each(|byte| write!(f, "\\x{byte:02x}"))?;
        }
        Ok(())
    }
}

/// Words of others. A message shows at most `limit_bytes` of them: if they take more, their beginning and an ellipsis.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shortened<T> {
    pub text: T,
    pub limit_bytes: usize,
}

impl<T: Display> Shortened<T> {
    fn fits(&self) -> bool {
        self.beginning(&mut Nowhere, self.limit_bytes).is_ok_and(|is_whole| is_whole)
    }

    /// Writes the text as far as it takes no more than `limit_bytes`; returns whether that was all of it.
    fn beginning(&self, to: &mut dyn fmt::Write, limit_bytes: usize) -> Result<bool, fmt::Error> {
        let mut beginning = Beginning { to, left_bytes: Some(limit_bytes) };
        write!(beginning, "{}", self.text)?;
        Ok(beginning.left_bytes.is_some())
    }
}

impl<T: Display> Display for Shortened<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.fits() {
            return write!(f, "{}", self.text);
        }
        self.beginning(f, self.limit_bytes - ELLIPSIS.len())?;
        f.write_str(ELLIPSIS)
    }
}

/// Passes on what is written, up to the first letter for which a message has no room left.
struct Beginning<'a> {
    to: &'a mut dyn fmt::Write,
    /// `None` after that letter.
    left_bytes: Option<usize>,
}

impl fmt::Write for Beginning<'_> {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        for letter in part.chars() {
            self.left_bytes = self.left_bytes.and_then(|left_bytes| left_bytes.checked_sub(shown_bytes(letter)));
            if self.left_bytes.is_none() {
                break;
            }
            self.to.write_char(letter)?;
        }
        Ok(())
    }
}

/// Forgets what is written.
struct Nowhere;

impl fmt::Write for Nowhere {
    fn write_str(&mut self, _: &str) -> fmt::Result {
        Ok(())
    }
}

/// The operating system's description of an error. `io::Error` would have to allocate memory for it.
pub(crate) struct Reason<'a>(pub &'a io::Error);

impl Display for Reason<'_> {
    #[allow(unsafe_code, reason = "strerror_r")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(number) = self.0.raw_os_error() else {
            return Shortened { text: self.0, limit_bytes: REASON_BYTES }.fmt(f);
        };
        let mut text = [0_u8; 128];
        // SAFETY: the buffer is writable for its whole length. The function ends what it writes there with a NUL, even
        // for an unknown number, which is its only reason to fail.
        unsafe { libc::strerror_r(number, text.as_mut_ptr().cast(), text.len()) };
        let text = CStr::from_bytes_until_nul(&text).map_or(&[][..], CStr::to_bytes);
        write!(f, "{} (os error {number})", Bytewise(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_a_cause_are_brief() {
        assert_eq!(Brief("a.wal").to_string(), "a.wal");
        let long = format!("{}\u{e4}{}.wal", "n".repeat(100), "m".repeat(55));
        assert_eq!(Brief(&long).to_string(), format!("\u{2026}{}.wal", "m".repeat(55)));
        let escaped = "\u{202e}".repeat(60);
        assert_eq!(
            Brief(&escaped).to_string(),
            format!("\u{2026}{}", "\u{202e}".repeat(7)),
            "8 bytes each in a message"
        );
    }

    #[test]
    fn foreign_words_are_cut() {
        let shortened = |text: &str, limit_bytes| Shortened { text: text.to_owned(), limit_bytes }.to_string();
        assert_eq!(shortened("three \u{e4}\u{e4}", 10), "three \u{e4}\u{e4}");
        assert_eq!(shortened("three \u{e4}\u{e4}\u{e4}", 11), "three \u{e4}\u{2026}", "cut between two letters");
        assert_eq!(shortened("\n\n\n\n", 8), "\n\n\n\n");
        assert_eq!(shortened("\n\n\n\n\n", 8), "\n\n\u{2026}", "a message shows two bytes of each");
        let reason = |text: String| Reason(&io::Error::other(text)).to_string();
        assert_eq!(reason("x".repeat(120)), "x".repeat(120));
        assert_eq!(reason("x".repeat(600)), format!("{}\u{2026}", "x".repeat(117)));
    }
}
