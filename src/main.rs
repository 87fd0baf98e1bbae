//! The `infer` binary: everything lives in the library, whose doc comment is the map.

fn main() -> std::process::ExitCode {
    infer::run(std::env::args_os())
}
