//! Enough of HTTP/1.1 to know when a response is whole.

/// Longest head or chunk line accepted; test servers stay far below.
const MAX_LINE: usize = 64 * 1024;

/// A response as it arrives.
#[derive(Debug)]
pub(super) struct Response {
    state: State,
    line: Vec<u8>,
    body: Body,
    close: bool,
    interim: bool,
    started: bool,
    status: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In the status line, with nothing of it read or a part.
    Status,
    Headers,
    /// In a body, with so many bytes to come.
    Data(u64),
    UntilClose,
    ChunkSize,
    /// In a chunk, its line end included.
    ChunkData(u64),
    Trailers,
    Complete,
    Broken,
}

#[derive(Debug, Clone, Copy)]
enum Body {
    None,
    Length(u64),
    Chunked,
    UntilClose,
}

impl Response {
    pub(super) fn new() -> Self {
        Self {
            state: State::Status,
            line: Vec::new(),
            body: Body::UntilClose,
            close: false,
            interim: false,
            started: false,
            status: 0,
        }
    }

    /// Takes the next bytes; what follows the response's end is ignored.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            self.started = true;
            match self.state {
                State::Complete | State::UntilClose | State::Broken => return,
                State::Data(left) | State::ChunkData(left) => {
                    let taken = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    bytes = &bytes[taken..];
                    self.consumed(left - taken as u64);
                }
                State::Status | State::Headers | State::ChunkSize | State::Trailers => {
                    let end = bytes.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
                    let (part, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
                    self.line.extend_from_slice(part);
                    bytes = rest;
                    if end.is_some() {
                        let line = std::mem::take(&mut self.line);
                        self.line(String::from_utf8_lossy(&line).trim_end());
                    } else if self.line.len() > MAX_LINE {
                        self.state = State::Broken;
                    }
                }
            }
        }
    }

    /// The server's end of stream, which is the end of a response that has no other.
    pub(super) fn end_of_stream(&mut self) {
        if self.state == State::UntilClose {
            self.state = State::Complete;
        }
    }

    pub(super) fn complete(&self) -> bool {
        self.state == State::Complete
    }

    /// Whether any byte of it has come.
    pub(super) fn started(&self) -> bool {
        self.started
    }

    /// Whether the server said that it closes after this response.
    pub(super) fn closes(&self) -> bool {
        self.close
    }

    /// Whether the server said that it, or one behind it, failed: a status of 500 or more.
    pub(super) fn is_error(&self) -> bool {
        self.status >= 500
    }

    fn consumed(&mut self, left: u64) {
        self.state = match self.state {
            State::Data(_) if left == 0 => State::Complete,
            State::Data(_) => State::Data(left),
            _ if left == 0 => State::ChunkSize,
            _ => State::ChunkData(left),
        };
    }

    fn line(&mut self, line: &str) {
        self.state = match self.state {
            State::Status => self.status(line),
            State::Headers if line.is_empty() => self.head_done(),
            State::Headers => {
                self.header(line);
                State::Headers
            }
            State::ChunkSize => match u64::from_str_radix(line.split(';').next().unwrap_or("").trim(), 16) {
                Ok(0) => State::Trailers,
                Ok(size) => State::ChunkData(size.saturating_add(2)),
                Err(_) => State::Broken,
            },
            State::Trailers if line.is_empty() => State::Complete,
            other => other,
        };
    }

    fn status(&mut self, line: &str) -> State {
        let mut words = line.split(' ');
        let version = words.next().unwrap_or_default();
        let Some(status) = words.next().and_then(|word| word.parse::<u16>().ok()) else {
            return State::Broken;
        };
        if !version.starts_with("HTTP/1.") {
            return State::Broken;
        }
        self.status = status;
        self.interim = (100..200).contains(&status);
        self.close = version == "HTTP/1.0";
        self.body =
            if self.interim || status == 204 || status == 304 { Body::None } else { Body::UntilClose };
        State::Headers
    }

    fn header(&mut self, line: &str) {
        let Some((name, value)) = line.split_once(':') else { return };
        let value = value.trim().to_ascii_lowercase();
        match (name.trim().to_ascii_lowercase().as_str(), self.body) {
            ("connection", _) => {
                self.close = value.contains("close") || self.close && !value.contains("keep-alive")
            }
            ("transfer-encoding", Body::UntilClose | Body::Length(_)) if value.contains("chunked") => {
                self.body = Body::Chunked;
            }
            ("content-length", Body::UntilClose) => {
                if let Ok(length) = value.parse() {
                    self.body = Body::Length(length);
                }
            }
            _ => {}
        }
    }

    fn head_done(&self) -> State {
        match self.body {
            // The real response follows an interim one.
            Body::None if self.interim => State::Status,
            Body::None | Body::Length(0) => State::Complete,
            Body::Length(length) => State::Data(length),
            Body::Chunked => State::ChunkSize,
            Body::UntilClose => State::UntilClose,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds byte by byte and tells after how many the response was whole.
    fn whole_after(text: &str) -> Option<usize> {
        let mut response = Response::new();
        for (index, byte) in text.bytes().enumerate() {
            response.feed(&[byte]);
            if response.complete() {
                return Some(index + 1);
            }
        }
        None
    }

    #[test]
    fn knows_the_end_of_each_kind_of_body() {
        let length = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        assert_eq!(whole_after(length), Some(length.len()));
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
        assert_eq!(whole_after(chunked), Some(chunked.len()));
        let empty = "HTTP/1.1 204 No Content\r\n\r\n";
        assert_eq!(whole_after(empty), Some(empty.len()));
        let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(whole_after(interim), Some(interim.len()));
        for text in [length, chunked, interim] {
            assert_eq!(whole_after(&text[..text.len() - 1]), None);
            let mut at_once = Response::new();
            at_once.feed(text.as_bytes());
            assert!(at_once.complete());
        }
    }

    #[test]
    fn only_the_end_of_stream_ends_a_body_without_length() {
        let mut response = Response::new();
        response.feed(b"HTTP/1.0 200 OK\r\n\r\nhello");
        assert!(!response.complete() && response.started() && response.closes());
        response.end_of_stream();
        assert!(response.complete());
        let mut cut = Response::new();
        cut.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel");
        cut.end_of_stream();
        assert!(!cut.complete());
    }

    #[test]
    fn errors_are_told_from_answers() {
        for (status, error) in [(200, false), (404, false), (502, true)] {
            let mut response = Response::new();
            response.feed(format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n").as_bytes());
            assert!(response.complete() && response.is_error() == error, "{status}");
        }
    }

    #[test]
    fn nonsense_is_never_whole() {
        assert_eq!(whole_after("SSH-2.0-OpenSSH\r\n\r\n"), None);
        assert_eq!(whole_after("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"), None);
    }
}
