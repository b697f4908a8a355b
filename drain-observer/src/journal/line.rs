//! Lines of bounded length from untrusted input.

use std::io::{self, BufRead};

/// No line of a journal is longer.
pub(super) const MAX: usize = 1 << 20;

/// What came before the next newline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A line with its end; it is in the buffer, without the newline.
    Whole,
    /// What follows the last newline of the input; it is in the buffer.
    Tail,
    /// More than [`MAX`] bytes; skipped up to and including its newline.
    TooLong,
    /// Nothing is left.
    End,
}

/// Reads up to the next newline into `buffer`, never keeping more than [`MAX`] bytes. Adds what it consumed to `bytes`.
pub(super) fn read(input: &mut impl BufRead, buffer: &mut Vec<u8>, bytes: &mut u64) -> io::Result<Line> {
    buffer.clear();
    let mut too_long = false;
    let mut started = false;
    loop {
        let available = match input.fill_buf() {
            Ok(available) => available,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if available.is_empty() {
            return Ok(match (started, too_long) {
                (false, _) => Line::End,
                (true, true) => Line::TooLong,
                (true, false) => Line::Tail,
            });
        }
        started = true;
        let newline = available.iter().position(|byte| *byte == b'\n');
        let part = &available[..newline.unwrap_or(available.len())];
        too_long |= buffer.len() + part.len() > MAX;
        if too_long {
            buffer.clear();
        } else {
            buffer.extend_from_slice(part);
        }
        let consumed = part.len() + usize::from(newline.is_some());
        input.consume(consumed);
        *bytes = bytes.saturating_add(consumed as u64);
        if newline.is_some() {
            return Ok(if too_long { Line::TooLong } else { Line::Whole });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufReader;

    fn lines(input: &[u8], capacity: usize) -> (Vec<(Line, usize)>, u64) {
        let mut input = BufReader::with_capacity(capacity, input);
        let (mut buffer, mut bytes, mut seen) = (Vec::new(), 0, Vec::new());
        loop {
            let line = read(&mut input, &mut buffer, &mut bytes).expect("a slice can be read");
            if line == Line::End {
                return (seen, bytes);
            }
            seen.push((line, buffer.len()));
            assert!(buffer.capacity() <= 2 * MAX, "{} bytes were kept", buffer.capacity());
        }
    }

    #[test]
    fn lines_are_bounded() {
        let mut input = b"one\n\n".to_vec();
        input.extend(std::iter::repeat_n(b'x', 3 * MAX));
        input.extend(b"\nlast\ntail");
        let expected =
            [(Line::Whole, 3), (Line::Whole, 0), (Line::TooLong, 0), (Line::Whole, 4), (Line::Tail, 4)];
        for capacity in [1 << 12, 1 << 16, 1 << 23] {
            let (seen, bytes) = lines(&input, capacity);
            assert_eq!(seen, expected);
            assert_eq!(bytes, input.len() as u64);
        }
        assert_eq!(lines(b"", 8).0, []);
        assert_eq!(lines(&vec![b'x'; MAX + 1], 1 << 16).0, [(Line::TooLong, 0)]);
        assert_eq!(lines(&vec![b'x'; MAX], 1 << 16).0, [(Line::Tail, MAX)]);
    }
}
