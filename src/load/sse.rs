//! Server-sent events from bytes, however the bytes were cut (pure).
//!
//! Follows the WHATWG event stream grammar: LF, CRLF and CR end a line, a byte
//! order mark is skipped, `data` lines are joined, comments are dropped, one
//! space after the colon is optional. Works on bytes, so a character split over
//! two reads is never looked at in halves. Two deviations, both for servers that
//! exist: [`Parser::finish`] hands out an event that lacks its blank line, and an
//! `error: …` line (older llama.cpp) counts as an event named `error`.

use std::mem;

/// Longest event kept. Token events are below 1 kB, tool arguments and log
/// probabilities tens of kB; more is a server gone wrong, not a token.
pub const EVENT_BYTES_MAX: usize = 1 << 20;

/// One event; `name` is empty where the stream gave none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event<'a> {
    pub name: &'a [u8],
    pub data: &'a [u8],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event of the stream is longer than {EVENT_BYTES_MAX} bytes")]
pub struct TooLong;

/// Parses one stream; its buffers are reused, so a steady stream allocates nothing.
#[derive(Debug, Default)]
pub struct Parser {
    /// The start of a line whose end has not arrived.
    line: Vec<u8>,
    name: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    /// The last byte was a CR: a LF that follows belongs to it.
    after_cr: bool,
    past_first_line: bool,
}

impl Parser {
    /// Takes the next bytes and hands out every event that they complete.
    pub fn feed(
        &mut self,
        mut bytes: &[u8],
        mut on_event: impl FnMut(Event<'_>),
    ) -> Result<(), TooLong> {
        while let Some(&first) = bytes.first() {
            if mem::take(&mut self.after_cr) && first == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            let Some(end) = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
                return self.carry(bytes);
            };
            let line = &bytes[..end];
            self.after_cr = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            if self.line.is_empty() {
                self.take_line(line, &mut on_event)?;
            } else {
                self.carry(line)?;
                self.take_carried(&mut on_event)?;
            }
        }
        Ok(())
    }

    /// The stream has ended: hands out what lacked only its line ends.
    pub fn finish(&mut self, mut on_event: impl FnMut(Event<'_>)) -> Result<(), TooLong> {
        if !self.line.is_empty() {
            self.take_carried(&mut on_event)?;
        }
        self.dispatch(&mut on_event);
        Ok(())
    }

    fn carry(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        if self.line.len() + self.data.len() + bytes.len() > EVENT_BYTES_MAX {
            return Err(TooLong);
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn take_carried(&mut self, on_event: &mut impl FnMut(Event<'_>)) -> Result<(), TooLong> {
        let mut line = mem::take(&mut self.line);
        let taken = self.take_line(&line, on_event);
        line.clear();
        self.line = line;
        taken
    }

    fn take_line(
        &mut self,
        mut line: &[u8],
        on_event: &mut impl FnMut(Event<'_>),
    ) -> Result<(), TooLong> {
        if !mem::replace(&mut self.past_first_line, true) {
            line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
        }
        if line.is_empty() {
            self.dispatch(on_event);
            return Ok(());
        }
        let (field, value) = match line.iter().position(|byte| *byte == b':') {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &[][..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" => self.add_data(value),
            b"event" => self.set_name(value),
            b"error" => {
                self.set_name(b"error")?;
                self.add_data(value)
            }
            // Comments (no field name), `id`, `retry` and whatever else.
            _ => Ok(()),
        }
    }

    fn add_data(&mut self, value: &[u8]) -> Result<(), TooLong> {
        if self.data.len() + value.len() >= EVENT_BYTES_MAX {
            return Err(TooLong);
        }
        if mem::replace(&mut self.has_data, true) {
            self.data.push(b'\n');
        }
        self.data.extend_from_slice(value);
        Ok(())
    }

    fn set_name(&mut self, value: &[u8]) -> Result<(), TooLong> {
        if value.len() > EVENT_BYTES_MAX {
            return Err(TooLong);
        }
        self.name.clear();
        self.name.extend_from_slice(value);
        Ok(())
    }

    fn dispatch(&mut self, on_event: &mut impl FnMut(Event<'_>)) {
        if mem::take(&mut self.has_data) {
            on_event(Event {
                name: &self.name,
                data: &self.data,
            });
        }
        self.name.clear();
        self.data.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Owned = (String, String);

    fn owned(event: Event<'_>) -> Owned {
        (
            String::from_utf8_lossy(event.name).into_owned(),
            String::from_utf8_lossy(event.data).into_owned(),
        )
    }

    fn parse<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Vec<Owned> {
        let (mut parser, mut events) = (Parser::default(), Vec::new());
        for part in parts {
            parser
                .feed(part, |event| events.push(owned(event)))
                .unwrap();
        }
        parser.finish(|event| events.push(owned(event))).unwrap();
        events
    }

    fn data(text: &str) -> Vec<String> {
        parse([text.as_bytes()])
            .into_iter()
            .map(|(_, data)| data)
            .collect()
    }

    #[test]
    fn lf_crlf_and_cr_end_lines() {
        for end in ["\n", "\r\n", "\r"] {
            let text = format!("data: a{end}{end}data: b{end}{end}");
            assert_eq!(data(&text), ["a", "b"], "{end:?}");
        }
    }

    #[test]
    fn a_crlf_cut_in_two_is_one_line_end() {
        let events = parse([&b"data: a\r"[..], b"\ndata: b\r\n\r", b"\n"]);
        assert_eq!(events, [(String::new(), "a\nb".to_owned())]);
    }

    #[test]
    fn the_space_after_the_colon_is_optional_and_only_one_is_taken() {
        assert_eq!(data("data:a\n\ndata:  b\n\n"), ["a", " b"]);
    }

    #[test]
    fn data_lines_are_joined_and_a_bare_field_is_an_empty_line() {
        assert_eq!(data("data: a\ndata\ndata: b\n\n"), ["a\n\nb"]);
    }

    #[test]
    fn comments_ids_and_retries_make_no_event() {
        assert!(data(":\n\n: ping\n\nid: 7\n\nretry: 10\n\nevent: nothing\n\n").is_empty());
        assert_eq!(data(":\n\ndata: a\n: between\ndata: b\n\n"), ["a\nb"]);
    }

    #[test]
    fn a_name_belongs_to_its_own_event_only() {
        assert_eq!(
            parse([&b"event: error\ndata: a\n\ndata: b\n\n"[..]]),
            [
                ("error".to_owned(), "a".to_owned()),
                (String::new(), "b".to_owned())
            ]
        );
    }

    #[test]
    fn an_error_line_is_an_error_event() {
        assert_eq!(
            parse([&b"error: {\"code\":500}\n\n"[..]]),
            [("error".to_owned(), "{\"code\":500}".to_owned())]
        );
    }

    #[test]
    fn a_byte_order_mark_is_skipped_even_when_cut() {
        assert_eq!(parse([&b"\xEF\xBB"[..], b"\xBFdata: a\n\n"]).len(), 1);
    }

    #[test]
    fn the_line_separator_u2028_is_no_line_end() {
        assert_eq!(data("data: a\u{2028}b\n\n"), ["a\u{2028}b"]);
    }

    #[test]
    fn an_event_without_its_blank_line_is_given_at_the_end() {
        assert_eq!(data("data: a\n\ndata: [DONE]"), ["a", "[DONE]"]);
        assert_eq!(data("data: a\n\ndata: [DONE]\n"), ["a", "[DONE]"]);
    }

    #[test]
    fn an_endless_line_or_event_is_refused() {
        let mut parser = Parser::default();
        let line = vec![b'x'; EVENT_BYTES_MAX / 2];
        parser.feed(b"data: ", |_| {}).unwrap();
        parser.feed(&line, |_| {}).unwrap();
        assert_eq!(parser.feed(&line, |_| {}), Err(TooLong));

        let mut parser = Parser::default();
        let line = [b"data: ", &line[..], b"\n"].concat();
        parser.feed(&line, |_| {}).unwrap();
        assert_eq!(parser.feed(&line, |_| {}), Err(TooLong));
    }

    /// A stream with all that is awkward: line ends, comments, names, characters of 1 to 4 bytes.
    fn streams() -> impl Strategy<Value = String> {
        let line = prop_oneof![
            4 => "data: ?[a-z{}\":é漢🦀\u{2028}]{0,12}",
            1 => Just(": ping".to_owned()),
            1 => Just("event: error".to_owned()),
            1 => "[a-z]{0,5}:[a-z]{0,3}",
            3 => Just(String::new()),
        ];
        let end = prop_oneof![Just("\n"), Just("\r\n"), Just("\r")];
        proptest::collection::vec((line, end), 0..24)
            .prop_map(|lines| lines.into_iter().map(|(line, end)| line + end).collect())
    }

    proptest! {
        #[test]
        fn no_cut_of_a_stream_changes_its_events(
            text in streams(),
            cuts in proptest::collection::vec(0usize..400, 0..16),
        ) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let parts = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]);
            prop_assert_eq!(parse(parts), parse([bytes]));
            prop_assert_eq!(parse(bytes.chunks(1)), parse([bytes]));
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            parse([&bytes[..]]);
        }
    }
}
