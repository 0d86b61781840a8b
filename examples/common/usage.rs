//! Parses arguments, and ends the program with a usage error if they make no sense.

use std::io::{self, ErrorKind as IoErrorKind, Write};
use std::path::Path;
use std::process;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use super::out::note;
use super::text::shown;

/// Parses the arguments of the program, or ends it: with 0 after the help, with 1 if the help cannot be written,
/// and with 2 if the arguments make no sense.
pub fn parse<C: Parser>() -> C {
    C::try_parse().unwrap_or_else(|error| {
        // The message repeats arguments, so they are parsed again with control characters and line breaks escaped.
        let arguments = std::env::args_os().map(|argument| shown(argument.display()));
        let error = C::try_parse_from(arguments).err().unwrap_or(error);
        if error.use_stderr() {
            error.exit()
        }
        // clap's own exit does not report a device that is full.
        match error.print().and_then(|()| io::stdout().flush()) {
            Err(error) if error.kind() != IoErrorKind::BrokenPipe => {
                note!("error: cannot write to standard output: {error}");
                process::exit(1)
            }
            _ => process::exit(0),
        }
    })
}

/// Parses a text of a query for clap. A blank text is refused, because it asks for nothing and its answer would
/// look like any other.
pub fn query_text(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        Err("the text is blank: leave the option out".into())
    } else {
        Ok(text.into())
    }
}

/// Ends the program with a usage error that concerns several arguments.
pub fn refuse<C: CommandFactory>(message: &str) -> ! {
    let mut command = C::command();
    // The error names the program as it was typed, not the package.
    if let Some(name) = std::env::args_os().next().as_deref().and_then(|path| Path::new(path).file_name()) {
        command.set_bin_name(shown(name.display()));
    }
    command.error(ErrorKind::ArgumentConflict, message).exit()
}
