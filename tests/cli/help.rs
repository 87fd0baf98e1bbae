//! The help of every verb: whole, and its first screen alone is enough to start.

use clap::Command;

use crate::support::infer::Workplace;

/// Lines of a small terminal.
const SCREEN_LINES: usize = 24;

/// Every command with the words it is typed with: `["canary", "status"]`.
fn every_command() -> Vec<Vec<String>> {
    fn below(command: &Command, words: &[String], found: &mut Vec<Vec<String>>) {
        for verb in command.get_subcommands() {
            let words = [words, &[verb.get_name().to_owned()]].concat();
            below(verb, &words, found);
            found.push(words);
        }
    }
    let mut found = vec![Vec::new()];
    below(&infer::for_tests::cli::command(), &[], &mut found);
    found
}

fn help(words: &[String], flag: &str) -> String {
    let args = words.iter().map(String::as_str).chain([flag]);
    let ran = Workplace::new().run(args).expect_code(0);
    assert!(ran.stderr().is_empty(), "{words:?}");
    ran.stdout()
}

#[test]
fn the_help_of_each_command_is_as_it_was_agreed() {
    for words in every_command() {
        let name = [&["infer".to_owned()], words.as_slice()].concat().join("-");
        insta::with_settings!({omit_expression => true, prepend_module_to_snapshot => false}, {
            insta::assert_snapshot!(name, help(&words, "--help"));
        });
    }
}

#[test]
fn the_first_screen_has_an_example_that_the_command_line_takes() {
    for words in every_command() {
        let verb = words.first().map_or("infer", String::as_str);
        for flag in ["-h", "--help"] {
            let text = help(&words, flag);
            let screen: Vec<_> = text.lines().take(SCREEN_LINES).collect();
            let examples: Vec<_> = screen
                .iter()
                .filter_map(|line| line.strip_prefix("  infer "))
                .map(|line| line.split("  ").next().unwrap_or(line))
                .collect();
            assert!(
                examples
                    .iter()
                    .any(|line| verb == "infer" || line.starts_with(verb)),
                "{words:?} {flag} has no example:\n{text}"
            );
            for example in examples {
                let parsed =
                    infer::for_tests::cli::command().try_get_matches_from(shell_words(example));
                assert!(parsed.is_ok(), "{example}: {parsed:?}");
            }
        }
    }
}

/// `infer` and the words of a line, up to where another program takes over.
fn shell_words(line: &str) -> Vec<String> {
    let mut words = vec!["infer".to_owned()];
    for word in line.split(' ') {
        if ["|", ">"].contains(&word) {
            break;
        }
        words.push(word.trim_matches('\'').to_owned());
    }
    words
}

#[test]
fn every_option_is_also_an_environment_variable() {
    fn check(command: &Command, path: &str, checked: &mut usize) {
        for option in command.get_arguments() {
            let Some(long) = option.get_long().filter(|_| !option.is_hide_set()) else {
                continue;
            };
            let variable = option.get_env().and_then(|name| name.to_str());
            let own = format!("{path}_{}", long.to_uppercase().replace('-', "_"));
            let shared = format!("INFER_{}", long.to_uppercase().replace('-', "_"));
            assert!(
                [Some(own.as_str()), Some(shared.as_str())].contains(&variable),
                "--{long} of {path} is {variable:?}"
            );
            *checked += 1;
        }
        for below in command.get_subcommands() {
            let name = below.get_name().to_uppercase();
            check(below, &format!("{path}_{name}"), checked);
        }
    }
    let mut checked = 0;
    check(&infer::for_tests::cli::command(), "INFER", &mut checked);
    assert!(checked > 100, "{checked}");
}

#[test]
fn an_option_on_the_command_line_wins_over_its_variable() {
    let place = Workplace::new().env("INFER_TEMPLATE_DIFF_EXIT_CODE", "perhaps");
    let ran = place.run(["template", "diff"]).expect_code(2);
    assert!(ran.stderr().contains("perhaps"), "{}", ran.stderr());
    let place = Workplace::new().env("INFER_INIT_ENGINE", "sim");
    let place = place.env("INFER_FILE", "variable.yaml");
    place.run(["init", "chat"]).expect_code(0);
    assert!(place.read("variable.yaml").contains("kind: sim"));
    place
        .run(["init", "chat", "--file", "flag.yaml"])
        .expect_code(0);
    assert!(place.join("flag.yaml").exists());
}
