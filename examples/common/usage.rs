//! Arguments, and what is said of those that make no sense.

use std::io::{self, ErrorKind as IoErrorKind, Write};
use std::path::Path;
use std::process;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use super::out::note;
use super::text::shown;

/// Parses the arguments of the program, or ends it: with 0 after the help, with 1 if the help cannot be written, with 2 if
/// they make no sense.
pub fn parse<C: Parser>() -> C {
    C::try_parse().unwrap_or_else(|error| {
        // The message repeats arguments: what they hold is not to be obeyed by a terminal, and is no line of ours.
        let arguments = std::env::args_os().map(|argument| shown(argument.display()));
        let error = C::try_parse_from(arguments).err().unwrap_or(error);
        if error.use_stderr() {
            error.exit()
        }
        // clap's own way to end says nothing of a device that is full.
        match error.print().and_then(|()| io::stdout().flush()) {
            Err(error) if error.kind() != IoErrorKind::BrokenPipe => {
                note!("error: cannot write to standard output: {error}");
                process::exit(1)
            }
            _ => process::exit(0),
        }
    })
}

/// Parses a text that is asked with for clap. A blank one asks for nothing, and its answer would look like any other.
pub fn query_text(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        Err("the text is blank: leave the option out".into())
    } else {
        Ok(text.into())
    }
}

/// Ends the program with a usage error that is not of one argument alone.
pub fn refuse<C: CommandFactory>(message: &str) -> ! {
    let mut command = C::command();
    // The name that was typed, not the package's.
    if let Some(name) = std::env::args_os().next().as_deref().and_then(|path| Path::new(path).file_name()) {
        command.set_bin_name(shown(name.display()));
    }
    command.error(ErrorKind::ArgumentConflict, message).exit()
}
