//! The `towbar` command.

fn main() -> std::process::ExitCode {
    towbar::cli::run()
}
