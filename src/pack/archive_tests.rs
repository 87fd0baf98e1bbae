//! Archives of other writers read, and hostile ones refused.

use proptest::prelude::*;

use super::*;

/// An archive with one entry of this name and type, written by an independent writer.
fn archive(name: &[u8], kind: tar::EntryType, content: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name);
    header.set_entry_type(kind);
    header.set_size(content.len() as u64);
    header.set_cksum();
    let mut builder = tar::Builder::new(Vec::new());
    builder.append(&header, content).unwrap();
    builder.into_inner().unwrap()
}

fn list(bytes: &[u8]) -> Result<Vec<Entry>, EntryFault> {
    let mut archive = Archive::new(bytes);
    let mut entries = Vec::new();
    loop {
        match archive.next() {
            Ok(Some(entry)) => entries.push(entry),
            Ok(None) => return Ok(entries),
            Err(Stop::Fault(fault)) => return Err(fault),
            Err(Stop::Read(error)) => panic!("{error}"),
        }
    }
}

#[test]
fn names_that_lead_out_are_refused() {
    for name in ["../x", "a/../../x", "/etc/passwd", "a/..", ".."] {
        let bytes = archive(name.as_bytes(), tar::EntryType::Regular, b"x");
        let fault = list(&bytes).unwrap_err();
        assert!(
            matches!(fault, EntryFault::Outside { .. }),
            "{name}: {fault}"
        );
    }
    for name in [b"a\\b".as_slice(), b"\xff"] {
        let bytes = archive(name, tar::EntryType::Regular, b"x");
        assert!(matches!(list(&bytes), Err(EntryFault::Name { .. })));
    }
    let whiteout = archive(b"models/.wh.a", tar::EntryType::Regular, b"");
    assert!(matches!(list(&whiteout), Err(EntryFault::Whiteout { .. })));
    assert!(safe_path(b"a\0b").is_err());
}

#[test]
fn links_devices_and_pipes_are_refused() {
    use tar::EntryType as T;
    for kind in [
        T::Symlink,
        T::Link,
        T::Char,
        T::Block,
        T::Fifo,
        T::GNUSparse,
    ] {
        let fault = list(&archive(b"x", kind, b"")).unwrap_err();
        assert!(matches!(fault, EntryFault::Kind { .. }), "{fault}");
    }
}

#[test]
fn long_names_of_gnu_and_pax_writers_are_read() {
    let long = format!("models/{}", "n".repeat(180));
    let mut header = tar::Header::new_gnu();
    header.set_size(3);
    header.set_entry_type(tar::EntryType::Regular);
    let mut builder = tar::Builder::new(Vec::new());
    builder
        .append_data(&mut header, &long, b"abc".as_slice())
        .unwrap();
    let entries = list(&builder.into_inner().unwrap()).unwrap();
    assert_eq!(entries[0].path, long);
    assert_eq!(entries[0].bytes, 3);
}

#[test]
fn an_extended_header_of_2_to_the_62_bytes_is_refused_before_it_is_read() {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::XHeader);
    header.set_size(1 << 62);
    header.set_cksum();
    let bytes = header.as_bytes().to_vec();
    assert!(matches!(
        list(&bytes),
        Err(EntryFault::ExtendedTooLong { .. })
    ));
}

#[test]
fn a_cut_or_damaged_archive_is_noticed() {
    let whole = archive(b"models/a", tar::EntryType::Regular, &[7; 700]);
    assert!(matches!(
        list(&whole[..900]),
        Err(EntryFault::CutShort { .. })
    ));
    assert!(matches!(
        list(&whole[..300]),
        Err(EntryFault::Header { .. })
    ));
    let mut damaged = whole;
    damaged[0] ^= 1;
    assert!(matches!(list(&damaged), Err(EntryFault::Header { at: 0 })));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let mut archive = Archive::new(bytes.as_slice());
        while let Ok(Some(_)) = archive.next() {}
    }

    #[test]
    fn no_changed_header_makes_it_panic(at in 0_usize..512, to in any::<u8>()) {
        let mut bytes = archive(b"models/a", tar::EntryType::XHeader, b"11 path=ab\n");
        bytes[at] = to;
        // With the sum put right, so that what was changed is looked at.
        let sum: u32 = bytes[..512].iter().enumerate()
            .map(|(at, b)| u32::from(if (148..156).contains(&at) { b' ' } else { *b })).sum();
        bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let mut archive = Archive::new(bytes.as_slice());
        while let Ok(Some(_)) = archive.next() {}
    }

    #[test]
    fn a_safe_path_has_no_way_up(name in "[a./\\\\]{0,12}") {
        if let Ok(path) = safe_path(name.as_bytes()) {
            prop_assert!(!path.starts_with('/') && path.split('/').all(|part| part != ".."));
        }
    }
}
