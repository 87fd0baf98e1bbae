//! A stream gives the same events however it is cut.
#![no_main]

use infer::for_tests::load::sse::Parser;
use libfuzzer_sys::fuzz_target;

type Events = Vec<(Vec<u8>, Vec<u8>)>;

fn events<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Option<Events> {
    let mut parser = Parser::default();
    let mut events = Events::new();
    for piece in pieces {
        parser
            .feed(piece, |event| {
                events.push((event.name.to_vec(), event.data.to_vec()))
            })
            .ok()?;
    }
    parser
        .finish(|event| events.push((event.name.to_vec(), event.data.to_vec())))
        .ok()?;
    Some(events)
}

fuzz_target!(|input: (u8, &[u8])| {
    let (size, stream) = input;
    let cut = events(stream.chunks(usize::from(size).max(1)));
    assert_eq!(events(std::iter::once(stream)), cut);
});
