//! `infer man`: pages on stdout or in a folder.

use crate::support::infer::Workplace;

#[test]
fn the_page_is_printed_alone() {
    let ran = Workplace::new().run(["man"]).expect_code(0);
    assert!(ran.stdout().contains(".TH infer 1"), "{}", ran.stdout());
    assert!(ran.stderr().is_empty());
}

#[test]
fn a_folder_gets_a_page_for_each_verb() {
    let place = Workplace::new();
    place.run(["man", "--into", "man1"]).expect_code(0);
    for page in ["infer.1", "infer-render.1", "infer-template-eject.1"] {
        assert!(
            place.read(&format!("man1/{page}")).contains(".SH NAME"),
            "{page}"
        );
    }
    place.write("file", "");
    let ran = place.run(["man", "--into", "file/deep"]).expect_code(1);
    assert!(ran.stderr().contains("cannot write"), "{}", ran.stderr());
}
